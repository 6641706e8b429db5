"""What a prompt may tell of the users: from arrays of numbers to the facts of one prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.prompts.direct import Facts
from tandemrec.rankings import Rankings


class PromptConfig(Settings):
    """How much a prompt tells."""

    history: PositiveInt = 32
    """How many of a user's last items."""
    similar: NonNegativeInt = 10
    """Prompt augmentation: how many of the most similar user's last items."""
    hint: NonNegativeInt = 5
    """Prompt augmentation: how many of the backbone's predictions."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """Histories and titles; with prompt augmentation also similar users and the backbone's hints."""

    noun: str
    titles: Sequence[str]  # [I], readable
    histories: Sequence[NDArray[np.int64]]  # [all users], oldest first
    config: PromptConfig
    similar: NDArray[np.int64] | None = None  # [all users], each one's most similar user
    hints: Rankings | None = None  # the backbone's predictions, rows found by user

    @property
    def plain(self) -> Profiles:
        """The same without prompt augmentation."""
        return replace(self, similar=None, hints=None)

    def facts(self, user: int) -> Facts:
        """What a prompt tells of one user."""
        history = self.names(self.histories[user][-self.config.history :])
        return Facts(self.noun, history, self._alike(user), self._hint(user))

    def _alike(self, user: int) -> list[str]:
        if self.similar is None or not self.config.similar:
            return []
        return self.names(self.histories[self.similar[user]][-self.config.similar :])

    def _hint(self, user: int) -> list[str]:
        if self.hints is None:
            return []
        items = self.hints.items[self._rows[user]][: self.config.hint]
        return self.names(items[items >= 0])

    @cached_property
    def _rows(self) -> dict[int, int]:
        users = self.hints.users if self.hints is not None else ()
        return {int(user): row for row, user in enumerate(users)}

    def names(self, items: Iterable[int]) -> list[str]:
        """The items' titles."""
        return [self.titles[item] for item in items]
