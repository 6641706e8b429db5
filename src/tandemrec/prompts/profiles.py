"""What a prompt may tell of the users: from arrays of numbers to the facts of one prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.data.split import Split
from tandemrec.llm.base import Prompt
from tandemrec.prompts import direct
from tandemrec.prompts.direct import Facts
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.titles import titles_of
from tandemrec.rankings import Rankings

Items = NDArray[np.int64]


class PromptConfig(Settings):
    """How much a prompt tells."""

    history: PositiveInt = 32
    """How many of a user's last items."""
    similar: NonNegativeInt = 10
    """Prompt augmentation: how many of the most similar user's last items."""
    hint: NonNegativeInt = 5
    """Prompt augmentation: how many of the backbone's predictions."""
    passages: NonNegativeInt = 0
    """Prompt augmentation by retrieval (ours): how many passages of other users' histories that
    match the user's last items."""
    passage_length: PositiveInt = 10
    """Items in such a passage."""
    recent: PositiveInt = 10
    """How many of the user's last items a passage is matched against."""
    about: Literal["history", "candidates"] = "history"
    """Passages that match the user's last items, whole; or those of them that hold a candidate of
    his, and of these only the candidates and the matched items."""


class Wording(Protocol):
    """A module of prompts: how a task asks about candidates."""

    __name__: str

    def listwise(self, facts: Facts, candidates: Sequence[str]) -> Prompt:
        """Which of these comes first?"""

    def pointwise(self, facts: Facts, candidate: str) -> Prompt:
        """This one?"""


@dataclass(frozen=True, eq=False)
class Profiles:
    """Histories and titles; with prompt augmentation also similar users, hints and passages."""

    noun: str
    titles: Sequence[str]  # [I], readable
    histories: Sequence[NDArray[np.int64]]  # [all users], oldest first
    config: PromptConfig
    own: Sequence[NDArray[np.int64]] | None = None  # where a user's own history goes on further
    similar: NDArray[np.int64] | None = None  # [all users], each one's most similar user
    hints: Rankings | None = None  # the backbone's predictions, rows found by user
    passages: Passages | None = None  # finds passages of other users' histories
    wording: Wording = direct  # the module of prompts that the task asks with

    @classmethod
    def of(cls, split: Split, config: PromptConfig, own: Sequence[Items] | None = None) -> Profiles:
        """Training histories with readable titles, without prompt augmentation."""
        titles = titles_of(split.catalogue)
        return cls(split.data.noun, titles, split.train.histories, config, own)

    @property
    def plain(self) -> Profiles:
        """The same without prompt augmentation."""
        return replace(self, similar=None, hints=None, passages=None)

    def telling(
        self,
        *,
        similar: NDArray[np.int64] | None = None,
        hints: Rankings | None = None,
        passages: Passages | None = None,
    ) -> Profiles:
        """The same with prompt augmentation."""
        return replace(self, similar=similar, hints=hints, passages=passages)

    def about_candidates(self, passages: Passages, n: int) -> Profiles:
        """The same telling nothing but the history and `n` passages about what is asked about."""
        config = self.config.model_copy(update={"passages": n, "about": "candidates"})
        return replace(self.plain.telling(passages=passages), config=config)

    def joined_by(self, history: NDArray[np.int64], similar: int) -> Profiles:
        """The same with one more user behind the others, to whom `similar` is the most alike."""
        alike = None if self.similar is None else np.append(self.similar, similar)
        own = None if self.own is None else [*self.own, history]
        return replace(self, histories=[*self.histories, history], own=own, similar=alike)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that prompts may be made from."""
        digest = sha256(
            repr((self.noun, tuple(self.titles), self.config, self.wording.__name__)).encode()
        )
        for history in (*self.histories, *(self.own or ())):
            digest.update(len(history).to_bytes(8, "big") + history.tobytes())
        digest.update(b"" if self.similar is None else self.similar.tobytes())
        digest.update(b"" if self.hints is None else self.hints.fingerprint.encode())
        digest.update(b"" if self.passages is None else self.passages.train.fingerprint.encode())
        return digest.hexdigest()

    @property
    def same_for_all(self) -> bool:
        """Whether a prompt tells the same of a user whatever his candidates are."""
        about = self.passages is not None and self.config.about == "candidates"
        return self.hints is None and not about

    def facts(self, user: int, candidates: Items | None = None) -> Facts:
        """What a prompt tells of one user; `candidates` are what it is asked about."""
        return self.facts_of((self.own or self.histories)[user], user, candidates)

    def facts_of(self, history: Items, user: int, candidates: Items | None = None) -> Facts:
        """The same for another history of the user's, such as its beginning."""
        told = self.names(history[-self.config.history :])
        passages = self._passages(history, user, candidates)
        return Facts(self.noun, told, self._alike(user), self._hint(user), passages)

    def _alike(self, user: int) -> list[str]:
        if self.similar is None or not self.config.similar:
            return []
        return self.names(self.histories[self.similar[user]][-self.config.similar :])

    def _hint(self, user: int) -> list[str]:
        if self.hints is None:
            return []
        items = self.hints.items[self._rows[user]][: self.config.hint]
        return self.names(items[items >= 0])

    def _passages(self, history: Items, user: int, candidates: Items | None) -> list[list[str]]:
        """The best match stands last, nearest to the user's own history."""
        config = self.config
        if self.passages is None or not config.passages:
            return []
        about = candidates if config.about == "candidates" else None
        found = self.passages.of(
            history, user, config.passages, config.passage_length, config.recent, about
        )
        return [self.names(passage) for passage in reversed(found)]

    @cached_property
    def _rows(self) -> dict[int, int]:
        users = self.hints.users if self.hints is not None else ()
        return {int(user): row for row, user in enumerate(users)}

    def names(self, items: Iterable[int]) -> list[str]:
        """The items' titles."""
        return [self.titles[item] for item in items]
