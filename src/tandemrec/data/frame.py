"""Anybody's interactions and items become a Dataset; what was odd about them is counted."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec.data.blocks import in_order
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.columns import NAMES, Table, contexts, identities, plain, ratings, texts, times
from tandemrec.data.further import declared, further
from tandemrec.data.interactions import Interactions
from tandemrec.data.parquet import Numbering, mapped
from tandemrec.data.tables import ITEMS, USERS, as_data_error, as_table
from tandemrec.data.text import Layout
from tandemrec.errors import DataWarning
from tandemrec.oneline import counted

BY_ROWS = "no times in the data; each user's order is that of the rows"


@dataclass
class Findings:
    """What was odd, and how it was dealt with."""

    duplicates: int = 0
    "Rows dropped because the same user met the same item again later."
    first_duplicate: str = ""
    untitled: int = 0
    first_untitled: str = ""
    short_users: int = 0
    "Users with fewer than three interactions."
    notes: list[str] = field(default_factory=list)
    "Whatever else is odd: an item described twice, rows that cannot be read."
    order: str = ""
    "What a user's rows are ordered by, where it is not time: BY_ROWS, or a source's own words."
    noun: str = "item"
    layout: Layout | None = None
    "How the interactions' file was written, if it was text."
    columns: dict[str, str] = field(default_factory=dict)
    "The columns of the interactions that were read, by what they are read as."

    def messages(self) -> Iterator[str]:
        """One line for each odd thing."""
        if self.duplicates:
            last = "the last by time" if self.order in ("", BY_ROWS) else "the last in the file"
            yield (
                f"{counted(self.duplicates, 'row')} repeated a pair of user and item, first "
                f"{self.first_duplicate}; of each pair {last} is kept."
            )
        if self.untitled:
            yield (
                f"{counted(self.untitled, 'item')} without a title, first {self.first_untitled}, "
                f"now called '{self.noun} {self.first_untitled}'."
            )
        if self.short_users:
            yield (
                f"{counted(self.short_users, 'user')} with fewer than three interactions: in "
                "training, but not tested."
            )
        if self.order == BY_ROWS:
            yield "There is no column of times; the order of rows is taken for the order in time."
        yield from self.notes

    def read(self, table: Table, roles: Sequence[str], context: Iterable[str] = ()) -> None:
        """Note which columns of the interactions are read, and which could have been instead;
        those of `context` are read too."""
        named, asked = {role: table.column(role) for role in roles}, set(map(plain, context))
        self.columns = {role: column for role, column in named.items() if column is not None}
        for role, column in self.columns.items():
            if rivals := [each for each in table.rivals(role) if plain(each) not in asked]:
                others = ", ".join(map(repr, rivals))
                self.notes.append(
                    f"{table.name}: {column!r} is read as the {role}, not {others}; rename "
                    "columns if another is meant."
                )

    def unmatched(self, role: str, table: Table | None, known: Numbering) -> None:
        """Note a table of users or items none of which has an interaction."""
        if table is not None and known.places.null_count() == len(known.places):
            there = table.frame[table.needed(role, also=("id",))][0]
            self.notes.append(
                f"{table.name}: none of its {role}s is in the interactions, so it says nothing; "
                f"ids look like {there!r} in it and {known.ids[0]!r} there."
            )

    def repeated(self, table: str, rows: int) -> None:
        """Note how many rows of a table described an item or user again."""
        if rows:
            self.notes.append(
                f"{table}: {counted(rows, 'row')} repeated an id; the first of each is kept."
            )


def from_frames(
    interactions: Any,
    items: Any = None,
    users: Any = None,
    *,
    name: str = "data",
    noun: str = "item",
    context: Sequence[str] = (),
) -> Dataset:
    """A Dataset from frames or files: Polars, pandas, DuckDB, CSV, TSV, Parquet, RecBole.

    Needs columns of users and items; ratings (else 1) and times (else row order) are optional, and
    columns go by their usual names (`tandemrec.data.columns.NAMES`). Users are numbered in order
    of appearance, items too, or in the order of `items`; items that nobody met are left out.
    `context` names further columns of the interactions, such as the device or the hour, which
    rating backbones read as fields. Raises DataError that names file, line and column; warns with
    DataWarning of what was odd.
    """
    dataset, findings = build(
        as_table(interactions, "interactions"),
        None if items is None else as_table(items, "items", ITEMS),
        None if users is None else as_table(users, "users", USERS),
        name=name,
        noun=noun,
        context=context,
    )
    for message in findings.messages():
        warnings.warn(f"{name}: {message}", DataWarning, stacklevel=2)
    return dataset


def build(
    table: Table,
    items: Table | None,
    users: Table | None,
    *,
    name: str,
    noun: str,
    context: Sequence[str] = (),
) -> tuple[Dataset, Findings]:
    """The Dataset and what was odd; `from_frames` tells what is read and raised."""
    findings = Findings(noun=noun, layout=table.layout)
    columns = {role: table.needed(role) for role in ("user", "item")}
    ids = {role: identities(table, column) for role, column in columns.items()}
    user_ids, user_numbers, user_rows = _numbered(ids["user"], users, "user", findings)
    item_ids, item_numbers, item_rows = _numbered(ids["item"], items, "item", findings)
    further = contexts(table, context)
    findings.read(table, _roles(items), further)
    rows = _interactions(table, user_numbers, item_numbers, further, findings)
    numbered = Numbering(user_ids, user_rows), Numbering(item_ids, item_rows)
    beside = _titles_beside(table, table.frame.lazy()) if items is None else None
    return _described(name, noun, rows, numbered, (users, items, beside), findings)


def build_mapped(
    path: Path,
    items: Table | None,
    users: Table | None,
    *,
    name: str,
    noun: str,
    cache: Path,
) -> tuple[Dataset, Findings]:
    """As `build`, of a Parquet file that is read in blocks and mapped from the cache."""
    findings = Findings(noun=noun)
    tables = {"user": users, "item": items}
    known = {role: _places(table, role, findings) for role, table in tables.items() if table}
    found = mapped(path, known, cache)
    findings.duplicates = found.duplicates
    findings.first_duplicate = _in_row(found.first_duplicate)
    findings.order = "" if found.timed else BY_ROWS
    numbered, scan = (found.users, found.items), pl.scan_parquet(path)
    with as_data_error(path):
        header = Table(scan.head(0).collect(), str(path))
        findings.read(header, _roles(items))
        beside = _titles_beside(header, scan) if items is None else None
    return _described(name, noun, found.rows, numbered, (users, items, beside), findings)


def _roles(items: Table | None) -> tuple[str, ...]:
    """What is read of the interactions: titles too, where no table of items brings them."""
    return tuple(NAMES) if items is None else ("user", "item", "rating", "time")


def _described(
    name: str,
    noun: str,
    rows: Interactions,
    numbered: tuple[Numbering, Numbering],
    tables: tuple[Table | None, Table | None, Table | None],
    findings: Findings,
) -> tuple[Dataset, Findings]:
    """Numbered rows and what tables of users, of items and of titles alone say of them."""
    (user_ids, user_rows), (item_ids, item_rows) = numbered
    users, items, beside = tables
    findings.unmatched("user", users, numbered[0])
    findings.unmatched("item", items, numbered[1])
    findings.short_users = int((rows.counts < 3).sum())
    titled = item_rows
    if beside is not None:
        keys = pl.DataFrame({"key": item_ids.cast(pl.String)})
        places = _places(beside, "item", Findings())
        titled = keys.join(places, on="key", how="left", maintain_order="left")["place"]
    titles = _titles(items or beside, titled, item_ids, findings)
    features = further(items, item_rows, ("item", "title"))
    people = further(users, user_rows, ("user",))
    types = declared("user", users) | declared("item", items)
    catalogue = Catalogue(user_ids.to_list(), item_ids.to_list(), titles, features, people, types)
    rated = "rating" in findings.columns
    return Dataset(name, rows, catalogue, noun, rated=rated), findings


def _titles_beside(table: Table, rows: pl.LazyFrame) -> Table | None:
    """The interactions as a table of items, where they bring titles."""
    title, item = table.column("title"), table.needed("item")
    if title is None:
        return None
    once = rows.select(item, title).unique(item, keep="first", maintain_order=True)
    return Table(once.collect(), table.name)


def _numbered(
    ids: pl.Series, table: Table | None, role: str, findings: Findings
) -> tuple[pl.Series, NDArray[np.int64], pl.Series]:
    """Ids in order of number [X], each interaction's number [N], each id's row in `table` [X].

    The order is the table's, then that of appearance. Ids match as text.
    """
    rows = pl.DataFrame({"id": ids, "key": ids.cast(pl.String)})
    known = rows.unique("key", keep="first", maintain_order=True)
    known = known.join(_places(table, role, findings), on="key", how="left", maintain_order="left")
    known = known.sort("place", nulls_last=True, maintain_order=True).with_row_index("number")
    numbers = rows.join(known, on="key", how="left", maintain_order="left")["number"]
    return known["id"], numbers.to_numpy().astype(np.int64), known["place"]


def _places(table: Table | None, role: str, findings: Findings) -> pl.DataFrame:
    """Each id of a table as text, and its row; of an id that is there twice, the first."""
    if table is None:
        return pl.DataFrame(schema={"key": pl.String, "place": pl.UInt32})
    ids = identities(table, table.needed(role, also=("id",))).cast(pl.String)
    places = pl.DataFrame({"key": ids}).with_row_index("place")
    once = places.unique("key", keep="first", maintain_order=True)
    findings.repeated(table.name, len(places) - len(once))
    return once


def _interactions(
    table: Table,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    further: Mapping[str, NDArray[Any]],
    findings: Findings,
) -> Interactions:
    rating, time = table.column("rating"), table.column("time")
    findings.order = "" if time is not None else BY_ROWS
    values = np.ones(len(users), np.float32) if rating is None else ratings(table, rating)
    clock = np.zeros(len(users), np.int64) if time is None else times(table, time)
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    keep = _last_of_each_pair(users, items, clock, n_items)
    if len(keep) < len(users):
        dropped = np.setdiff1d(np.arange(len(users)), keep, assume_unique=True)
        findings.duplicates = len(dropped)
        findings.first_duplicate = _place(table, int(dropped[0]))
    columns = (users[keep], items[keep], values[keep], clock[keep])
    context = {name: column[keep] for name, column in further.items()}
    return Interactions.sorted(*columns, n_users=n_users, n_items=n_items, context=context)


def _last_of_each_pair(
    users: NDArray[np.int64], items: NDArray[np.int64], clock: NDArray[np.int64], n_items: int
) -> NDArray[np.int64]:
    """The rows that stay, in order: of each (user, item) the last by (time, position); [N']."""
    order = in_order(users, items, clock)  # ties in time keep the order of rows
    pairs = users[order] * n_items + items[order]
    kept = np.zeros(len(users), dtype=bool)
    kept[order[np.append(pairs[1:] != pairs[:-1], True)]] = True
    return np.flatnonzero(kept)


def _place(table: Table, row: int) -> str:
    line = table.layout.line(row) if table.layout else None
    return f"on line {line}" if line is not None else _in_row(row)


def _in_row(row: int) -> str:
    return f"in row {row} (from 0)"


def _titles(
    table: Table | None, rows: pl.Series, item_ids: pl.Series, findings: Findings
) -> list[str]:
    """Each item's title, [I], as it was given; those without one are called by their id."""
    column = table.column("title") if table else None
    given: list[str | None] = [None] * len(item_ids)
    if table and column:
        given = texts(table, column).gather(rows).to_list()
    names = item_ids.to_list()
    missing = [place for place, title in enumerate(given) if not (title and title.strip())]
    findings.untitled = len(missing)
    findings.first_untitled = str(names[missing[0]]) if missing else ""
    return [
        title if title and title.strip() else f"{findings.noun} {name}"
        for title, name in zip(given, names, strict=True)
    ]
