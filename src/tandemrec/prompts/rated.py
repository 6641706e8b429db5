"""What a prompt may tell of users' ratings: from arrays of numbers to the facts of one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.data.split import Split
from tandemrec.prompts.alike import Alike
from tandemrec.prompts.rating import Facts, Rated
from tandemrec.prompts.titles import titles_of
from tandemrec.ratings import Ratings


class RatedPromptConfig(Settings):
    """How much a prompt tells."""

    history: PositiveInt = 20
    """How many of the user's own ratings."""
    chosen: Literal["newest", "alike"] = "newest"
    """Which: the last ones, or (ours) those of the items that are most alike the one asked about,
    by what the catalogue says of them and by who rated both in training."""
    similar: NonNegativeInt = 10
    """Prompt augmentation: how many of the most similar user's ratings, chosen in the same way."""
    hint: bool = True
    """Prompt augmentation: the backbone's prediction."""


@dataclass(frozen=True, eq=False)
class RatedProfiles:
    """Ratings of training and titles; with prompt augmentation also similar users and hints."""

    noun: str
    titles: Sequence[str]  # [I], readable
    scale: Scale
    past: Interactions  # everybody's ratings that may be told: training
    config: RatedPromptConfig
    own: Interactions | None = None  # where a user's own ratings go on further
    similar: NDArray[np.int64] | None = None  # [all users], each one's most similar user, or -1
    hints: Ratings | None = None  # the backbone's predictions, found by user and item
    alike: Alike | None = None  # which items are alike, where that is asked

    @classmethod
    def of(
        cls,
        split: Split,
        config: RatedPromptConfig,
        own: Interactions | None = None,
        *,
        scale: Scale | None = None,
    ) -> RatedProfiles:
        """Training ratings with readable titles, without prompt augmentation.

        `own` may go on further than training, such as `split.before_test` does; of it, a prompt
        tells a user his own rows alone. `scale`: what is known of it, or else what training has.
        Raises DataError where it has none.
        """
        titles, scale = titles_of(split.catalogue), scale or Scale.of(split.train)
        alike = Alike.of(split.train, split.catalogue) if config.chosen == "alike" else None
        noun = split.data.noun
        return cls(noun, titles, scale, split.train, config, own, alike=alike)

    @property
    def plain(self) -> RatedProfiles:
        """The same without prompt augmentation."""
        return replace(self, similar=None, hints=None)

    def telling(
        self, *, similar: NDArray[np.int64] | None = None, hints: Ratings | None = None
    ) -> RatedProfiles:
        """The same with prompt augmentation."""
        return replace(self, similar=similar, hints=hints)

    def seeing(self, past: Interactions) -> RatedProfiles:
        """The same with other training ratings, and nothing beyond them: what a fold knows."""
        alike = self.alike and self.alike.seeing(past)
        return replace(self, past=past, own=None, alike=alike)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that prompts may be made from."""
        digest = sha256(repr((self.noun, tuple(self.titles), self.config)).encode())
        for part in (self.scale, self.past, self.own, self.hints, self.alike):
            digest.update(b"-" if part is None else part.fingerprint.encode())
        digest.update(b"-" if self.similar is None else self.similar.tobytes())
        return digest.hexdigest()

    def facts(self, user: int, item: int) -> Facts:
        """What a prompt tells of one user about one item.

        The user's own rating of the item itself is never told, not even where he rated it twice;
        the similar user's may be. A pair that has no hint is told none.
        """
        own = self.past if self.own is None else self.own
        history = self._told(own, user, item, self.config.history, hidden=item)
        labels, title = self.scale.labels, self.titles[item]
        return Facts(
            self.noun, labels, history, title, self._alike(user, item), self._hint(user, item)
        )

    def _alike(self, user: int, item: int) -> list[Rated]:
        if self.similar is None or not self.config.similar or self.similar[user] < 0:
            return []
        return self._told(self.past, int(self.similar[user]), item, self.config.similar)

    def _hint(self, user: int, item: int) -> float | None:
        return self._hinted.get((user, item)) if self.config.hint else None

    def _told(
        self, rows: Interactions, user: int, item: int, n: int, hidden: int = -1
    ) -> list[Rated]:
        """Up to `n` of a user's ratings but for that of the hidden item: the last ones, oldest
        first, or the most alike ones, the most alike last."""
        mine = slice(rows.bounds[user], rows.bounds[user + 1])
        items, values = rows.items[mine], rows.ratings[mine]
        places = np.flatnonzero(items != hidden)
        if self.alike is None:
            places = places[-n:]
        else:
            places = places[self.alike.most(item, items[places], n)]
        return [(self.titles[items[place]], float(values[place])) for place in places]

    @cached_property
    def _hinted(self) -> dict[tuple[int, int], float]:
        if self.hints is None:
            return {}
        pairs = zip(self.hints.users.tolist(), self.hints.items.tolist(), strict=True)
        values = self.hints.values.tolist()
        return {pair: value for pair, value in zip(pairs, values, strict=True) if value == value}
