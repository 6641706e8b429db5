"""The further columns of a table of users or items: numbers, dates or texts, as its cells are."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import polars as pl

from tandemrec.data.cells import read
from tandemrec.data.columns import Table
from tandemrec.errors import ConfigError


def further(table: Table | None, rows: pl.Series, without: tuple[str, ...]) -> pl.DataFrame:
    """What a table has besides these roles, a row for each number; null where it has none."""
    if table is None:
        return pl.DataFrame()
    used = {table.column(role, also=("id",)) for role in without}
    columns = [column for column in table.frame if column.name not in used]
    return pl.DataFrame([_typed(column, table).gather(rows) for column in columns])


def _typed(column: pl.Series, table: Table) -> pl.Series:
    """A text file's column as what its cells are; "007" says more than a number."""
    if not table.layout:
        return column
    zeros = column.str.contains(r"^\s*[+-]?0\d").any()
    return column if zeros and table.types.get(column.name) != "float" else read(column)


def declared(side: str, table: Table | None) -> dict[str, str]:
    """What a RecBole file says of its columns, by what their fields are called."""
    types = table.types if table else {}
    return {f"{side} {name}": kind for name, kind in types.items()}


def chosen(side: str, there: Sequence[str], wanted: Sequence[str] | None) -> Sequence[str]:
    """The wanted columns, each once, or all; ConfigError for one that is not there."""
    if wanted is None:
        return there
    for name in wanted:
        if name not in there:
            close = get_close_matches(name, there, n=1, cutoff=0.5)
            guess = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"There is no column {name!r} of {side} fields.{guess} Received: "
                f"{', '.join(wanted)}. Known: {', '.join(there) or 'none'}."
            )
    return list(dict.fromkeys(wanted))
