"""Data augmentation for direct recommendation: preferences that join the BPR triples.

Llama4Rec, section IV-B and equation 2: the LLM is shown two items that the user has not met, and
(user, preferred, other) joins the triples that the backbone learns from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import LLM
from tandemrec.prompts import direct
from tandemrec.prompts.profiles import Profiles
from tandemrec.rankings import Rankings
from tandemrec.rerank import priors


class PreferenceConfig(Settings):
    """How the LLM is asked for preferences."""

    pairs: NonNegativeInt = 2
    """Questions about each user; the paper does not say how many."""
    way: Literal["letters", "likelihood"] = "letters"
    """letters: A or B, as in the paper. likelihood: which title is the likelier next line."""
    both_orders: bool = True
    """letters: ask A-B and B-A, and keep the pair only if both answers name the same item."""
    margin: NonNegativeFloat = 0.0
    """likelihood: keep the pair only if the log-probabilities differ by more than this."""
    prior: NonNegativeFloat = 0.5
    """likelihood: how much of the title's log-probability without a history is taken off."""
    pool: PositiveInt | None = None
    """Draw the two items from the backbone's best so many; None draws from the whole catalogue."""
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

    def most_decided(self, share: float) -> Preferences:
        """The share of them with the largest margins, in the order they stand in."""
        order = np.argsort(-self.margins, kind="stable")
        keep = np.sort(order[: round(share * len(order))])
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
    train: Interactions,
    profiles: Profiles,
    llm: LLM,
    config: PreferenceConfig,
    pool: Rankings | None = None,
) -> Preferences:
    """Ask which of two items, neither met in training, each user would prefer.

    `pool` holds the backbone's best items of every user, where `config.pool` asks for it.
    """
    pairs = draw_pairs(train, config, pool)
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


def draw_pairs(
    train: Interactions, config: PreferenceConfig, pool: Rankings | None = None
) -> Pairs:
    """`config.pairs` pairs of different items for each user, none met in training."""
    rng = np.random.default_rng(config.seed)
    drawn = []
    for user in range(train.n_users):
        unmet = np.setdiff1d(_choices(user, train, config, pool), train.of(user))
        for _ in range(config.pairs if len(unmet) > 1 else 0):
            drawn.append((user, *rng.choice(unmet, 2, replace=False)))
    return Pairs(*np.array(drawn, np.int64).reshape(-1, 3).T)


def _choices(
    user: int, train: Interactions, config: PreferenceConfig, pool: Rankings | None
) -> NDArray[np.int64]:
    if config.pool is None or pool is None:
        return np.arange(train.n_items)
    items = pool.items[user][: config.pool]
    return items[items >= 0]


def _by_letters(
    pairs: Pairs, profiles: Profiles, llm: LLM, config: PreferenceConfig
) -> NDArray[np.float64]:
    """By how much each pair's first item is preferred, [N]; 0 where the two orders disagree."""
    users, first, second = pairs
    facts = {int(user): profiles.facts(int(user)) for user in np.unique(users)}

    def ask(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.float64]:
        names = zip(users, profiles.names(one), profiles.names(two), strict=True)
        prompts = [direct.pairwise(facts[int(user)], a, b) for user, a, b in names]
        choices = llm.choose(prompts, [("A", "B")] * len(prompts))
        return np.array([c.logprobs[0] - c.logprobs[1] for c in choices], np.float64)

    straight = ask(first, second)
    if not config.both_orders:
        return straight
    turned = -ask(second, first)
    alike = np.sign(straight) == np.sign(turned)
    return np.where(alike, np.sign(straight) * np.minimum(abs(straight), abs(turned)), 0.0)


def _by_likelihood(
    pairs: Pairs, profiles: Profiles, llm: LLM, config: PreferenceConfig
) -> NDArray[np.float64]:
    """The same. One question a user: his history is read once for all his pairs; no order to be
    biased by."""
    users, first, second = pairs
    asked = [int(user) for user in np.unique(users)]
    options = {u: sorted({*first[users == u], *second[users == u]}) for u in asked}
    lines = [[direct.line(name) for name in profiles.names(options[u])] for u in asked]
    choices = llm.choose([direct.continuation(profiles.facts(u)) for u in asked], lines)
    alone = priors(sorted({text for row in lines for text in row}), profiles.noun, llm)
    worth = {
        (u, item): float(p) - config.prior * alone[text]
        for u, row, choice in zip(asked, lines, choices, strict=True)
        for item, text, p in zip(options[u], row, choice.logprobs, strict=True)
    }
    margins = np.array(
        [worth[int(u), a] - worth[int(u), b] for u, a, b in zip(users, first, second, strict=True)]
    )
    return np.where(np.abs(margins) > config.margin, margins, 0.0)
