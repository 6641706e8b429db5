"""The language model's view of a backbone's candidates: listwise, pointwise, or by likelihood."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, model_validator

from tandemrec.config import Settings
from tandemrec.llm.base import LLM, Choice
from tandemrec.prompts import direct
from tandemrec.prompts.direct import Facts
from tandemrec.prompts.profiles import Profiles
from tandemrec.rankings import Rankings

Way = Literal["listwise", "pointwise", "likelihood"]


class RerankConfig(Settings):
    """How the LLM is asked about candidates."""

    way: Way = "likelihood"
    """listwise: one question, the candidates under letters. pointwise: one question each, Yes or
    No. likelihood: each title as the next line of the user's history."""
    answer: Literal["choose", "generate"] = "choose"
    """Read the options' probabilities, or decode text and parse it (listwise only)."""
    normalise: Literal["sum", "mean"] = "sum"
    """Likelihood: the title's log-probability, whole or per token."""
    prior: NonNegativeFloat = Field(default=0.5, le=2)
    """Likelihood: how much of the title's log-probability without a history is taken off: a
    correction for popular titles."""
    seed: int = 0
    """Shuffles the candidates, so that echoing the order shown gains nothing."""

    @property
    def name(self) -> str:
        """The way with the settings that tell it from others of its kind, for reports."""
        if self.way == "likelihood":
            return f"likelihood ({self.normalise}, prior {self.prior:g})"
        return self.way if self.answer == "choose" else f"{self.way} (decoded)"

    @model_validator(mode="after")
    def _read(self) -> Self:
        if self.answer == "generate" and self.way != "listwise":
            raise ValueError(f"answer = generate is of way = listwise; received way = {self.way}")
        return self


@dataclass(frozen=True, eq=False)
class Reranked:
    """The LLM's rankings, the order in which it was shown the candidates, and what was rejected."""

    rankings: Rankings
    shown: NDArray[np.int64]  # [U, K], items in the order shown
    used: NDArray[np.bool_]  # [U], false where the backbone's order stands
    rejected: dict[str, int]  # kind -> answers

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.rankings.fingerprint.encode(), self.shown.tobytes(), self.used.tobytes())
        return sha256(b"".join(parts)).hexdigest()

    def save(self, folder: Path) -> None:
        self.rankings.save(folder)
        np.save(folder / "shown.npy", self.shown)
        np.save(folder / "used.npy", self.used)
        (folder / "rejected.json").write_text(json.dumps(self.rejected))

    @classmethod
    def load(cls, folder: Path) -> Reranked:
        shown, used = (np.load(folder / name) for name in ("shown.npy", "used.npy"))
        rejected = json.loads((folder / "rejected.json").read_text())
        return cls(Rankings.load(folder), shown, used, rejected)


def rerank(candidates: Rankings, profiles: Profiles, llm: LLM, config: RerankConfig) -> Reranked:
    """The same items for each user, in the LLM's order and with its scores.

    Llama4Rec, section III-C; the candidates are shown in a seeded order of each user's own. An
    answer that cannot be used is counted by kind, and that user keeps the backbone's order.
    """
    if not len(candidates.users):
        return Reranked(candidates, candidates.items, np.zeros(0, bool), {})
    shown = _shuffled(candidates, config.seed)
    facts = [
        profiles.facts(int(user), row[row >= 0])
        for user, row in zip(candidates.users, shown, strict=True)
    ]
    scores, rejected = _ask(config)(facts, shown, profiles, llm, config)
    used = np.asarray(np.isfinite(np.where(shown >= 0, scores, 0)).all(1))
    scores[~used] = _backbone_order(candidates, shown)[~used]
    scores = np.where(shown >= 0, scores, -np.inf)
    ranked = Rankings.best_first(candidates.users, shown, scores)
    return Reranked(ranked, shown, used, {kind: n for kind, n in rejected.items() if n})


def _shuffled(candidates: Rankings, seed: int) -> NDArray[np.int64]:
    """Each row in an order drawn from the seed and the user alone; missing places stay last."""
    shown = candidates.items.copy()
    for row, user in enumerate(candidates.users):
        real = int((shown[row] >= 0).sum())
        shown[row, :real] = np.random.default_rng([seed, int(user)]).permutation(
            np.sort(shown[row, :real])
        )
    return shown


def _backbone_order(candidates: Rankings, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    places = (shown[:, :, None] == candidates.items[:, None, :]).argmax(2)  # [U, K]
    return -places.astype(np.float64)


Shown = NDArray[np.int64]  # [U, K]
Row = Sequence[float] | NDArray[np.floating]  # one user's scores
Asked = tuple[NDArray[np.float64], dict[str, int]]


Asker = Callable[[Sequence[Facts], Shown, Profiles, LLM, RerankConfig], Asked]


def _ask(config: RerankConfig) -> Asker:
    if config.answer == "generate":
        return _written
    return {"listwise": _listwise, "pointwise": _pointwise, "likelihood": _likelihood}[config.way]


def _listwise(
    facts: Sequence[Facts], shown: Shown, profiles: Profiles, llm: LLM, config: RerankConfig
) -> Asked:
    rows = [profiles.names(row[row >= 0]) for row in shown]
    prompts = [profiles.wording.listwise(fact, row) for fact, row in zip(facts, rows, strict=True)]
    options = [list(direct.LABELS[: len(row)]) for row in rows]
    return _padded([choice.logprobs for choice in llm.choose(prompts, options)], shown)


def _written(
    facts: Sequence[Facts], shown: Shown, profiles: Profiles, llm: LLM, config: RerankConfig
) -> Asked:
    """The published way: the answer is decoded, and the labels in it are read."""
    rows = [profiles.names(row[row >= 0]) for row in shown]
    prompts = [profiles.wording.listwise(fact, row) for fact, row in zip(facts, rows, strict=True)]
    scores = np.full(shown.shape, np.nan)
    kinds = {"no label in the answer": 0, "labels missing, appended": 0}
    for row, answer in enumerate(llm.generate(prompts, max_tokens=4 * shown.shape[1])):
        places = direct.parse_labels(answer, len(rows[row]))
        rest = [place for place in range(len(rows[row])) if place not in places]
        kinds["no label in the answer"] += not places
        kinds["labels missing, appended"] += bool(places and rest)
        if places:
            scores[row, places + rest] = -np.arange(len(rows[row]))
    return scores, kinds


def _pointwise(
    facts: Sequence[Facts], shown: Shown, profiles: Profiles, llm: LLM, config: RerankConfig
) -> Asked:
    """log P(Yes) - log P(No) of each candidate."""
    rows = [profiles.names(row[row >= 0]) for row in shown]
    prompts = [
        profiles.wording.pointwise(fact, title)
        for fact, row in zip(facts, rows, strict=True)
        for title in row
    ]
    choices = iter(llm.choose(prompts, [direct.ANSWERS] * len(prompts)))
    margins = [[float(np.subtract(*next(choices).logprobs)) for _ in row] for row in rows]
    return _padded(margins, shown)


def _likelihood(
    facts: Sequence[Facts], shown: Shown, profiles: Profiles, llm: LLM, config: RerankConfig
) -> Asked:
    """log P(title | history) - prior * log P(title | nothing), whole or per token."""
    options = [[direct.line(title) for title in profiles.names(row[row >= 0])] for row in shown]
    choices = llm.choose([direct.continuation(fact) for fact in facts], options)
    alone = priors(sorted({text for row in options for text in row}), profiles.noun, llm)
    values = []
    for choice, row in zip(choices, options, strict=True):
        value = choice.logprobs - config.prior * np.array([alone[text] for text in row])
        values.append(value / choice.tokens if config.normalise == "mean" else value)
    return _padded(values, shown)


def priors(lines: Sequence[str], noun: str, llm: LLM) -> dict[str, float]:
    """How likely each line is where nothing is known of the user; asked once for each line."""
    chunks = [lines[start : start + 100] for start in range(0, len(lines), 100)]
    choices: list[Choice] = llm.choose([direct.prior(noun)] * len(chunks), chunks)
    pairs = zip(chunks, choices, strict=True)
    return {text: float(p) for chunk, c in pairs for text, p in zip(chunk, c.logprobs, strict=True)}


def _padded(values: Sequence[Row], shown: NDArray[np.int64]) -> Asked:
    """Rows of scores as an array; a score that is no number is an answer that is rejected."""
    scores = np.full(shown.shape, -np.inf)
    for row, found in enumerate(values):
        scores[row, : len(found)] = found
    broken = int((~np.isfinite(np.where(shown >= 0, scores, 0))).any(1).sum())
    return scores, {"not a number": broken}
