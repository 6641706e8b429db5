"""What the benchmarks of the language-model engine have in common: prompts, and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import tandemrec as tr
from tandemrec.llm.base import Prompt
from tandemrec.prompts import direct
from tandemrec.prompts.profiles import Profiles, PromptConfig
from tandemrec.recipes.settings import PAPER

WAYS = ("listwise", "pointwise", "likelihood")

Asked = tuple[list[Prompt], list[list[str]]]
Row = dict[str, Any]
"One line of the table."


class Work:
    """The prompts of some users, in every way."""

    def __init__(self, users: int, prompt: PromptConfig = PAPER.prompt) -> None:
        split = tr.leave_last_out(tr.load("ml-100k"))
        model = tr.fit(tr.MF, split, tr.TrainConfig(epochs=30, **tr.MF.quick))
        told = Profiles.of(split, prompt)
        chosen = np.random.default_rng(0).permutation(split.train.n_users)[:users]
        lists = tr.rank(model, split.train, np.sort(chosen), 10)
        self.facts = [told.facts(int(user)) for user in lists.users]
        self.catalogue = told.titles
        self.titles = [told.names(row) for row in lists.items]

    def asked(self, way: str) -> Asked:
        """Prompts and options, ten prompts a user where the way is pointwise."""
        rows = list(zip(self.facts, self.titles, strict=True))
        if way == "listwise":
            prompts = [direct.listwise(fact, titles) for fact, titles in rows]
            return prompts, [list(direct.LABELS[: len(titles)]) for titles in self.titles]
        if way == "pointwise":
            prompts = [direct.pointwise(fact, title) for fact, titles in rows for title in titles]
            return prompts, [list(direct.ANSWERS)] * len(prompts)
        prompts = [direct.continuation(fact) for fact in self.facts]
        return prompts, [[direct.line(title) for title in titles] for titles in self.titles]


def turns_of_rates(rounds: int, *ways: Callable[[], float]) -> list[float]:
    """The median rate of each, taking turns."""
    rates = []
    for turn in range(rounds):
        rates.append([way() for way in ways])
        print(f"turn {turn}: " + ", ".join(f"{rate:.0f}/s" for rate in rates[-1]), flush=True)
    return np.median(rates, axis=0).tolist()


def turns(rounds: int, *ways: Callable[[], object]) -> list[float]:
    """The median seconds of each, after a first time that does not count."""
    seconds = []
    for turn in range(rounds + 1):
        seconds.append([timed(way) for way in ways])
        print(f"turn {turn}: " + ", ".join(f"{value:.1f} s" for value in seconds[-1]), flush=True)
    return np.median(seconds[1:], axis=0).tolist()


def timed(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def row(what: str, ours: float, theirs: float) -> Row:
    return {"what": what, "ours": ours, "theirs": theirs, "ratio": ours / theirs}
