"""Anybody's table, from a file or from memory, as a Table of named columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from tandemrec.data.columns import NAMES, Table
from tandemrec.data.text import read_text
from tandemrec.errors import DataError
from tandemrec.oneline import short

INTERACTIONS = ("user", "item", "rating", "time")
"What the columns of a file without a header are, in order: MovieLens' u.data and ratings.dat."
ITEMS = ("item", "title")
USERS = ("user",)
_HOLDS = {ITEMS: ("items", "an id and a title"), USERS: ("users", "an id and what describes it")}
"What a file of such columns is called, and the least that it needs."


def read_table(path: str | Path, roles: tuple[str, ...] = INTERACTIONS) -> Table:
    """Read CSV, TSV, any other separated text, Parquet, or a RecBole atomic file.

    `roles` are the meanings of the first columns where the file has no header. Raises DataError.
    """
    path = Path(path)
    name, least = _HOLDS.get(roles, ("interactions", "a user and an item"))
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{what}.", file=path, remedy=f"Give a file of {name}.")
    if is_parquet(path):
        with as_data_error(path):
            frame = pl.read_parquet(path)
        return _named_table(frame, str(path))
    frame, layout = read_text(path, least)
    if not layout.header:
        names = [NAMES[role][0] for role in roles][: frame.width]
        frame = frame.rename(dict(zip(frame.columns, names, strict=False)))
    return Table(frame, str(path), layout)


def as_table(source: Any, name: str, roles: tuple[str, ...] = INTERACTIONS) -> Table:
    """A path, a Polars frame, or anything with `__arrow_c_stream__` (pandas, DuckDB) as a Table."""
    if isinstance(source, str | Path):
        return read_table(source, roles)
    return _named_table(_frame(source, name), name)


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    return path.is_file() and _starts_with(path, b"PAR1")


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    """What Polars says of a damaged Parquet file, as a DataError."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"the Parquet file cannot be read: {reason}.", file=path) from None


def _named_table(frame: pl.DataFrame, name: str) -> Table:
    if not len(frame):
        raise DataError("the table has no rows.", file=name)
    return Table(frame, name)


def _frame(source: Any, name: str) -> pl.DataFrame:
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, pl.DataFrame):
        return source
    if not hasattr(source, "__arrow_c_stream__"):
        raise DataError(
            f"the {name} must be a path or a frame with __arrow_c_stream__ (Polars, pandas, "
            f"DuckDB). Received: {type(source).__name__}."
        )
    try:
        return pl.DataFrame(source)
    except (ImportError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the {name} cannot be read: {short(error, 200).rstrip('.')}.") from None
