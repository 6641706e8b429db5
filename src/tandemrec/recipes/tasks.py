"""The two tasks of a run, rankings and ratings: the same stages by other files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tandemrec.recipes import (
    llama4rec,
    rating,
    rating_recommend,
    rating_results,
    recommend,
    results,
)
from tandemrec.recipes.setup import Setup


class Task(NamedTuple):
    """What is called, in this order; each is told in its own file."""

    one_seed: Callable[..., Any]
    contents: Callable[..., Any]
    ask_ahead: Callable[..., None]
    for_users: Callable[..., Any]
    for_history: Callable[..., Any]


RANKING = Task(
    llama4rec.one_seed,
    results.contents,
    llama4rec.ask_ahead,
    recommend.for_users,
    recommend.for_history,
)
RATING = Task(
    rating.one_seed,
    rating_results.contents,
    rating.ask_ahead,
    rating_recommend.for_users,
    rating_recommend.for_history,
)


def of(setup: Setup) -> Task:
    """The task of a run's backbone."""
    return RATING if setup.rating else RANKING
