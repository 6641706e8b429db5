"""Attributes of items that somebody adds to a catalogue: each value, and where it came from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import Field

from tandemrec.config import Settings
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.names import folded, same_person, same_text
from tandemrec.errors import ConfigError

FILE = "attributes.json"
MODEL, TABLE, UNKNOWN = "model", "table", "unknown"
SEVERAL = "unknown: several rows of the table fit"
DISAGREE = "rejected: prompts disagree"
UNREADABLE = "rejected: unreadable"
IDLE = "rejected: said of invented items too"
REJECTED = (DISAGREE, IDLE, UNREADABLE)
SOURCES = (MODEL, TABLE, UNKNOWN, SEVERAL, *REJECTED)
"Where a value came from, or why there is none."
CLOSE = 0.1
"Editions of one book differ in their pages by about so much."


class Kind(Settings):
    """One attribute of an item."""

    name: str = Field(min_length=1)
    """The name of the column: director."""
    about: str = Field(min_length=1)
    """What a question calls it, with its article: the director."""
    form: Literal["text", "list", "number"] = "text"
    """One text, several (such as stars), or a whole number."""
    person: bool = False
    """Whether it is a person's name."""
    also: tuple[str, ...] = ()
    """Further names that a table's column may have."""
    examples: dict[str, str] = Field(default_factory=dict)
    """Worked examples for the language model: an item and what is right of it, at best two and
    more; the two wordings of a question take turns. An item of these that is asked about is left
    out of its own prompt."""


Value = tuple[str, ...]
"Texts, or a number as one text; none where nothing is known."


def same(kind: Kind, one: str, other: str) -> bool:
    """Whether two values say the same: numbers within a tenth, names of one person, one text."""
    if kind.form == "number":
        return abs(float(one) - float(other)) <= CLOSE * max(float(one), float(other))
    return same_person(one, other) if kind.person else same_text(one, other)


class Found(NamedTuple):
    """One value and where it came from."""

    value: Value
    source: str


@dataclass(frozen=True, eq=False)
class Attributes:
    """What is known of every item, by the kind's name."""

    kinds: tuple[Kind, ...]
    values: Mapping[str, Sequence[Found]]  # name -> [I]
    asked: int = 0
    "Questions about items that were put to a language model."
    tokens: int | None = None
    "Of those and their answers; none where the model does not count them."
    left_out: Mapping[str, str] = field(default_factory=dict)
    "Kinds that were to be known and are not looked for, by name: why."

    @property
    def found(self) -> int:
        """How many values are known."""
        return sum(bool(each.value) for row in self.values.values() for each in row)

    @property
    def wanted(self) -> int:
        """How many values there could be."""
        return sum(map(len, self.values.values()))

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many items of each kind have a value from each source, or none and why."""
        found = {}
        for name, row in self.values.items():
            n = Counter(each.source for each in row)
            found[name] = {source: n[source] for source in SOURCES if n[source]}
        return found

    @property
    def rejected(self) -> dict[str, int]:
        """How many of the model's answers could not be used, by reason."""
        n = Counter(each.source for row in self.values.values() for each in row)
        return {source.removeprefix("rejected: "): n[source] for source in REJECTED if n[source]}

    def filled(self, other: Attributes) -> Attributes:
        """The other, with this one's values where it has any."""
        values = {
            name: [
                one if one.value else two
                for one, two in zip(self.values.get(name, row), row, strict=True)
            ]
            for name, row in other.values.items()
        }
        return replace(other, values=values, asked=self.asked + other.asked)

    def joined(self, catalogue: Catalogue) -> Catalogue:
        """The catalogue with a column for each kind: texts, lists of texts, or numbers; null where
        nothing is known.

        A name that is spelled in several ways, "Nolan, Christopher" too, is written in the most
        frequent of them. Raises ConfigError where the catalogue has a column of that name.
        """
        for kind in self.kinds:
            if (column := catalogue.column(kind.name)) is not None:
                raise ConfigError(
                    f"The catalogue has a column {column!r} already. Give the attribute another "
                    "name (attributes.kinds), or leave it out."
                )
        columns = [
            _column(kind, [each.value for each in self.values[kind.name]]) for kind in self.kinds
        ]
        if not columns:
            return catalogue
        amounts = {f"item {kind.name}": "float" for kind in self.kinds if kind.form == "number"}
        items = pl.DataFrame([*catalogue.items, *columns])
        return replace(catalogue, items=items, types={**catalogue.types, **amounts})

    @cached_property
    def fingerprint(self) -> str:
        note = json.dumps(self._note(), ensure_ascii=False)
        return hashlib.sha256(note.encode()).hexdigest()

    def _note(self) -> list[Any]:
        kinds = [kind.model_dump(mode="json") for kind in self.kinds]
        values = {name: [list(each) for each in row] for name, row in self.values.items()}
        return [kinds, values, self.asked]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        note = json.dumps([*self._note(), self.tokens, dict(self.left_out)], ensure_ascii=False)
        (folder / FILE).write_text(note, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Attributes:
        kinds, values, *others = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = {
            name: [Found(tuple(value), source) for value, source in row]
            for name, row in values.items()
        }
        return cls(tuple(Kind(**kind) for kind in kinds), found, *others)


def _column(kind: Kind, values: Sequence[Value]) -> pl.Series:
    if kind.form == "number":
        numbers = [float(value[0]) if value else None for value in values]
        return pl.Series(kind.name, numbers, pl.Float64)
    spelled = _spellings(text for value in values for text in value)
    rows = [list(dict.fromkeys(spelled[folded(text)] for text in value)) for value in values]
    if kind.form == "list":
        return pl.Series(kind.name, [row or None for row in rows], pl.List(pl.String))
    return pl.Series(kind.name, [row[0] if row else None for row in rows], pl.String)


def _spellings(texts: Iterable[str]) -> dict[str, str]:
    """The most frequent spelling of each text, by what is equal in all of them."""
    frequent = sorted(Counter(texts).items(), key=lambda pair: (pair[1], pair[0]))
    return {folded(text): text for text, _ in frequent}
