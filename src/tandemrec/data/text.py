"""Text tables as people have them: encoding, separator, quotes and header are found out."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from tandemrec.data.columns import ALL_NAMES, plain
from tandemrec.errors import DataError, DataWarning

SEPARATORS = {"\t": "tab", "::": "two colons", ";": "semicolon", "|": "bar", ",": "comma"}
"The accepted separators; the earlier wins where two fit, since commas stand inside titles too."

_TWO_COLONS = b"\x1f"  # what "::" is turned into, since polars takes single bytes
_HEAD = 1 << 16
_TYPED = re.compile(r"[^:]+:(token|token_seq|float|float_seq)")
_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_RECORD = re.compile(rb'(?:[^"\n]++|"[^"]*+(?:""[^"]*+)*+"|")*+(?:\n|\Z)')


@dataclass(frozen=True, eq=False)
class Layout:
    """How a text file is written, and its bytes in UTF-8, to find a row's line again."""

    encoding: str
    separator: str
    header: bool
    quoted: bool
    typed: bool
    "Whether it is a RecBole atomic file, with a header such as `user_id:token`."
    content: bytes = field(repr=False)
    types: Mapping[str, str] = field(default_factory=dict)
    "Columns' types in a RecBole atomic file: token, token_seq, float or float_seq."

    @property
    def byte(self) -> bytes:
        """The separator as it stands in `content`."""
        return _TWO_COLONS if self.separator == "::" else self.separator.encode()

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Each record that is not blank, the header included, with its line number from 1."""
        line = 1
        for record in _records(self.content, self.quoted):
            if record.strip(self.byte + b"\r\n"):
                yield line, record
            line += record.count(b"\n")

    def line(self, row: int) -> int | None:
        """The line on which the table's row (from 0) begins."""
        wanted = row + self.header
        return next((line for n, (line, _) in enumerate(self.records()) if n == wanted), None)


def read_text(path: Path, least: str) -> tuple[pl.DataFrame, Layout]:
    """A text table, every cell as text and empty cells as null; blank lines are left out.

    `least` says which columns it must have, for a file of one. Raises DataError for a file that is
    missing, empty, not text, of one column, or ragged.
    """
    content, encoding = _decoded(path)
    if not content.strip():
        raise DataError("the file is empty.", file=path)
    layout = _sniffed(content, encoding, path, least)
    frame = _parsed(layout, path)
    names = _names(frame.row(0), layout.typed, path) if layout.header else frame.columns
    layout = replace(layout, types=_types(names, frame.row(0)) if layout.typed else {})
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    frame = frame.slice(int(layout.header))
    if not len(frame):
        raise DataError("the file has a header and no rows.", file=path)
    return frame, layout


def _decoded(path: Path) -> tuple[bytes, str]:
    """The file's text as UTF-8 bytes with plain line ends, and its encoding."""
    raw = _unpacked(path.read_bytes(), path)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw, encoding = _from_utf16(raw, path), "utf-16"
    elif b"\0" in raw[:_HEAD]:
        raise DataError(
            "this is no text table.",
            file=path,
            remedy="Give CSV, TSV, Parquet or a RecBole atomic file.",
        )
    else:
        raw, encoding = _utf8(raw, path)
    return raw.replace(b"\r", b"\n") if b"\n" not in raw else raw, encoding


def _from_utf16(raw: bytes, path: Path) -> bytes:
    try:
        return raw.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"this begins as UTF-16 and goes wrong at byte {error.start} ({error.reason}).",
            file=path,
            remedy="The file is damaged or cut short; save it anew, best as UTF-8.",
        ) from None


def _unpacked(raw: bytes, path: Path) -> bytes:
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        raise DataError("the gzip file is damaged.", file=path) from None


def _utf8(raw: bytes, path: Path) -> tuple[bytes, str]:
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        text = f"{path}, line {line}: not UTF-8; the file is read as latin-1."
        warnings.warn(text, DataWarning, stacklevel=2)
        return raw.decode("latin-1").encode(), "latin-1"
    return raw, "utf-8"


def _sniffed(content: bytes, encoding: str, path: Path, least: str) -> Layout:
    separator = _separator(content, path, least)
    if separator == "::":
        content = content.replace(b"::", _TWO_COLONS)
    byte = _TWO_COLONS if separator == "::" else separator.encode()
    first = content.lstrip(b"\r\n").split(b"\n", 1)[0].decode().rstrip("\r")
    cells = [cell.strip().strip('"') for cell in first.split(byte.decode())]
    typed = all(_TYPED.fullmatch(cell) for cell in cells)
    quoted = not typed and _quotes_hold(content, byte, path)
    return Layout(encoding, separator, typed or _is_header(cells), quoted, typed, content)


def _separator(content: bytes, path: Path, least: str) -> str:
    """The separator that gives the first lines the most equal number of fields."""
    text = _QUOTED.sub(b"", content[:_HEAD]).decode(errors="ignore")
    lines = [line for line in text.splitlines() if line.strip()][:100] or [""]
    lines = lines[:-1] if len(lines) > 1 and len(content) > _HEAD else lines
    best, agreement = "", 0.0
    for separator in SEPARATORS:
        counts = [line.count(separator) for line in lines]
        share = sum(count == counts[0] for count in counts) / len(counts)
        if counts[0] and share > agreement:
            best, agreement = separator, share
    if not best:
        raise _one_column(lines, path, least)
    return best


def _one_column(lines: list[str], path: Path, least: str) -> DataError:
    """Only ids, or a separator that is none of ours, such as blanks."""
    allowed = ", ".join(SEPARATORS.values())
    if any(len(line.split()) > 1 for line in lines):
        problem = f"no separator found in {lines[0][:60]!r}."
        return DataError(problem, file=path, line=1, remedy=f"Expected one of {allowed}.")
    problem = f"there is only one column, which begins with {lines[0][:60]!r}."
    remedy = f"Expected at least {least}, separated by one of {allowed}."
    return DataError(problem, file=path, line=1, remedy=remedy)


def _is_header(cells: list[str]) -> bool:
    known = any(plain(cell) in ALL_NAMES for cell in cells)
    return known or not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _quotes_hold(content: bytes, separator: bytes, path: Path) -> bool:
    """Whether quotes enclose fields: each one that opens a field is closed at a field's end."""
    edge = re.escape(separator)
    if not re.search(rb'(?:^|%s)"' % edge, content, re.MULTILINE):
        return False
    field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|(?!")[^%s\n]*+)' % edge
    if re.fullmatch(rb"(?:%s(?:%s|\r?\n|\r?\Z))*+" % (field, edge), content):
        return True
    text = f"{path}: quotes are not closed where a field ends; they are taken as plain characters."
    warnings.warn(text, DataWarning, stacklevel=2)
    return False


def _parsed(layout: Layout, path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            layout.content,
            separator=layout.byte.decode(),
            has_header=False,
            infer_schema=False,
            quote_char='"' if layout.quoted else None,
        )
    except pl.exceptions.ComputeError as error:
        raise _ragged(layout, path, str(error)) from None
    return frame.filter(~pl.all_horizontal(pl.all().is_null()))


def _ragged(layout: Layout, path: Path, reason: str) -> DataError:
    """The first line whose number of fields is not the first line's."""
    expected = None
    for line, record in layout.records():
        fields = (_QUOTED.sub(b"", record) if layout.quoted else record).count(layout.byte) + 1
        expected = expected or fields
        if fields > expected:
            problem = f"expected {expected} fields, found {fields}."
            remedy = 'Put "quotes" around fields that hold the separator.'
            return DataError(problem, file=path, line=line, remedy=remedy)
    return DataError(f"not readable as a table: {reason.splitlines()[0]}.", file=path)


def _records(content: bytes, quoted: bool) -> Iterator[bytes]:
    if not quoted:
        yield from content.splitlines(keepends=True)
        return
    for match in _RECORD.finditer(content):
        if match.group():
            yield match.group()


def _names(header: tuple[str | None, ...], typed: bool, path: Path) -> list[str]:
    """Column names without RecBole's types; a repeated or empty name gets its place added, of a
    repeated one with a warning."""
    names: list[str] = []
    for place, cell in enumerate(header, start=1):
        name = (cell or "").strip()
        name = name.split(":")[0] if typed else name
        if name and name in names:
            text = f"{path}: column {place} is called {name!r} again; now {name}_{place}."
            warnings.warn(text, DataWarning, stacklevel=2)
        names.append(f"{name or 'column'}_{place}" if not name or name in names else name)
    return names


def _types(names: list[str], header: tuple[str | None, ...]) -> dict[str, str]:
    """RecBole's types by the columns' names."""
    types = [(cell or "").strip().partition(":")[2] for cell in header]
    return dict(zip(names, types, strict=True))
