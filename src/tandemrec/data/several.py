"""Cells that hold several values, such as the stars of a film."""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from tandemrec.data.cells import MISSING
from tandemrec.data.columns import Table, texts
from tandemrec.data.names import parted


def several(table: Table, name: str, *, commas: bool = False) -> list[list[str]]:
    """Each row's texts: those of a list, or those in one text, which `commas` divide too."""
    column = table.frame[name]
    if not isinstance(column.dtype, pl.List):
        return [_parts(cell or "", commas) for cell in texts(table, name).to_list()]
    rows = [[str(part) for part in cell or () if part is not None] for cell in column.to_list()]
    return [[part for text in row for part in parted(text)] for row in rows]


def known(cell: Iterable[str]) -> list[str]:
    """The texts of a cell that say something: not "unknown", nor a word for a missing value, such
    as IMDb's, nor signs alone."""
    said = (" ".join(part.split()) for part in cell)
    return [part for part in said if part.casefold() not in _NOTHING and re.search(r"\w", part)]


_NOTHING = {*MISSING, "unknown", "\\n"}


def _parts(cell: str, commas: bool) -> list[str]:
    """A text as the texts in it: bars and semicolons divide it, and in a list commas where it has
    none of these ("Al Pacino, Val Kilmer"; in brackets, as "['Al Pacino', 'Val Kilmer']", always).
    """
    bare = cell.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare, commas = bare[1:-1], True
    if re.search(r"[|;]", bare) or not commas:
        return [part.strip("'\"") if commas else part for part in parted(bare)]
    return [said for part in bare.split(",") if (said := part.strip().strip("'\""))]
