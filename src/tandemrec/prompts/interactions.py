"""The question whether a user will like an item, beside the parser of its answer.

The parts are the paper's (DALLRec's first strategy: some liked and some disliked items, then the
item, answered by yes or no), the wording is ours. The user stands first and the item last, so that
questions about one user share what is before the item.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from tandemrec.config import Settings
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions
from tandemrec.data.tastes import Tastes
from tandemrec.llm.base import Prompt
from tandemrec.prompts.described import described

ANSWERS = ("Yes", "No")
"The options of the question."


class Facts(NamedTuple):
    """What a prompt may know of a user; every item is told on one line."""

    noun: str  # what one item is called: "movie"
    liked: Sequence[str]  # oldest first
    disliked: Sequence[str]
    item: str  # the one that is asked about


def like(facts: Facts) -> Prompt:
    """Will the user like the item? Options are `ANSWERS`.

    No title begins a line, so that none can pass for a part of the prompt.
    """
    noun = facts.noun
    lines = [f"{noun.capitalize()}s this user liked:", *_told(facts.liked)]
    lines += [f"{noun.capitalize()}s this user disliked:", *_told(facts.disliked)]
    return Prompt(
        f"You know which {noun}s a user will like, from those the user liked and disliked. "
        "Answer Yes or No.",
        "\n".join([*lines, f"Will this user like the {noun} {facts.item}?"]),
    )


def _told(names: Sequence[str]) -> list[str]:
    return [f"- {name}" for name in names] or ["None"]


_WRITTEN = re.compile(
    r"[\W_]*(?:(?:the|my)\s+)?(?:answer\s*(?:is|would be)?[\W_]*)?(yes|no)\b"
    r"(?![\W_]*(?:or|and)?[\W_]*(?:yes|no)\b)"
    r"(?!\s+(?:idea|information|answer|data|way|one|user|clue|preference|doubt)\b)",
    re.IGNORECASE,
)


def parse(answer: str) -> bool | None:
    """Whether a written answer says yes, or none where it says neither, or both.

    Never raises. What counts is the beginning: "Yes.", "**No**, because", "Answer: yes".
    """
    found = _WRITTEN.match(answer[:200])
    return None if found is None else found[1].casefold() == "yes"


class TastePromptConfig(Settings):
    """How much a prompt tells of a user."""

    liked: NonNegativeInt = 5
    """At most how many liked items; five is the paper's number for movies."""
    disliked: NonNegativeInt = 5
    """At most how many disliked ones."""
    chosen: Literal["drawn", "newest"] = "drawn"
    """Which: drawn at random, by a seed of each user's own, or the last ones. The paper does not
    say."""
    genres: bool = True
    """Whether an item's genres stand beside its title, where the catalogue has them."""
    seed: int = 0
    """Draws what is told, and what is asked."""


@dataclass(frozen=True, eq=False)
class TasteProfiles:
    """Tastes and names of items: what the facts of a prompt are taken from."""

    noun: str
    names: Sequence[str]  # [I], each on one line
    tastes: Tastes  # of training
    config: TastePromptConfig

    @classmethod
    def of(
        cls, tastes: Tastes, catalogue: Catalogue, noun: str, config: TastePromptConfig
    ) -> TasteProfiles:
        """Items are told with author and genres, where the catalogue has these."""
        return cls(noun, described(catalogue, genres=config.genres), tastes, config)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that prompts may be made from."""
        told = {name: getattr(self.config, name) for name in TastePromptConfig.model_fields}
        text = repr((self.noun, tuple(self.names), told, self.tastes.fingerprint))
        return sha256(text.encode()).hexdigest()

    def facts(self, user: int, item: int) -> Facts:
        """What a prompt tells of one user about one item, which is never among what is told."""
        liked = self._some(self.tastes.liked, user, item, self.config.liked, 0)
        disliked = self._some(self.tastes.disliked, user, item, self.config.disliked, 1)
        return Facts(self.noun, liked, disliked, self.names[item])

    def _some(self, rows: Interactions, user: int, item: int, n: int, side: int) -> list[str]:
        """Up to `n` of the user's items here but for that one, each once, oldest first.

        Hiding an item moves up the next one and leaves the others.
        """
        items = rows.of(user)
        order = self._order(len(items), user, side)
        kept = order[items[order] != item]
        first = np.sort(np.unique(items[kept], return_index=True)[1])[:n]
        return [self.names[each] for each in items[np.sort(kept[first])]]

    def _order(self, length: int, user: int, side: int) -> NDArray[np.int64]:
        if self.config.chosen == "newest":
            return np.arange(length)[::-1]
        return np.random.default_rng([self.config.seed, user, side]).permutation(length)
