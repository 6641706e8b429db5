"""The few examples that DALLRec tunes a language model on: a set for each of its strategies, made
from training data and from what the catalogue or the user knows, never from a model's own words.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, field_validator

from tandemrec.config import Settings
from tandemrec.data.attributes import Attributes, Kind, Value
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.codings import lists_of, texts_of
from tandemrec.data.tastes import Tastes
from tandemrec.errors import ConfigError, DataError
from tandemrec.prompts import attributes, interactions, summaries
from tandemrec.prompts.described import described, genres_of
from tandemrec.prompts.interactions import TasteProfiles
from tandemrec.prompts.titles import neutral
from tandemrec.tuning.examples import Example
from tandemrec.tuning.released import NOUNS
from tandemrec.tuning.released import released as read_released

Numbers = NDArray[np.int64]
SUMMARIES = ("summary", "description", "synopsis", "overview", "plot")
"Columns of texts about items; the first that a catalogue has is learnt from."
MOST_PERSONS = 2
"Of several persons, such as actors, so many are learnt to be named, as in the authors' sets."


class FewShotConfig(Settings):
    """The examples of a few-shot tuning."""

    examples: int = Field(default=64, ge=2)
    """How many of each kind of question, at most: of yes and no, of genres, of other facts, of
    summaries; 64 is the paper's number."""
    released: str | None = None
    """The authors' own sets in place of made ones: a folder or the zip of their repository, here or
    in $TANDEMREC_DATA. None makes all of them."""
    seed: int = 0
    """Draws users and items."""

    @field_validator("released")
    @classmethod
    def _from_the_root(cls, released: str | None) -> str | None:
        """A run may be loaded from another working directory."""
        if released is None:
            return None
        path, data = Path(released).expanduser(), os.environ.get("TANDEMREC_DATA")
        if data and not path.exists() and (Path(data) / path).exists():
            path = Path(data) / path
        return str(path.absolute())


def yes_no(profiles: TasteProfiles, config: FewShotConfig) -> list[Example]:
    """Whether a user likes an item that he has rated, asked as the strategy asks, which leaves the
    item itself out of what is told.

    Every example has a user of his own, who has rated something else too; half of the answers are
    Yes. Where too few users liked or disliked anything, both halves are as large as the smaller
    one. Raises DataError where there is nobody for one of them.
    """
    rng = np.random.default_rng([config.seed, 4])
    halves = _users(profiles, max(config.examples // 2, 1), rng)
    sides = (profiles.tastes.liked, profiles.tastes.disliked)
    found = []
    for users, rows, answer in zip(halves, sides, interactions.ANSWERS, strict=True):
        for user in users:
            facts = profiles.facts(int(user), int(rng.choice(rows.of(user))))
            found.append(Example(interactions.like(facts), answer))
    return [found[place] for place in rng.permutation(len(found))]


def _users(profiles: TasteProfiles, n: int, rng: np.random.Generator) -> list[Numbers]:
    """At most `n` users who have liked something, and as many others who have disliked something,
    drawn alike; the scarcer ones first."""
    sides = likers(profiles.tastes)
    order = np.argsort([len(side) for side in sides], kind="stable")
    n = min(n, pairs_of(sides))
    if not n:
        raise DataError(
            f"{told_of(sides)}: there are no examples of both Yes and No.",
            column="rating",
            remedy="Give ratings of both, or leave the language model as it is with tune=none.",
        )
    drawn = {order[0]: rng.permutation(sides[order[0]])[:n]}
    others = rng.permutation(np.setdiff1d(sides[order[1]], drawn[order[0]]))[:n]
    return [{**drawn, order[1]: others}[side][: len(others)] for side in (0, 1)]


def likers(tastes: Tastes) -> list[Numbers]:
    """The users with two ratings who have liked something, and those who have disliked something;
    some are both."""
    rows = tastes.liked, tastes.disliked
    enough = rows[0].counts + rows[1].counts >= 2
    return [np.flatnonzero(enough & (each.counts > 0)) for each in rows]


def pairs_of(sides: Sequence[Numbers]) -> int:
    """How many users of either side there can be if nobody is taken twice."""
    return min(*map(len, sides), len(np.union1d(*sides)) // 2)


def told_of(sides: Sequence[Numbers]) -> str:
    """Both numbers in words."""
    return (
        f"of the users with two ratings in training {len(sides[0])} have a like and "
        f"{len(sides[1])} a dislike"
    )


def attribute_examples(
    catalogue: Catalogue,
    noun: str,
    kinds: Sequence[Kind],
    config: FewShotConfig,
    given: Attributes | None = None,
) -> list[Example]:
    """Instructions about items all of whose answers are known, in the manner of the strategy.

    What is known stands in the catalogue, in a column of the kind's name or of another that it goes
    by, or is `given` (such as `augment.grounding.from_table` reads it). Genres need three words; of
    those that the catalogue has, the question tells one or two, and the answer is three of them.
    Nothing is learnt of kinds of which nobody knows anything: the set is as long as what is known.
    """
    names, genres, found = attributes.items(catalogue), genres_of(catalogue), list[Example]()
    for number, group in enumerate(attributes.together(kinds)):
        rng = np.random.default_rng([config.seed, 5, number])
        known = {kind.name: _known(catalogue, kind, given) for kind in group}
        least = attributes.MOST_WORDS if _is_words(group[0]) else 1
        rows = enumerate(zip(*known.values(), strict=True))
        whole = [item for item, row in rows if min(map(len, row)) >= least]
        for item in rng.permutation(whole)[: config.examples].tolist():
            values = {name: column[item] for name, column in known.items()}
            told = _part(genres[item], values, rng) if _is_words(group[0]) else ""
            asked = attributes.instruction(noun, group, names[item], told)
            found.append(Example(asked, attributes.instructed(group, values)))
    return found


def _is_words(kind: Kind) -> bool:
    return kind.form == "list" and not kind.person


def _known(catalogue: Catalogue, kind: Kind, given: Attributes | None) -> list[Value]:
    """The given values, and where there is none the catalogue's, [I]."""
    own = _column(catalogue, kind) or [()] * len(catalogue.titles)
    if given is not None and kind.name in given.values:
        pairs = zip(given.values[kind.name], own, strict=True)
        own = [found.value or value for found, value in pairs]
    most = attributes.MOST_WORDS if _is_words(kind) else MOST_PERSONS
    return [value[: most if kind.form == "list" else 1] for value in own]


def _column(catalogue: Catalogue, kind: Kind) -> list[Value]:
    """What the catalogue's first column of that name says, [I]; nothing where it has none."""
    table = catalogue.items
    name = next((each for each in (kind.name, *kind.also) if each in table.columns), None)
    if name is None:
        return []
    rows = lists_of(table[name])
    if rows is None:
        rows = [[text] for text in table[name].cast(pl.String).to_list()]
    return [tuple(neutral(text) for text in texts_of(row)) for row in rows]


def _part(genres: str, values: Mapping[str, Value], rng: np.random.Generator) -> str:
    """What the question tells of the catalogue's genres: not all, if the answer is among them."""
    (words,) = values.values()
    if not set(words) <= set(genres.split(", ")):
        return genres
    kept = np.sort(rng.choice(len(words), rng.integers(1, len(words)), replace=False))
    return ", ".join(words[place] for place in kept)


def released(config: FewShotConfig, noun: str) -> dict[str, list[Example]]:
    """The authors' sets of movies or books, by strategy, out of `config.released`; as many of each
    as they have. Raises ConfigError for items of which they have none, DataError as
    `tuning.released` does."""
    data = {each: name for name, each in NOUNS.items()}.get(noun)
    if data is None or config.released is None:
        raise ConfigError(
            f"DALLRec's authors released examples of {' and '.join(NOUNS.values())}. Received: a "
            f"{noun!r} and released={config.released!r}. Make them with examples.released=none."
        )
    return read_released(config.released, data)


def summary_examples(
    catalogue: Catalogue, noun: str, config: FewShotConfig, *, genres: bool = True
) -> list[Example]:
    """Summaries out of the catalogue's own texts about its items, two sentences of each.

    None are invented: a catalogue without such a column (`SUMMARIES`), or whose texts are no
    sentences, gives an empty list.
    """
    table = catalogue.items
    name = next((each for each in SUMMARIES if each in table.columns), None)
    if name is None:
        return []
    items, rng = described(catalogue, year=True, genres=genres), np.random.default_rng(config.seed)
    texts = [text or "" for text in table[name].cast(pl.String).to_list()]
    found: list[Example] = []
    for place in rng.permutation(len(items)).tolist():
        said = summaries.parse(texts[place], noun, items[place]).text
        if said:
            found.append(Example(summaries.summary(noun, items[place]), said))
        if len(found) == config.examples:
            break
    return found
