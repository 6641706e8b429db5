"""Data augmentation for direct recommendation: preferences that join the BPR triples.

Llama4Rec, section III-B and equation 2: the LLM is shown two items that the user has not met, and
(user, preferred, other) joins the triples that the backbone learns from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from tandemrec.augment.worth import (
    by_likelihood,
    draw_unmet,
    most_decided,
    unmet_by_number,
    unmet_count,
)
from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import LLM
from tandemrec.prompts import direct
from tandemrec.prompts.profiles import Profiles
from tandemrec.rankings import Rankings


class PreferenceConfig(Settings):
    """How the LLM is asked for preferences."""

    pairs: NonNegativeInt = 2
    """Different pairs of each user; the paper does not say how many."""
    items: int | None = Field(default=None, ge=2)
    """Draw a user's pairs from among so many items of his own: read once by `likelihood`, ten items
    give up to 45 pairs. None draws them from all that he has not met."""
    passages: NonNegativeInt = 0
    """How many passages of other users' histories about the items the prompt quotes (ours); 0 tells
    the user's history alone, as in the paper."""
    way: Literal["letters", "likelihood"] = "letters"
    """letters: A or B, as in the paper. likelihood: which title is the likelier next line."""
    both_orders: bool = True
    """letters: ask A-B and B-A, and keep the pair only if both answers name the same item."""
    margin: NonNegativeFloat = 0.0
    """likelihood: keep the pair only if the log-probabilities differ by more than this."""
    prior: NonNegativeFloat = 0.5
    """likelihood: how much of the title's log-probability without a history is taken off."""
    pool: PositiveInt | None = None
    """Draw items from the backbone's best so many; None draws from the whole catalogue."""
    seed: int = 0
    """Draws the pairs."""


@dataclass(frozen=True, eq=False)
class Preferences:
    """What the LLM preferred; `asked` counts the pairs that it was asked about."""

    users: NDArray[np.int64]  # [N]
    preferred: NDArray[np.int64]  # [N]
    other: NDArray[np.int64]  # [N]
    margins: NDArray[np.float64]  # [N], by how many nats the one was preferred
    asked: int

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.users, self.preferred, self.other)
        return sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    @property
    def triples(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """As `fit` takes them: users, preferred, other."""
        return self.users, self.preferred, self.other

    def lessons(self, train: Interactions) -> dict[str, Any]:
        """What `fit` takes besides the training data."""
        return {"extra_triples": self.triples}

    def most_decided(self, share: float) -> Preferences:
        """The share of them with the largest margins, in the order they stand in."""
        keep = most_decided(self.margins, share)
        users, preferred, other = (column[keep] for column in self.triples)
        return Preferences(users, preferred, other, self.margins[keep], self.asked)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / "preferences.npz",
            users=self.users,
            preferred=self.preferred,
            other=self.other,
            margins=self.margins,
        )
        (folder / "asked.json").write_text(json.dumps(self.asked))

    @classmethod
    def load(cls, folder: Path) -> Preferences:
        with np.load(folder / "preferences.npz", allow_pickle=False) as file:
            columns = (file["users"], file["preferred"], file["other"], file["margins"])
            return cls(*columns, asked=json.loads((folder / "asked.json").read_text()))


def preferences(
    past: Interactions,
    profiles: Profiles,
    llm: LLM,
    config: PreferenceConfig,
    pool: Rankings | None = None,
) -> Preferences:
    """Ask which of two items, neither met in the past, each user would prefer.

    `pool` holds the backbone's best items of every user, where `config.pool` asks for it.
    """
    pairs = draw_pairs(past, config, pool)
    weigh = _by_letters if config.way == "letters" else _by_likelihood
    margins = weigh(pairs, profiles, llm, config)
    kept = margins != 0
    preferred = np.where(margins > 0, pairs.first, pairs.second)[kept]
    other = np.where(margins > 0, pairs.second, pairs.first)[kept]
    asked = len(pairs.users)
    return Preferences(pairs.users[kept], preferred, other, np.abs(margins[kept]), asked)


class Pairs(NamedTuple):
    """Two items a row that a user is to choose from."""

    users: NDArray[np.int64]  # [N]
    first: NDArray[np.int64]  # [N]
    second: NDArray[np.int64]  # [N]

    @property
    def items(self) -> dict[int, NDArray[np.int64]]:
        """All the items of each user's pairs, rising."""
        both = np.stack([np.tile(self.users, 2), np.concatenate([self.first, self.second])])
        users, items = np.unique(both, axis=1)
        first = np.unique(users, return_index=True)[1]
        found = np.split(items, first)[1:]
        return dict(zip(users[first].tolist(), found, strict=True))


_NONE = np.empty((3, 0), np.int64)


def draw_pairs(past: Interactions, config: PreferenceConfig, pool: Rankings | None = None) -> Pairs:
    """Up to `config.pairs` different pairs for each user, of items not met in the past."""
    rng = np.random.default_rng(config.seed)
    everything = config.items is None and (config.pool is None or pool is None)
    drawn = [_NONE]
    for user in range(past.n_users):
        if everything:
            first, second = _of_all(user, past, config.pairs, rng)
        else:
            items = draw_unmet(user, past, config.items, config.pool, pool, rng)
            first, second = (items[place] for place in _places(len(items), config.pairs, rng))
        drawn.append(np.stack([np.full(len(first), user), first, second]))
    return Pairs(*np.concatenate(drawn, axis=1))


def _of_all(
    user: int, past: Interactions, pairs: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of all that the user has not met, each pair and each order of it equally likely."""
    both = np.stack(_places(unmet_count(user, past), pairs, rng))
    one, two = rng.permuted(both, axis=0)
    return unmet_by_number(user, past, one), unmet_by_number(user, past, two)


def _places(
    length: int, pairs: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two different places in a row of that length, for each of up to `pairs` different pairs."""
    possible = length * (length - 1) // 2
    return _pair_of(rng.choice(possible, min(pairs, possible), replace=False))


def _pair_of(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs 0 <= one < two in the order (0, 1), (0, 2), (1, 2), (0, 3), ..., by number."""
    two = np.floor((1 + np.sqrt(1 + 8.0 * numbers)) / 2).astype(np.int64)
    return numbers - two * (two - 1) // 2, two


def _by_letters(
    pairs: Pairs, profiles: Profiles, llm: LLM, config: PreferenceConfig
) -> NDArray[np.float64]:
    """By how much each pair's first item is preferred, [N]; 0 where the two orders disagree, or
    where an answer is of no use."""
    users, first, second = pairs
    facts = {user: profiles.facts(user, items) for user, items in pairs.items.items()}

    def ask(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.float64]:
        names = zip(users, profiles.names(one), profiles.names(two), strict=True)
        prompts = [direct.pairwise(facts[int(user)], a, b) for user, a, b in names]
        choices = llm.choose(prompts, [("A", "B")] * len(prompts))
        return np.array([c.logprobs[0] - c.logprobs[1] for c in choices], np.float64)

    straight = ask(first, second)
    if not config.both_orders:
        return np.where(np.isnan(straight), 0.0, straight)  # an answer that is of no use
    turned = -ask(second, first)
    alike = np.sign(straight) == np.sign(turned)
    return np.where(alike, np.sign(straight) * np.minimum(abs(straight), abs(turned)), 0.0)


def _by_likelihood(
    pairs: Pairs, profiles: Profiles, llm: LLM, config: PreferenceConfig
) -> NDArray[np.float64]:
    """The same. One question a user: his history is read once for all his pairs; no order to be
    biased by."""
    options = pairs.items
    worth = by_likelihood(options, profiles, llm, config.prior)
    of = {
        (user, item): value
        for user, items in options.items()
        for item, value in zip(items.tolist(), worth[user].tolist(), strict=True)
    }
    margins = np.array(
        [of[user, one] - of[user, two] for user, one, two in np.stack(pairs).T.tolist()]
    )
    return np.where(np.abs(margins) > config.margin, margins, 0.0)
