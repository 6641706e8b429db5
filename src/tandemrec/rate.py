"""The language model's ratings of given pairs, and the line that calibrates them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.prompts import rating
from tandemrec.prompts.rated import RatedProfiles
from tandemrec.ratings import Ratings

Floats = NDArray[np.float64]
LONGEST = 12
"Tokens of a written answer: a number, with a few words around it."
NOT_A_NUMBER, NOTHING, UNREADABLE = (
    "not a number",
    "no label is possible",
    "no rating on the scale in the answer",
)
"Kinds of answers that are of no use."


class RateConfig(Settings):
    """How the LLM is asked for a rating."""

    answer: Literal["expected", "greedy", "written"] = "expected"
    """expected: the mean of the labels by their probabilities (ours). greedy: the likeliest label,
    which is the paper's number. written: an answer is decoded and the number in it is read."""


@dataclass(frozen=True, eq=False)
class Said:
    """The LLM's ratings, of which pairs they are, and how many answers were rejected; those pairs
    have the fallback's."""

    ratings: Ratings
    used: NDArray[np.bool_]  # [N], false where the fallback's rating stands
    rejected: dict[str, int]  # kind -> answers

    def on(self, line: Calibration, scale: Scale) -> Ratings:
        """The LLM's ratings on the line; the fallback's as they are."""
        moved = line.apply(self.ratings, scale)
        return moved.with_values(np.where(self.used, moved.values, self.ratings.values))

    @cached_property
    def fingerprint(self) -> str:
        note = self.ratings.fingerprint + json.dumps(self.rejected, sort_keys=True)
        return sha256(note.encode() + self.used.tobytes()).hexdigest()

    def save(self, folder: Path) -> None:
        self.ratings.save(folder)
        np.save(folder / "used.npy", self.used)
        (folder / "rejected.json").write_text(json.dumps(self.rejected))

    @classmethod
    def load(cls, folder: Path) -> Said:
        rejected = json.loads((folder / "rejected.json").read_text())
        return cls(Ratings.load(folder), np.load(folder / "used.npy"), rejected)


def rate(
    pairs: Interactions,
    profiles: RatedProfiles,
    llm: LLM,
    config: RateConfig,
    *,
    scale: Scale,
    fallback: Ratings,
) -> Said:
    """What the LLM rates each pair, within the scale; the pairs' own ratings are not looked at.

    Llama4Rec, section III-C, pointwise. `fallback` are the backbone's ratings of the same pairs: an
    answer of no use is counted by kind, and that pair keeps the backbone's. Raises ValueError where
    the pairs differ, or the profiles' scale is another.
    """
    if not fallback.same_pairs(pairs):
        raise ValueError("The fallback must be of the same pairs, in the same order.")
    values = _ask(_prompts(pairs, profiles, scale), llm, config, scale)
    kinds = Counter(value for value in values if isinstance(value, str))
    found = np.array([np.nan if isinstance(value, str) else value for value in values], np.float64)
    used = ~np.isnan(found)
    kept = np.where(used, found, fallback.values)
    return Said(fallback.with_values(scale.within(kept)), used, dict(sorted(kinds.items())))


def read_together(
    pairs: Interactions,
    profiles: Sequence[RatedProfiles],
    llm: LLM,
    config: RateConfig,
    *,
    scale: Scale,
) -> None:
    """Ask about the pairs with all profiles, pair by pair: prompts that begin alike, of the same
    user and item, are read together. The answers are left to a model that remembers them."""
    each = [_prompts(pairs, known, scale) for known in profiles]
    prompts = dict.fromkeys(prompt for row in zip(*each, strict=True) for prompt in row)
    _ask(list(prompts), llm, config, scale)


def _prompts(pairs: Interactions, profiles: RatedProfiles, scale: Scale) -> list[Prompt]:
    if profiles.scale != scale:
        raise ValueError(f"The prompts tell the scale {profiles.scale}. Received: {scale}.")
    rows = zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)
    return [rating.rating(profiles.facts(user, item)) for user, item in rows]


def _ask(
    prompts: Sequence[Prompt], llm: LLM, config: RateConfig, scale: Scale
) -> list[float | str]:
    """A rating for each prompt, or the kind of an answer that is of no use."""
    if not prompts:
        return []
    labels = scale.labels
    if config.answer == "written":
        texts = llm.generate(prompts, max_tokens=LONGEST)
        read = (rating.parse(text, labels) for text in texts)
        return [UNREADABLE if value is None else value for value in read]
    choices = llm.choose(prompts, [labels] * len(prompts))
    return [_value(choice, labels, scale.values, config) for choice in choices]


def _value(
    choice: Choice, labels: Sequence[str], values: Floats, config: RateConfig
) -> float | str:
    if np.isnan(choice.logprobs).any() or (choice.logprobs == np.inf).any():
        return NOT_A_NUMBER
    shares = _shares(choice, labels)
    if not shares.sum():
        return NOTHING
    if config.answer == "greedy":
        return float(values[shares.argmax()])
    return float(shares @ values / shares.sum())


def _shares(choice: Choice, labels: Sequence[str]) -> Floats:
    """How probable each label is as the whole answer, [L], up to a common factor.

    What a model says of "1" is the probability of all answers that begin so, "10" among them where
    that is "1" and another token: it is taken off.
    """
    logprobs = choice.logprobs.astype(np.float64)
    highest = logprobs.max()
    begins = np.exp(logprobs - highest) if np.isfinite(highest) else np.zeros(len(logprobs))
    shares = begins.copy()
    # The longest come first: they begin no other.
    for short in np.argsort(-choice.tokens, kind="stable").tolist():
        for long in np.flatnonzero(choice.tokens > choice.tokens[short]).tolist():
            if labels[long].startswith(labels[short]):
                shares[short] -= shares[long]
        shares[short] = max(shares[short], 0.0)
    return shares


@dataclass(frozen=True)
class Calibration:
    """The line that the LLM's ratings are put on; chosen on validation (ours)."""

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def none(cls, said: Ratings, truth: Interactions) -> Calibration:
        """Ratings as they are said: the paper's way."""
        return cls()

    @classmethod
    def fit(cls, said: Ratings, truth: Interactions) -> Calibration:
        """The line of least squares from what was said to the truth of the same pairs.

        Never a falling one, and none where it predicts a pair that it was not fitted on (leave one
        out) worse than the mean of the others does: then the mean for all. Fewer than three pairs
        leave the ratings as they are. Raises ValueError where the pairs differ.
        """
        if not said.same_pairs(truth):
            raise ValueError("A calibration needs the truth of the same pairs, in the same order.")
        x, y = said.values, truth.ratings.astype(np.float64)
        if len(x) < 3:
            return cls()
        mean, spread = y.mean(), ((x - x.mean()) ** 2).sum()
        slope = float((x - x.mean()) @ (y - mean) / spread) if spread > _NO_SPREAD else 0.0
        if slope <= 0 or not _helps(x, y, slope, spread):
            return cls(0.0, float(mean))
        return cls(slope, float(mean - slope * x.mean()))

    def apply(self, ratings: Ratings, scale: Scale) -> Ratings:
        """The ratings on the line, within the scale."""
        return ratings.with_values(scale.within(self.intercept + self.slope * ratings.values))


_NO_SPREAD = 1e-12


def _helps(x: Floats, y: Floats, slope: float, spread: float) -> bool:
    """Whether the line's errors on pairs left out of the fit are smaller than the mean's: an error
    of least squares, divided by one less its leverage, is what it is without that pair."""
    off = x - x.mean()
    leverage = 1 / len(x) + off**2 / spread
    line = (y - y.mean() - slope * off) / np.maximum(1 - leverage, _NO_SPREAD)
    mean = (y - y.mean()) / (1 - 1 / len(x))
    return bool((line**2).sum() < (mean**2).sum())
