"""Somebody's own history: what he met, oldest first, and perhaps how he rated it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.columns import NAMES, Table, identities, plain, ratings, times
from tandemrec.data.tables import read_table
from tandemrec.errors import DataError, DataWarning
from tandemrec.oneline import short

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"What a file begins with in either order of bytes."
_HEADERS = {plain(name) for name in NAMES["item"]}


class History(NamedTuple):
    """Ids of items, [N], oldest first, and their ratings, [N], where they are known."""

    items: list[str]
    ratings: list[float] | None = None


def read_history(path: str | Path, *, rated: bool = False) -> History:
    """From a file: one id a line (with a header or without), or any table with an item column,
    which is put in time order if it has a time column. A rating column is read where `rated` asks
    for it, and otherwise warned of. Raises DataError."""
    path = Path(path)
    lines = _lines(path)
    if lines is None:
        return _from_table(path, rated)
    items = lines[1:] if lines and plain(lines[0]) in _HEADERS else lines
    if not items:
        raise DataError("the history is empty.", file=path, remedy="Give one item id a line.")
    return History(items)


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


def _from_table(path: Path, rated: bool) -> History:
    table = read_table(path, ("item", "time"))
    items = identities(table, table.needed("item")).cast(str).to_numpy()
    column = table.column("time")
    order = np.arange(len(items))
    if column is not None:
        order = np.argsort(times(table, column), kind="stable")
    values = _ratings(table, path, rated)
    return History(items[order].tolist(), None if values is None else values[order].tolist())


def _ratings(table: Table, path: Path, rated: bool) -> NDArray[np.float32] | None:
    column = table.column("rating")
    if column is None:
        return None
    if rated:
        return ratings(table, column)
    text = (
        f"{path}: the column {column!r} is not read; of somebody new it counts what he met, not "
        "how he rated it. Leave out what he did not like."
    )
    warnings.warn(text, DataWarning, stacklevel=4)
    return None
