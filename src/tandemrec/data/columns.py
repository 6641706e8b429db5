"""From the columns of anybody's table to users, items, ratings and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec.data.cells import EXACT, from_iso, read
from tandemrec.errors import DataError

if TYPE_CHECKING:
    from tandemrec.data.text import Layout

NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user_id", "user", "uid", "userid", "reviewer_id", "customer_id", "visitor_id"),
    "item": (
        *("item_id", "item", "iid", "itemid", "movie_id", "movie", "book_id", "isbn"),
        *("parent_asin", "asin", "product_id", "business_id", "track_id", "song_id", "sku"),
    ),
    "rating": ("rating", "score", "stars", "overall", "book_rating", "ratings"),
    "time": ("timestamp", "time", "ts", "datetime", "date", "unix_review_time", "created_at"),
    "title": ("title", "name", "item_title", "movie_title", "book_title", "item_name"),
}
"The names each column goes by, the earlier first; case, spaces, dashes and _ do not matter."


def plain(name: str) -> str:
    """A column's name with nothing but its letters and digits, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


ALL_NAMES = frozenset(plain(name) for names in NAMES.values() for name in names)


@dataclass(frozen=True, eq=False)
class Table:
    """A frame, what messages call it, how its file was written if it is a text file, and which of
    the file's rows is the frame's first."""

    frame: pl.DataFrame
    name: str
    layout: Layout | None = None
    first: int = 0

    def error(
        self, problem: str, *, row: int | None = None, column: str | None = None, remedy: str = ""
    ) -> DataError:
        """A DataError that names this table, and the line of a text file or the row of a frame."""
        line, name = None, self.name
        if row is not None and self.layout:
            line = self.layout.line(row)
        elif row is not None:
            name = f"{name}, row {self.first + row} (from 0)"
        return DataError(problem, file=name, line=line, column=column, remedy=remedy)

    @property
    def types(self) -> Mapping[str, str]:
        """What a RecBole file says of its columns: token, token_seq, float or float_seq."""
        return self.layout.types if self.layout else {}

    def column(self, role: str, *, also: tuple[str, ...] = ()) -> str | None:
        """The column of a role: user, item, rating, time or title; `also` are further names."""
        return self._first((*NAMES[role], *also))

    def any_of(self, names: Iterable[str]) -> str | None:
        """The first column that goes by one of these names, or by its plural."""
        return self._first(name + ending for name in names for ending in ("", "s"))

    def _first(self, names: Iterable[str]) -> str | None:
        known = self._by_plain
        return next((known[name] for name in map(plain, names) if name in known), None)

    @property
    def _by_plain(self) -> dict[str, str]:
        """Columns by their plain names; the first of those that have one in common."""
        return {plain(name): name for name in reversed(self.frame.columns)}

    def rivals(self, role: str) -> list[str]:
        """The further columns that go by a name of that role, and are not read as it."""
        wanted, taken = {plain(name) for name in NAMES[role]}, self.column(role)
        return [name for name in self.frame.columns if plain(name) in wanted and name != taken]

    def needed(self, role: str, *, also: tuple[str, ...] = ()) -> str:
        """As `column`, or an error that names the columns there are and guesses."""
        found = self.column(role, also=also)
        return found if found is not None else self._missing(role)

    def named(self, name: str) -> str:
        """The column of that name, for context; an error that guesses if there is none."""
        known = self._by_plain
        found = name if name in self.frame.columns else known.get(plain(name))
        if found is None:
            close = get_close_matches(plain(name), known, 1, 0.5)
            guess = f" Did you mean {known[close[0]]!r}?" if close else ""
            listed = ", ".join(self.frame.columns)
            raise self.error(f"there is no column {name!r} for context.{guess} Found: {listed}.")
        if found in {self.column(role) for role in ("user", "item", "rating")}:
            raise self.error(
                "a column of users, items or ratings is no context.",
                column=found,
                remedy="Name columns that are known before the rating is.",
            )
        return found

    def _missing(self, role: str) -> str:
        known = {plain(name): name for name in self.frame.columns}
        known = {key: name for key, name in known.items() if key not in ALL_NAMES}
        close = [m for name in NAMES[role] for m in get_close_matches(plain(name), known, 1, 0.6)]
        guess = f" Rename {known[close[0]]!r}?" if close else ""
        raise self.error(
            f"there is no column of {role}s. Found: {', '.join(self.frame.columns)}.",
            remedy=f"Expected one of {', '.join(NAMES[role])}.{guess}",
        )


def identities(table: Table, column: str) -> pl.Series:
    """Ids as they were given; a text file's whole numbers become integers. Nulls are errors."""
    ids = _of_type(table, column, _is_plain, "ids")
    if isinstance(ids.dtype, pl.Categorical | pl.Enum):
        ids = ids.cast(pl.String)
    if ids.dtype == pl.String and table.layout:
        ids = ids.str.strip_chars()
    empty = ids.is_null()
    if ids.dtype == pl.String:
        empty |= ids == ""
    elif ids.dtype.is_float():
        empty |= ~ids.is_finite()
    _refuse(table, column, empty, "an id")
    if table.layout or ids.dtype.is_float():
        ids = _whole(ids)
    return ids


def _whole(ids: pl.Series) -> pl.Series:
    """Integers, where they say the same as what was given: "007" stays text."""
    numbers = ids.cast(pl.Int64, strict=False)
    if numbers.null_count() or not (numbers.cast(ids.dtype) == ids).all():
        return ids
    return numbers


def _is_plain(kind: pl.DataType) -> bool:
    return not (kind.is_nested() or kind in (pl.Binary, pl.Object))


def _of_type(
    table: Table, column: str, fits: Callable[[pl.DataType], bool], expected: str
) -> pl.Series:
    """A column whose type can hold what is expected; text always can."""
    values = table.frame[column]
    if not (fits(values.dtype) or values.dtype in (pl.String, pl.Null)):
        problem = f"expected {expected}, found a column of type {values.dtype!s:.60}."
        raise table.error(problem, column=column, remedy="Turn it into numbers or text first.")
    return values


def contexts(table: Table, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Further columns by their names, which are found as those of roles are: texts, or float64
    where all filled cells are numbers or dates, NaN where there is none. Of several names in a
    cell, as RecBole's token_seq are, a text with | between.

    Raises DataError for a column that is not there, or that a row is recognised or judged by.
    """
    names = (names,) if isinstance(names, str) else names
    return {name: _context(table, table.named(name)) for name in names}


def _context(table: Table, column: str) -> NDArray[Any]:
    values = _of_type(table, column, _is_plain, "numbers or texts")
    if table.layout and values.dtype == pl.String:
        values = _told(table, values)
    kind = values.dtype
    if kind in (pl.Date, pl.Datetime):
        return _from_datetimes(values).cast(pl.Float64).fill_null(np.nan).to_numpy()
    if _is_number(kind) or kind == pl.Null:
        numbers = _numbers(values)
        if _says_as_much(numbers, values):
            return numbers.fill_null(np.nan).to_numpy()
        values = table.frame[column]
    return values.cast(pl.String).str.strip_chars().fill_null("").to_numpy().astype(np.str_)


def _told(table: Table, values: pl.Series) -> pl.Series:
    """A text file's column as what its cells are, or as a RecBole file says."""
    match table.types.get(values.name):
        case "token":
            return values
        case "token_seq":
            return values.str.extract_all(r"[^\s|]+").list.join("|")
        case "float_seq":
            problem = "expected numbers or texts, found RecBole's float_seq."
            raise table.error(problem, column=values.name, remedy="Name other columns as context.")
    return read(values)


def _says_as_much(numbers: pl.Series, values: pl.Series) -> bool:
    """Whether no whole number is too long for one in 64 bits."""
    largest: Any = None if values.dtype.is_float() else numbers.abs().max()
    return largest is None or largest <= EXACT


def texts(table: Table, column: str) -> pl.Series:
    """A column as text, such as titles."""
    return _of_type(table, column, _is_plain, "texts").cast(pl.String)


def ratings(table: Table, column: str) -> NDArray[np.float32]:
    """Ratings, [N]; anything but a number that is finite in 32 bits is an error with its line."""
    values = _numbers(_of_type(table, column, _is_number, "numbers"))
    _refuse(table, column, values.is_null() | ~values.is_finite(), "a number")
    _refuse(table, column, values.abs() > _LARGEST, f"a number of at most {_LARGEST:.1e}")
    return values.to_numpy().astype(np.float32)


_LARGEST = float(np.finfo(np.float32).max)


def _is_number(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind == pl.Boolean


def _numbers(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    return values.cast(pl.Float64, strict=False)


def times(table: Table, column: str) -> NDArray[np.int64]:
    """Times as whole numbers that order, [N].

    Whole numbers stay. Dates, ISO texts and fractions of seconds become seconds since 1970, or
    microseconds where any of them has a fraction.
    """
    values = _of_type(table, column, _is_time, "times")
    read = next(reader for fits, reader in _TIME_READERS if fits(values))
    result = read(values)
    _refuse(table, column, result.is_null(), "a time, such as 881250949 or 2024-05-31 12:00:00")
    return result.to_numpy().astype(np.int64)


def _is_time(kind: pl.DataType) -> bool:
    dates = (pl.Date, pl.Datetime, pl.Categorical, pl.Enum)
    return kind.is_numeric() or isinstance(kind, dates)


def _from_floats(values: pl.Series) -> pl.Series:
    values = values.cast(pl.Float64)
    values = values.set(~values.is_finite(), None)
    if (values == values.floor()).all():
        return values.cast(pl.Int64, strict=False)
    return (values * 1e6).round().cast(pl.Int64, strict=False)


def _from_datetimes(values: pl.Series) -> pl.Series:
    micro = values.cast(pl.Datetime("us"), strict=False).dt.epoch("us")
    return micro // 1_000_000 if (micro % 1_000_000 == 0).all() else micro


def _from_text(values: pl.Series) -> pl.Series:
    """Whole numbers, else fractions, else ISO 8601: whichever the first filled cell is."""
    text = values.str.strip_chars()
    text = text.set(text == "", None)
    first = text.drop_nulls().head(1)
    if first.cast(pl.Int64, strict=False).drop_nulls().len():
        whole = text.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == text.null_count() else _from_floats(_numbers(text))
    if first.cast(pl.Float64, strict=False).drop_nulls().len():
        return _from_floats(_numbers(text))
    return _from_datetimes(from_iso(text))


_TIME_READERS: list[tuple[Callable[[pl.Series], bool], Callable[[pl.Series], pl.Series]]] = [
    (lambda values: values.dtype.is_integer(), lambda values: values.cast(pl.Int64, strict=False)),
    (lambda values: values.dtype.is_float(), _from_floats),
    (lambda values: values.dtype.is_temporal(), _from_datetimes),
    (lambda values: True, lambda values: _from_text(values.cast(pl.String))),
]


def _refuse(table: Table, column: str, bad: pl.Series, expected: str) -> None:
    """Raise for the first bad row, if there is one."""
    row = bad.arg_max() if bad.any() else None
    if row is None:
        return
    values = table.frame[column]
    if values.dtype == pl.Datetime:  # Python has none of the year 10,000
        values = values.to_physical()
    found = values[row]
    blank = found is None or (isinstance(found, str) and not found.strip())
    shown = "nothing" if blank else f"{found!r:.80}"
    remedy = "Fill it, or leave the row out." if blank else ""
    raise table.error(f"expected {expected}, found {shown}.", row=row, column=column, remedy=remedy)
