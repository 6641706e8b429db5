"""What a run does, by its recipe and task: the same stages by other files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tandemrec.recipes import (
    dallrec,
    dallrec_results,
    llama4rec,
    rating,
    rating_recommend,
    rating_results,
    recommend,
    results,
    tuning,
)
from tandemrec.recipes.setup import DALLRecSetup, Setup


class Task(NamedTuple):
    """What is called, in this order; each is told in its own file."""

    ready: Callable[..., tuple[Any, Any]]
    "What all seeds share: what `one_seed` is given, and what `contents` is."
    one_seed: Callable[..., Any]
    contents: Callable[..., Any]
    ask_ahead: Callable[..., None]
    for_users: Callable[..., Any]
    for_history: Callable[..., Any]


RANKING = Task(
    tuning.asking,
    llama4rec.one_seed,
    results.contents,
    llama4rec.ask_ahead,
    recommend.for_users,
    recommend.for_history,
)
RATING = Task(
    tuning.asking,
    rating.one_seed,
    rating_results.contents,
    rating.ask_ahead,
    rating_recommend.for_users,
    rating_recommend.for_history,
)


DALLREC = Task(
    dallrec.ready,
    dallrec.one_seed,
    dallrec_results.contents,
    dallrec.ask_ahead,
    recommend.of_backbone,
    recommend.of_backbone_new,
)


def of(setup: Setup[Any]) -> Task:
    """What a run does."""
    if isinstance(setup, DALLRecSetup):
        return DALLREC
    return RATING if setup.rating else RANKING
