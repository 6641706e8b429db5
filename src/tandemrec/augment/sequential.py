"""Data augmentation for sequential recommendation: items that join the training sequences.

Llama4Rec, section III-B: the LLM is shown some items that the user has not met, and the one that it
finds likeliest to be liked is inserted at a random place of the user's sequence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from tandemrec.augment.worth import by_letters, by_likelihood, draw_unmet, most_decided
from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.llm.base import LLM
from tandemrec.prompts.profiles import Profiles
from tandemrec.rankings import Rankings


class InsertionConfig(Settings):
    """How the LLM is asked for items to insert."""

    insertions: NonNegativeInt = 1
    """Items for each user, each picked by its own question; the paper does not say how many."""
    items: int = Field(default=10, ge=2, le=26)
    """How many unmet items a pick is made from: the paper's k."""
    passages: NonNegativeInt = 0
    """How many passages of other users' histories about the items the prompt quotes (ours); 0 tells
    the user's history alone, as in the paper."""
    way: Literal["letters", "likelihood"] = "letters"
    """letters: the label of the best, as in the paper. likelihood: the likeliest next line."""
    prior: NonNegativeFloat = 0.5
    """likelihood: how much of the title's log-probability without a history is taken off."""
    pool: PositiveInt | None = None
    """Draw items from the backbone's best so many; None draws from the whole catalogue."""
    seed: int = 0
    """Draws the items and the places."""


@dataclass(frozen=True, eq=False)
class Insertions:
    """What the LLM picked, and where it goes."""

    users: NDArray[np.int64]  # [N], rising
    items: NDArray[np.int64]  # [N]
    places: NDArray[np.int64]  # [N], how many of the user's interactions stand before it
    margins: NDArray[np.float64]  # [N], by how many nats it is before the second best
    asked: int

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.users, self.items, self.places)
        return sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def most_decided(self, share: float) -> Insertions:
        """The share of them with the largest margins, in the order they stand in."""
        keep = most_decided(self.margins, share)
        users, items, places = (each[keep] for each in (self.users, self.items, self.places))
        return Insertions(users, items, places, self.margins[keep], self.asked)

    def lessons(self, train: Interactions) -> dict[str, Any]:
        """What `fit` takes besides the training data."""
        return {"augmented": self.into(train)}

    def into(self, train: Interactions) -> Interactions:
        """The training interactions with these among them, for users who have any; an inserted one
        has the time and the rating of the interaction before it, or after it at the very beginning.
        Raises DataError for a place behind a user's end."""
        kept = train.counts[self.users] > 0
        users, items, places = (each[kept] for each in (self.users, self.items, self.places))
        if (places > train.counts[users]).any():
            raise DataError("Insertions have places behind the end of a sequence.")
        rows = train.bounds[users] + places
        alike = np.where(places > 0, rows - 1, rows)
        return Interactions(
            np.insert(train.users, rows, users),
            np.insert(train.items, rows, items),
            np.insert(train.ratings, rows, train.ratings[alike]),
            np.insert(train.times, rows, train.times[alike]),
            train.n_users,
            train.n_items,
        )

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / "insertions.npz",
            users=self.users,
            items=self.items,
            places=self.places,
            margins=self.margins,
        )
        (folder / "asked.json").write_text(json.dumps(self.asked))

    @classmethod
    def load(cls, folder: Path) -> Insertions:
        with np.load(folder / "insertions.npz", allow_pickle=False) as file:
            columns = (file["users"], file["items"], file["places"], file["margins"])
            return cls(*columns, asked=json.loads((folder / "asked.json").read_text()))


def insertions(
    past: Interactions,
    profiles: Profiles,
    llm: LLM,
    config: InsertionConfig,
    pool: Rankings | None = None,
    into: Interactions | None = None,
) -> Insertions:
    """Ask which of some items, none met in the past, each user would like best.

    `pool` holds the backbone's best items of every user, where `config.pool` asks for it. `into`:
    the interactions that they are inserted into, if not all of the past. Users without an
    interaction there have no sequence to insert into.
    """
    rng, into = np.random.default_rng(config.seed), into or past
    users = np.flatnonzero(into.counts)
    rounds = [_draw(users, past, config, pool, rng) for _ in range(config.insertions)]
    picked: list[tuple[int, int, int, float]] = []
    for shown in rounds:
        worth = (
            by_letters(shown, profiles, llm)
            if config.way == "letters"
            else by_likelihood(shown, profiles, llm, config.prior)
        )
        for user, values in worth.items():
            if np.isnan(values).any():  # an answer that is of no use
                continue
            second, best = np.sort(values)[-2:]
            item = int(shown[user][int(values.argmax())])
            place = int(rng.integers(into.counts[user] + 1))
            picked.append((user, item, place, float(best - second)))
    return _gathered(picked, sum(map(len, rounds)))


def _gathered(picked: list[tuple[int, int, int, float]], asked: int) -> Insertions:
    """Each item once a user; in the order of users."""
    once = {(user, item): (place, margin) for user, item, place, margin in picked}
    rows = sorted((user, item, *rest) for (user, item), rest in once.items())
    users, items, places, margins = np.array(rows or np.empty((0, 4))).T
    users, items, places = (column.astype(np.int64) for column in (users, items, places))
    return Insertions(users, items, places, margins.astype(np.float64), asked)


def _draw(
    users: NDArray[np.int64],
    past: Interactions,
    config: InsertionConfig,
    pool: Rankings | None,
    rng: np.random.Generator,
) -> dict[int, NDArray[np.int64]]:
    """Some unmet items for each of these users who has two left."""
    drawn = {}
    for user in users.tolist():
        items = draw_unmet(user, past, config.items, config.pool, pool, rng)
        if len(items) > 1:
            drawn[user] = items
    return drawn
