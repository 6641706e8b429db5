"""Somebody's own history, from a file: item ids, oldest first."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from tandemrec.data.columns import NAMES, identities, plain, times
from tandemrec.data.tables import read_table
from tandemrec.errors import DataError, DataWarning
from tandemrec.oneline import short

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"What a file begins with in either order of bytes."
_HEADERS = {plain(name) for name in NAMES["item"]}


def read_history(path: str | Path) -> list[str]:
    """Item ids from a file: one id a line (with a header or without), or any table with an item
    column, which is put in time order if it has a time column. Raises DataError; warns of ratings,
    which are not read."""
    path = Path(path)
    lines = _lines(path)
    if lines is None:
        return _from_table(path)
    items = lines[1:] if lines and plain(lines[0]) in _HEADERS else lines
    if not items:
        raise DataError("the history is empty.", file=path, remedy="Give one item id a line.")
    return items


def _lines(path: Path) -> list[str] | None:
    """The lines of a text file of one column; None for a table."""
    if not path.is_file():
        what = "this is a folder." if path.is_dir() else "there is no such file."
        raise DataError(what, file=path, remedy="Give a file of item ids.")
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not any(mark in line for line in lines for mark in ",;\t|"):
        return lines
    if len(lines) == 1:
        problem = f"there is one line only, of several fields: {short(lines[0])!r}."
        raise DataError(problem, file=path, remedy="Give one item id a line, or a table.")
    return None


def _from_table(path: Path) -> list[str]:
    table = read_table(path, ("item", "time"))
    items = identities(table, table.needed("item")).cast(str).to_list()
    if rating := table.column("rating"):
        text = (
            f"{path}: the column {rating!r} is not read; of somebody new it counts what he met, "
            "not how he rated it. Leave out what he did not like."
        )
        warnings.warn(text, DataWarning, stacklevel=3)
    column = table.column("time")
    if column is None:
        return items
    return [items[row] for row in np.argsort(times(table, column), kind="stable")]
