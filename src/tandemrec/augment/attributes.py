"""Data augmentation by attributes of items, from a language model or a table.

Llama4Rec, section III-B3: A' = A + LLM(prompt with a few worked examples); the attributes join the
catalogue as fields, which every rating backbone reads. DALLRec's second strategy: others of them,
which a tuned model is asked for by a plain instruction, become content of the items.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from tandemrec.augment.grounding import from_table
from tandemrec.config import Settings
from tandemrec.data.attributes import (
    DISAGREE,
    IDLE,
    MODEL,
    UNKNOWN,
    UNREADABLE,
    Attributes,
    Found,
    Kind,
    Value,
    same,
)
from tandemrec.data.catalogue import Catalogue
from tandemrec.errors import ConfigError, DataWarning
from tandemrec.llm.base import LLM
from tandemrec.llm.costs import tokens_since
from tandemrec.prompts import attributes as prompts
from tandemrec.prompts.described import genres_of
from tandemrec.prompts.kinds import NAMED, PAPERS, kinds_of

__all__ = ["Attributes", "AttributesConfig", "Kind", "attributes"]

THERE = "the catalogue has a column of that name, which is read in its place"
LACKING = "the table has no such column"
LONGEST = 16
"Tokens of an answer, for each kind that it is about."


class AttributesConfig(Settings):
    """Which attributes items get, and from where."""

    source: Literal["model", "table", "both", "none"] = "model"
    """The language model's memory, a table of one's own, the table and the model for what is not in
    it, or no attributes."""
    kinds: tuple[Kind, ...] | None = None
    """What is asked: kinds with name and about, or names of those that there are, such as director;
    none takes what the paper asks, of a table what it has of these."""
    paper: Literal["llama4rec", "dallrec"] = "llama4rec"
    """Llama4Rec: director and star of movies, genre and pages of books. DALLRec: the genre in three
    words of both, and of movies director, actor, country and language."""
    manner: Literal["examples", "instruction"] = "examples"
    """With worked examples, or by a plain instruction, for a model that was tuned on such ones."""
    agree: bool = True
    """Ask in two wordings, whose worked examples are others, and keep what both answer; ask who
    made invented items too, and keep nobody who is said of those (ours). False asks once, as in the
    paper. An instruction is asked once in any case."""
    table: str | None = None
    """A file with title, year (or item id), and a column for each kind."""

    @field_validator("source", mode="before")
    @classmethod
    def _none_of_the_command_line(cls, source: Any) -> Any:
        """There a bare none is no value at all."""
        return "none" if source is None else source

    @field_validator("kinds", mode="before")
    @classmethod
    def _by_name(cls, kinds: Any) -> Any:
        """Names stand for kinds that there are."""
        given = kinds if isinstance(kinds, list | tuple) else ()
        if unknown := [kind for kind in given if isinstance(kind, str) and kind not in NAMED]:
            raise ValueError(
                f"there is no kind {unknown[0]!r}; there are {', '.join(sorted(NAMED))}, and your "
                "own, each with name and about"
            )
        return [NAMED[kind] if isinstance(kind, str) else kind for kind in given] or kinds

    @field_validator("table")
    @classmethod
    def _from_the_root(cls, table: str | None) -> str | None:
        """A run may be loaded from another working directory."""
        return None if table is None else str(Path(table).expanduser().absolute())


def attributes(
    catalogue: Catalogue,
    noun: str,
    llm: LLM | None,
    config: AttributesConfig,
    *,
    as_fields: bool = False,
) -> Attributes:
    """Values for every item, each with where it came from or why there is none.

    A language model that remembers its answers goes on where it was killed. Items of which nothing
    is known to be asked get a DataWarning and no attributes. A kind that the catalogue has a column
    of is left out `as_fields`, which it is already; so is one that a table has no column of, unless
    the settings name it. Raises ConfigError where kinds or a table are needed and missing,
    DataError for a table that cannot be used.
    """
    if config.source == "none":
        return Attributes((), {})
    if config.source == "model" and config.kinds is None and noun not in PAPERS[config.paper]:
        text = f"Nothing is known to be asked about what is called {noun!r}: no attributes."
        warnings.warn(text, DataWarning, stacklevel=2)
        return Attributes((), {})
    every = _kinds(noun, config)
    kinds = _beside(catalogue, every) if as_fields else every
    found = _found(catalogue, noun, llm, kinds, config) if kinds else Attributes((), {})
    left = [kind for kind in every if kind not in found.kinds]
    return replace(found, left_out={k.name: LACKING if k in kinds else THERE for k in left})


def check_attributes(
    catalogue: Catalogue, noun: str, config: AttributesConfig, *, as_fields: bool = False
) -> None:
    """Whether the table that attributes are to come from can be used, before anything is asked.
    Raises ConfigError and DataError as `attributes` does."""
    if config.source in ("table", "both"):
        kinds = _kinds(noun, config)
        if kinds := _beside(catalogue, kinds) if as_fields else kinds:
            _grounded(catalogue, kinds, config)


def _kinds(noun: str, config: AttributesConfig) -> tuple[Kind, ...]:
    return kinds_of(noun, config.paper) if config.kinds is None else config.kinds


def _beside(catalogue: Catalogue, kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """The kinds that are no column of the catalogue."""
    return tuple(kind for kind in kinds if catalogue.column(kind.name) is None)


def _grounded(catalogue: Catalogue, kinds: Sequence[Kind], config: AttributesConfig) -> Attributes:
    """What the table says; kinds that nobody named need no column."""
    return from_table(catalogue, _table(config), kinds, every=config.kinds is not None)


def _found(
    catalogue: Catalogue,
    noun: str,
    llm: LLM | None,
    kinds: tuple[Kind, ...],
    config: AttributesConfig,
) -> Attributes:
    """What the table says, and the model of items of which that says nothing."""
    grounded = None if config.source == "model" else _grounded(catalogue, kinds, config)
    if grounded is not None and config.source == "table":
        return grounded
    before = tokens_since(llm)
    open_rows = [_open(grounded, kind, len(catalogue.titles)) for kind in kinds]
    if config.manner == "instruction":
        said = _instructed(catalogue, noun, _model(llm), kinds, open_rows)
    else:
        said = _said(catalogue, noun, _model(llm), kinds, open_rows, config.agree)
    said = replace(said, tokens=tokens_since(llm, before))
    return said if grounded is None else grounded.filled(said)


def _table(config: AttributesConfig) -> str:
    if config.table is None:
        raise ConfigError(
            f"attributes.source = {config.source!r} needs a table. Name a file with "
            "attributes.table, or take the model's memory with attributes.source = 'model'."
        )
    return config.table


def _model(llm: LLM | None) -> LLM:
    if llm is None:
        raise ConfigError("Attributes from a model need a language model. Received: None.")
    return llm


def _open(known: Attributes | None, kind: Kind, n_items: int) -> list[int]:
    """The items that the model is asked about."""
    if known is None or kind.name not in known.values:
        return list(range(n_items))
    return [item for item, found in enumerate(known.values[kind.name]) if not found.value]


def _said(
    catalogue: Catalogue,
    noun: str,
    llm: LLM,
    kinds: Sequence[Kind],
    rows: Sequence[Sequence[int]],
    agree: bool,
) -> Attributes:
    names, values, asked = prompts.items(catalogue), dict[str, list[Found]](), 0
    for kind, items in zip(kinds, rows, strict=True):
        found = [Found((), UNKNOWN)] * len(names)
        answers = _ask([names[item] for item in items], noun, kind, llm, agree)
        for item, answer in zip(items, answers, strict=True):
            found[item] = answer
        values[kind.name] = found
        asked += len(items) * (1 + agree)
    return Attributes(tuple(kinds), values, asked)


def _instructed(
    catalogue: Catalogue,
    noun: str,
    llm: LLM,
    kinds: Sequence[Kind],
    rows: Sequence[Sequence[int]],
) -> Attributes:
    """By instructions, each about one item and all kinds that share it; of items that are open in
    any of these."""
    names, genres = prompts.items(catalogue), genres_of(catalogue)
    values = {kind.name: [Found((), UNKNOWN)] * len(names) for kind in kinds}
    is_open = {kind.name: row for kind, row in zip(kinds, rows, strict=True)}
    asked = 0
    for group in prompts.together(kinds):
        items = sorted(set().union(*(is_open[kind.name] for kind in group)))
        questions = [prompts.instruction(noun, group, names[n], genres[n]) for n in items]
        answers = llm.generate(questions, max_tokens=LONGEST * len(group))
        for item, answer in zip(items, answers, strict=True):
            read = prompts.parse_instructed(answer, noun, group, names[item])
            for name, value in read.items():
                values[name][item] = _single(value)
        asked += len(items)
    return Attributes(tuple(kinds), values, asked)


def _ask(names: Sequence[str], noun: str, kind: Kind, llm: LLM, agree: bool) -> list[Found]:
    """What the model knows of each item; [N] to [N]."""
    if not names:
        return []
    if not agree:
        return [_single(value) for value in _read(names, noun, kind, llm, 0)]
    # A genre can be guessed from an invented title, and rightly so: only persons are controlled.
    controls = prompts.controls(names) if kind.person else []
    every, n = [*controls, *names], len(controls)
    first, second = (_read(every, noun, kind, llm, wording) for wording in (0, 1))
    idle = [text for value in (*first[:n], *second[:n]) for text in value or ()]
    pairs = zip(first[n:], second[n:], strict=True)
    return [_agreed(kind, one, other, idle) for one, other in pairs]


def _read(
    names: Sequence[str], noun: str, kind: Kind, llm: LLM, wording: int
) -> list[Value | None]:
    asked = [prompts.WORDINGS[wording](noun, kind, name) for name in names]
    answers = llm.generate(asked, max_tokens=LONGEST)
    pairs = zip(answers, names, strict=True)
    return [prompts.parse(answer, noun, kind, name) for answer, name in pairs]


def _single(value: Value | None) -> Found:
    if value is None:
        return Found((), UNREADABLE)
    return Found(value, MODEL if value else UNKNOWN)


def _agreed(kind: Kind, one: Value | None, other: Value | None, idle: Sequence[str]) -> Found:
    """What both say, but for what is said of anything."""
    if one is None or other is None:
        return Found((), UNREADABLE)
    if not one or not other:
        return Found((), UNKNOWN)
    both = tuple(text for text in one if any(same(kind, text, said) for said in other))
    known = tuple(text for text in both if not any(same(kind, text, said) for said in idle))
    if not known:
        return Found((), IDLE if both else DISAGREE)
    return Found(known, MODEL)
