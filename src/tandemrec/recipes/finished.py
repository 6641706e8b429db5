"""A run that is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import polars as pl

from tandemrec.data.history import History
from tandemrec.errors import ConfigError
from tandemrec.recipes import tasks
from tandemrec.recipes.setup import Setup
from tandemrec.report.contents import Contents, scores


@dataclass(frozen=True)
class Finished:
    """A run that is done: its table, its report, and recommendations from it."""

    setup: Setup[Any]
    seeds: Sequence[Any]
    """What its task gives for each (`llama4rec.SeedResult`, `rating.RatedSeed`, `dallrec.Learnt`):
    all of them; of a run that was loaded again, the first."""
    contents: Contents
    first: int
    """The seed that the language model was tuned with: the first of all, made here or elsewhere."""

    @cached_property
    def scores(self) -> pl.DataFrame:
        """A row for each method and seed: method, kind, seed, metrics, p_value."""
        return pl.DataFrame(scores(self.contents), infer_schema_length=None)

    def recommend(self, users: Sequence[Any], k: int = 5) -> pl.DataFrame:
        """A long frame (user_id, item_id, title, score, rank) for known users. Raises DataError for
        an unknown one, ConfigError for what is no list of ids, and for `k` below 1."""
        names = _ids(users, "users", k)
        return tasks.of(self.setup).for_users(self.setup, self.seeds[0], names, k)

    @property
    def reads_ratings(self) -> bool:
        """Whether somebody new may say how he rated what he met: a run of rating prediction."""
        return tasks.of(self.setup) is tasks.RATING

    def recommend_new(
        self, items: Sequence[Any], k: int = 5, *, ratings: Sequence[float] | None = None
    ) -> pl.DataFrame:
        """The same for somebody new, from the ids of his items, oldest first, and, where the run
        predicts ratings, his own of them. Raises ConfigError for ratings that are not as many, or
        that the run does not read."""
        history = History(_ids(items, "items", k), None if ratings is None else list(ratings))
        if history.ratings is not None and not self.reads_ratings:
            raise ConfigError("ratings are read by runs that predict them; this one ranks.")
        if history.ratings is not None and len(history.ratings) != len(history.items):
            raise ConfigError(
                f"ratings must be one for each item. Received: {len(history.ratings)} ratings of "
                f"{len(history.items)} items."
            )
        return tasks.of(self.setup).for_history(self.setup, self.seeds[0], history, k)


def _ids(given: Any, name: str, k: int) -> list[str]:
    """Ids as text; a text alone would be taken for as many as it has letters."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ConfigError(
            f"{name} takes a list of ids, such as {name}=[{given!r}]. Received: {given!r}."
        )
    if not isinstance(k, Integral) or k < 1:
        raise ConfigError(f"k must be a whole number of at least 1. Received: {k!r}.")
    return [str(each) for each in given]
