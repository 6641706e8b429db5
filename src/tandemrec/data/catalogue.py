"""What stands behind the dense integers: ids as they were given, titles, features."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from tandemrec.data.columns import plain
from tandemrec.data.interactions import Interactions
from tandemrec.data.names import year_of
from tandemrec.errors import DataError
from tandemrec.oneline import counted


@dataclass(frozen=True, eq=False, repr=False)
class Catalogue:
    """Row n of each table describes the user or item that the stages call n."""

    user_ids: Sequence[Any]  # [U], as given
    item_ids: Sequence[Any]  # [I], as given
    titles: Sequence[str]  # [I]
    items: pl.DataFrame = field(default_factory=pl.DataFrame)  # [I rows], further fields or none
    users: pl.DataFrame = field(default_factory=pl.DataFrame)  # [U rows], further fields or none
    types: Mapping[str, str] = field(default_factory=dict)
    "RecBole's types (token, token_seq, float, float_seq) of columns, called `item genre`."

    def __repr__(self) -> str:
        users, items = counted(len(self.user_ids), "user"), counted(len(self.item_ids), "item")
        return f"Catalogue({users} and {items})"

    @cached_property
    def _user_numbers(self) -> Mapping[str, int]:
        return {str(name): number for number, name in enumerate(self.user_ids)}

    @cached_property
    def _item_numbers(self) -> Mapping[str, int]:
        return {str(name): number for number, name in enumerate(self.item_ids)}

    def user(self, name: Hashable) -> int:
        """The number of a user id; ids compare as text, so 42 and "42" are one user."""
        return _number(self._user_numbers, "user", name)

    def item(self, name: Hashable) -> int:
        """The number of an item id."""
        return _number(self._item_numbers, "item", name)

    def column(self, name: str) -> str | None:
        """The column of items that goes by this name; case, spaces, dashes and _ do not matter."""
        if name in self.items.columns:
            return name
        alike = (column for column in self.items.columns if plain(column) == plain(name) != "")
        return next(alike, None)

    def texts(self, name: str) -> list[str]:
        """A column of items as texts, [I]; "" where nothing stands in it, where it holds lists, and
        where there is no such column."""
        column = self.column(name)
        if column is None or self.items[column].dtype.is_nested():
            return [""] * len(self.titles)
        return self.items[column].cast(pl.String).fill_null("").to_list()

    @cached_property
    def years(self) -> Sequence[int | None]:
        """Each item's year: in parentheses behind its title, else in a column `year`; [I]."""
        known: list[int | None] = [None] * len(self.titles)
        name = self.column("year")
        if name is not None and not self.items[name].dtype.is_nested():
            column = self.items[name]
            column = column.dt.year() if column.dtype in (pl.Date, pl.Datetime) else column
            column = column.cast(pl.Float64, strict=False)
            known = column.cast(pl.Int64, strict=False).to_list()
        return [year_of(title) or year for title, year in zip(self.titles, known, strict=True)]

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for names in (self.user_ids, self.item_ids, self.titles):
            digest.update("\0".join(map(str, names)).encode() + b"\1")
        for table in (self.items, self.users):
            if table.width:
                digest.update(repr(table.to_dict(as_series=False)).encode())
        if self.types:
            digest.update(repr(sorted(self.types.items())).encode())
        return digest.hexdigest()


def _number(numbers: Mapping[str, int], kind: str, name: Hashable) -> int:
    try:
        return numbers[str(name)]
    except KeyError:
        some = ", ".join(list(numbers)[:3])
        raise DataError(f"There is no {kind} {name!r} in the data; ids look like {some}.") from None


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Interactions and the catalogue behind them; `name` goes into reports."""

    name: str
    interactions: Interactions
    catalogue: Catalogue
    noun: str = "item"
    "What one item is called in a prompt: movie, book, item."
    order: str = ""
    "How each user's order was drawn, where the source has neither times nor an order of rows."
    rated: bool = True
    "Whether the source has ratings; else each is 1."

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}: {self.interactions.sizes})"

    @cached_property
    def fingerprint(self) -> str:
        parts = self.interactions.fingerprint + self.catalogue.fingerprint + self.noun
        return hashlib.sha256(parts.encode()).hexdigest()
