"""Attributes out of a table of one's own, found by title, author and year: retrieval in place of
memory.

Ours, beside the paper's attributes from the model's memory (Llama4Rec, section III-B3); its future
work names retrieval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tandemrec.data.attributes import SEVERAL, TABLE, UNKNOWN, Attributes, Found, Kind, Value
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.columns import Table, identities, texts
from tandemrec.data.names import folded, parted, same_person, title_keys, year_of
from tandemrec.data.several import known, several
from tandemrec.data.tables import ITEMS, as_table

NAME = "table of attributes"
YEARS = (
    *("year", "release_year", "year_of_publication", "published"),
    *("release_date", "publication_date", "published_date"),
)
AUTHORS = ("author", "book_author", "author_name")
Names = Sequence[str]
"Who wrote something; empty where it is not known."


def from_table(
    catalogue: Catalogue, table: Any, kinds: Sequence[Kind], *, every: bool = True
) -> Attributes:
    """What a table knows of every item of the catalogue.

    `table` is a file (CSV, Parquet) or a frame with a column for each kind and either titles, with
    years or without, or item ids. Titles match without case, accents, punctuation, article
    ("Matrix, The") and year. Where both sides have an author it must be the same one, and years do
    not count, which are those of editions; else years may differ by one, and where either side has
    none the title decides. Ids count only where the titles agree too, or the table has none: ids of
    two data sets are different items. Where several rows fit and say different things, nothing is
    known.

    Bars and semicolons part values; of a kind that has one value the first counts. Without `every`,
    kinds that have no column are left out while any has one. Raises DataError for a missing column,
    for a column of years without any, and for a number that is none, with file, line and column.
    """
    read = as_table(table, NAME, ITEMS)
    rows = _Rows.of(read)
    there = [kind for kind in kinds if read.any_of((kind.name, *kind.also)) is not None]
    kinds = kinds if every or not there else there
    columns = {kind.name: _values(read, kind) for kind in kinds}
    items = zip(
        map(str, catalogue.item_ids),
        catalogue.titles,
        catalogue.years,
        _written(catalogue),
        strict=True,
    )
    fitting = [rows.fitting(*item) for item in items]
    values = {
        name: [_one({column[row] for row in found} - {()}) for found in fitting]
        for name, column in columns.items()
    }
    return Attributes(tuple(kinds), values)


def _one(said: set[Value]) -> Found:
    """What all fitting rows say; lists and spellings that differ are different."""
    different = {tuple(map(folded, value)): value for value in sorted(said)}
    if len(different) > 1:
        return Found((), SEVERAL)
    return Found(next(iter(different.values())), TABLE) if different else Found((), UNKNOWN)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a table by what finds them."""

    by_id: dict[str, list[int]]
    by_title: dict[str, list[int]]
    by_other: dict[str, list[int]]  # by a second name, in parentheses
    years: list[int | None]
    authors: list[Names]
    keys: list[str]  # each row's title; empty where the table has none

    @classmethod
    def of(cls, table: Table) -> _Rows:
        """Raises DataError where the table has neither titles nor ids."""
        ids, title = table.column("item"), table.column("title")
        if ids is None and title is None:
            table.needed("title")
        titles = [""] * len(table.frame)
        if title is not None:
            titles = [text or "" for text in texts(table, title).to_list()]
        keys = [title_keys(text) for text in titles]
        numbers = [] if ids is None else identities(table, ids).cast(pl.String).to_list()
        return cls(
            _index((number, row) for row, number in enumerate(numbers)),
            _index((main, row) for row, (main, _) in enumerate(keys)),
            _index((other, row) for row, (_, others) in enumerate(keys) for other in others),
            _years(table, titles),
            _authors(table),
            [main for main, _ in keys],
        )

    def fitting(self, identity: str, title: str, year: int | None, authors: Names) -> list[int]:
        """The rows of an item: by its id, else by its title, else by a second name of either."""
        main, others = title_keys(title)
        same_id = [row for row in self.by_id.get(identity, ()) if self.keys[row] in ("", main)]
        if same_id or not main:
            return same_id
        second = [row for other in others for row in self.by_title.get(other, ())]
        for rows in (self.by_title.get(main, []), [*self.by_other.get(main, []), *second]):
            if near := self._near(rows, year, authors):
                return near
        return []

    def _near(self, rows: Iterable[int], year: int | None, authors: Names) -> list[int]:
        """Of rows of one title those by the same author, else those of about the same year with no
        author to compare; of these the ones of the very year, if there are any."""
        by = {row: self.authors[row] for row in rows}
        near = [row for row, names in by.items() if _is_one_of(authors, names)]
        if not near:
            open_rows = [row for row, names in by.items() if not (authors and names)]
            near = [row for row in open_rows if _near(year, self.years[row])]
        exact = [row for row in near if year is not None and self.years[row] == year]
        return exact or near


def _is_one_of(some: Names, others: Names) -> bool:
    return any(same_person(one, other) for one in some for other in others)


def _near(one: int | None, other: int | None) -> bool:
    return one is None or other is None or abs(one - other) <= 1


def _index(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for key, row in pairs:
        if key:
            found.setdefault(key, []).append(row)
    return found


def _years(table: Table, titles: Sequence[str]) -> list[int | None]:
    """Each row's year: of its column, where it may be part of a date, else of its title."""
    name = table.any_of(YEARS)
    if name is None:
        return [year_of(title) for title in titles]
    cells = texts(table, name).fill_null("").str.strip_chars()
    known = cells.str.extract(r"(?:^|[^0-9])(1[0-9]{3}|20[0-9]{2})(?:[^0-9]|$)").cast(pl.Int64)
    filled = ~cells.str.to_lowercase().is_in(["", "0", "0.0", "nan", "unknown"])
    if filled.any() and known.null_count() == len(known):
        row = filled.arg_max() or 0
        raise table.error(
            f"expected years, found {cells[row]!r:.80}, and no year in any row.",
            row=row,
            column=name,
            remedy="Write them as 1995 or 1995-12-31, or leave the column out.",
        )
    return [year or year_of(title) for title, year in zip(titles, known.to_list(), strict=True)]


def _authors(table: Table) -> list[Names]:
    name = table.any_of(AUTHORS)
    if name is None:
        return [()] * len(table.frame)
    return [known(cell) for cell in several(table, name)]


def _written(catalogue: Catalogue) -> list[Names]:
    """Who wrote each item of a catalogue."""
    return [known(parted(text)) for text in catalogue.texts("author")]


def _values(table: Table, kind: Kind) -> list[Value]:
    """The values of every row."""
    name = table.any_of((kind.name, *kind.also))
    if name is None:
        raise table.error(
            f"there is no column of {kind.about}. Found: {', '.join(table.frame.columns)}.",
            column=kind.name,
            remedy=f"Expected {kind.name}; or leave it out (attributes.kinds, or attributes.source "
            "= none).",
        )
    cells = several(table, name, commas=kind.form == "list")
    return [_value(table, name, row, cell, kind) for row, cell in enumerate(cells)]


def _value(table: Table, name: str, row: int, cell: Sequence[str], kind: Kind) -> Value:
    said = known(cell)
    if kind.form == "number" and said:
        found = re.fullmatch(r"([0-9]{1,6})(?:\.0+)?", said[0])
        if not found:
            problem = f"expected a whole number, found {said[0]!r:.80}."
            raise table.error(problem, row=row, column=name, remedy="Leave unknown ones empty.")
        return (found[1],) if int(found[1]) else ()
    return tuple(dict.fromkeys(said if kind.form == "list" else said[:1]))
