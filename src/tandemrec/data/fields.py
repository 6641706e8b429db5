"""What rating backbones read of a row: users, items and context as numbered slots of fields."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.codings import (
    NOTHING,
    Coding,
    Encoded,
    Numbers,
    amounts,
    as_names,
    as_numbers,
    beside,
    lists_of,
    measured,
    no_scale,
    one_name,
    scale_of,
    several,
    texts_of,
    told,
    too_few,
    vocabulary,
)
from tandemrec.data.further import chosen
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError
from tandemrec.oneline import short

Kind = Literal["one of", "several of", "number"]
FILE = "fields.npz"
_CODES = frozenset(("id", "code", "zip", "zipcode", "postcode", "postalcode", "isbn", "asin"))
"Whole numbers of columns whose last word is one of these are names."
_ROWS = {"user": "users", "item": "items", "context": "rows"}


class FieldsConfig(Settings):
    """Which fields a rating backbone reads, besides the user and the item themselves."""

    users: tuple[str, ...] | None = None
    """Columns of the table of users; none takes all."""
    items: tuple[str, ...] | None = None
    """Columns of the table of items; none takes all."""
    context: tuple[str, ...] | None = None
    """Columns of the interactions' context; none takes all."""
    names: tuple[str, ...] = ()
    """Columns whose whole numbers are names and no amounts; those that end with id, code, zip or
    postcode are anyway."""
    few: NonNegativeInt = 32
    """Whole numbers of at most so many different values are names too: an age group, an hour; where
    at least two of them are frequent enough (`least`)."""
    least: PositiveInt = 2
    """A name of fewer users, items or (context) training rows counts as unknown: a postcode of one
    user says no more than that it is he."""
    longest: PositiveInt = 8
    """Of a field with several values, such as genres, a row tells at most so many."""


class Field(NamedTuple):
    """One field: its slots in the common table are `first` to `first + size - 1`, of which the
    first is "unknown"; its columns of a row are `width` many."""

    name: str
    kind: Kind
    first: int
    size: int
    width: int


@dataclass(frozen=True, eq=False)
class Fields:
    """All fields, and every user and item encoded by them; the last row of each is nobody, of whom
    nothing is known, so that the number -1 means somebody new."""

    fields: tuple[Field, ...]
    users: Encoded  # [U + 1, C_user]
    items: Encoded  # [I + 1, C_item]
    context: tuple[tuple[str, Coding], ...] = ()
    "How context is read, by the column's name."
    left_out: Mapping[str, str] = field(default_factory=dict)
    "Columns that are no field, and why each is none."

    @classmethod
    def of(
        cls,
        train: Interactions,
        catalogue: Catalogue | None = None,
        config: FieldsConfig | None = None,
    ) -> Fields:
        """The fields of a catalogue, their values those of the users and items in training.

        Without a catalogue, the users and the items themselves, and the context. Raises ConfigError
        for a column that is not there, or a table that is not of these users or items.
        """
        config = config or FieldsConfig()
        catalogue = catalogue or Catalogue([], [], [])
        maker = _Maker(config, catalogue.types)
        users = maker.table("user", train.counts, catalogue.users, config.users)
        items = maker.table("item", train.popularity, catalogue.items, config.items)
        context = maker.context(train, config.context)
        return cls(tuple(maker.fields), users, items, context, maker.left_out)

    @property
    def n_slots(self) -> int:
        """The rows of the common table."""
        last = self.fields[-1]
        return last.first + last.size

    @property
    def unknown(self) -> Numbers:
        """The slot "unknown" of each field, [F]."""
        return np.array([field.first for field in self.fields])

    def told(self, name: str) -> int:
        """Of how many users or items a field of theirs tells something."""
        number = [field.name for field in self.fields].index(name)
        columns, n_users = np.flatnonzero(self.owners == number), self.users.slots.shape[1]
        of_items = bool(columns[0] >= n_users)
        table = (self.items if of_items else self.users).slots[:-1]
        slots = table[:, columns - (n_users if of_items else 0)]
        return int(((slots != NOTHING) & (slots != self.fields[number].first)).any(1).sum())

    @property
    def owners(self) -> Numbers:
        """Which field each column of a row belongs to, [C]: columns of users, of items, of
        context."""
        return np.repeat(np.arange(len(self.fields)), [field.width for field in self.fields])

    def context_of(self, rows: Interactions | None) -> Encoded:
        """What is known of the rows themselves, [N, C_context], or of one row in no context; a
        column that is missing, and a value that training did not have, is unknown."""
        given, n = (rows.context, len(rows)) if rows is not None else ({}, 1)
        found = [coding.encode(given.get(name), n) for name, coding in self.context]
        return beside(found, n)

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self._note().encode())
        for column in (*self.users, *self.items):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def _note(self) -> str:
        context = [(name, coding.note) for name, coding in self.context]
        return json.dumps([self.fields, context, self.left_out])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (users, user_weights), (items, item_weights) = self.users, self.items
        np.savez_compressed(
            folder / FILE,
            note=np.array(self._note()),
            users=users,
            user_weights=user_weights,
            items=items,
            item_weights=item_weights,
        )

    @classmethod
    def load(cls, folder: Path) -> Fields:
        with np.load(folder / FILE, allow_pickle=False) as file:
            fields, context, left_out = json.loads(str(file["note"]))
            users = Encoded(file["users"], file["user_weights"])
            items = Encoded(file["items"], file["item_weights"])
        known = tuple((name, Coding.read(note)) for name, note in context)
        if isinstance(left_out, list):  # older ones had no reasons
            left_out = dict.fromkeys(left_out, "no two of its values are known in training")
        return cls(tuple(Field(*each) for each in fields), users, items, known, left_out)


def _last_word(name: str) -> str:
    """Of store_id, store-id and storeId: id."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.split(r"[\W_]+", parted.lower())[-1]


class _Maker:
    """Gives fields their slots, one after the other."""

    def __init__(self, config: FieldsConfig, types: Mapping[str, str]) -> None:
        self.config = config
        self.types = types
        self.fields: list[Field] = []
        self.left_out: dict[str, str] = {}

    def add(self, name: str, kind: Kind, size: int, width: int = 1) -> int:
        """A field's first slot."""
        first = self.fields[-1].first + self.fields[-1].size if self.fields else NOTHING + 1
        self.fields.append(Field(name, kind, first, size, width))
        return first

    def table(
        self, side: str, met: Numbers, frame: pl.DataFrame, wanted: Sequence[str] | None
    ) -> Encoded:
        """All users or all items, and nobody at the end: [X + 1, C]."""
        if frame.width and len(frame) != len(met):
            raise ConfigError(
                f"The table of {side}s must have a row for each of the {len(met)} {side}s of the "
                f"interactions. Received: {len(frame)}."
            )
        seen = np.flatnonzero(met)
        numbers = np.zeros(len(met) + 1, np.int64)  # the unmet and nobody are unknown
        numbers[seen] = np.arange(1, len(seen) + 1)
        first = self.add(side, "one of", len(seen) + 1)
        parts = [Encoded(first + numbers[:, None], np.ones((len(numbers), 1), np.float32))]
        for name in chosen(side, frame.columns, wanted):
            parts += self.column(side, frame[name], seen)
        return beside(parts, len(numbers))

    def column(self, side: str, values: pl.Series, seen: Numbers) -> Iterator[Encoded]:
        """A column as a field; nothing where it cannot be one."""
        name, numbers = f"{side} {values.name}", measured(values)
        declared = self.types.get(name, "")
        lists = None if declared == "token" else lists_of(values, declared)
        if values.dtype in (pl.Binary, pl.Object) or declared == "float_seq":
            self.refuse(name, declared or values.dtype)
        elif lists is not None:
            yield from self.several(name, lists, seen)
        elif values.dtype.is_nested():
            self.refuse(name, values.dtype)
        elif numbers is not None and not self.named(values.name, numbers[seen], declared):
            yield from self.number(name, numbers, seen)
        else:
            yield from self.several(name, [[text] for text in one_name(values)], seen, "one of")

    def refuse(self, name: str, kind: object) -> None:
        """Leave out a column whose cells cannot be read."""
        self.left_out[name] = f"its cells are {short(kind, 60)}, neither names nor numbers"

    def named(self, name: str, numbers: NDArray[np.float64], declared: str = "") -> bool:
        """Whether numbers are names."""
        if declared == "token" or (declared == "float" and name not in self.config.names):
            return declared == "token"
        known, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
        if not (known == np.floor(known)).all():
            return False
        if name in self.config.names or _last_word(name) in _CODES:
            return True
        return len(known) <= self.config.few and (counts >= self.config.least).sum() > 1

    def several(
        self, name: str, rows: list[list[Any]], seen: Numbers, kind: Kind = "several of"
    ) -> Iterator[Encoded]:
        """Each row's values, those known in training; [X + 1, C]."""
        said = [texts_of(row) for row in rows]
        known = self.known(name, [said[row] for row in seen])
        if not known:
            return
        places = [[known[value] for value in row if value in known] for row in (*said, [])]
        places = [row[: self.config.longest] for row in places]
        width = max(map(len, places))
        yield several(places, self.add(name, kind, len(known) + 1, width), width)

    def known(self, name: str, said: Sequence[Sequence[str]]) -> dict[str, int]:
        """The vocabulary of what training's rows say; empty where that is no field."""
        known = vocabulary((value for row in said for value in row), self.config.least)
        if len(known) > 1:
            return known
        self.left_out[name] = too_few(said, self.config.least, _ROWS[name.split()[0]])
        return {}

    def number(self, name: str, values: NDArray[np.float64], seen: Numbers) -> Iterator[Encoded]:
        """A number in standard deviations from training's mean."""
        scale = scale_of(values[seen])
        if scale is None:
            self.left_out[name] = no_scale(values[seen])
            return
        yield amounts(np.append(values, np.nan), self.add(name, "number", 2), scale)

    def context(
        self, train: Interactions, wanted: Sequence[str] | None
    ) -> tuple[tuple[str, Coding], ...]:
        """How each column of the context is read."""
        found = []
        for name in chosen("context", list(train.context), wanted):
            if coding := self.coding(name, train.context[name]):
                found.append((name, coding))
        return tuple(found)

    def coding(self, name: str, values: NDArray[Any]) -> Coding | None:
        """How a column of the context is read; None where it cannot be a field."""
        title = f"context {name}"
        if values.dtype.kind not in "iufb" or self.named(name, numbers := as_numbers(values)):
            return self.naming(title, as_names(values))
        if scale := scale_of(numbers):
            return Coding(self.add(title, "number", 2), {}, scale)
        self.left_out[title] = no_scale(numbers)
        return None

    def naming(self, title: str, values: NDArray[np.str_]) -> Coding | None:
        """How texts are read: each as a name, or as several where any has | between."""
        texts, places = np.unique(values, return_inverse=True)
        said, single = told(texts), lists_of(pl.Series(texts)) is None
        known = self.known(title, [said[place] for place in places.tolist()])
        if not known:
            return None
        if single:
            return Coding(self.add(title, "one of", len(known) + 1), known)
        width = min(max(sum(name in known for name in row) for row in said), self.config.longest)
        return Coding(self.add(title, "several of", len(known) + 1, width), known, width=width)
