"""From which probability on a language model's yes is a yes, and how much its answers are worth.

Ours, beside the paper's likelier answer: a small model says yes to everything, or to nothing, and
may still find the likelier likes likelier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

GREEDY = 0.5
"The likelier of the two answers, as in the paper."
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Threshold:
    """Held-out interactions, whether they were liked, and the probability of yes.

    An answer that cannot be read (NaN) is a no at every threshold, and the least likely yes.
    """

    users: NDArray[np.int64]  # [N]
    items: NDArray[np.int64]  # [N]
    liked: NDArray[np.bool_]  # [N]
    chances: Floats  # [N]
    tokens: int | None = None
    "Of questions and answers; none where the model does not count them."

    @cached_property
    def curve(self) -> tuple[Floats, Floats]:
        """Thresholds, rising, and the balanced accuracy of each, [K] and [K].

        The thresholds are 0 (everything that is read is a yes), one half, and the middles between
        neighbouring probabilities: between them nothing changes.
        """
        different = np.unique(self._read)
        middles = (different[1:] + different[:-1]) / 2
        cuts = np.unique(np.concatenate([[0.0, GREEDY], middles[middles > 0]]))
        return cuts, (self._share(cuts, self.liked) + 1 - self._share(cuts, ~self.liked)) / 2

    @property
    def value(self) -> float:
        """The threshold of the best balanced accuracy; of equals, the one nearest to one half."""
        cuts, accuracy = self.curve
        best = cuts[accuracy >= accuracy.max() - 1e-12]
        return float(best[np.abs(best - GREEDY).argmin()])

    @property
    def accuracy(self) -> float:
        """The balanced accuracy at `value`, on the same interactions that chose it."""
        return float(self.curve[1].max())

    @property
    def greedy(self) -> float:
        """The balanced accuracy of the likelier answer; 0.5 is a coin's."""
        cuts, accuracy = self.curve
        return float(accuracy[np.searchsorted(cuts, GREEDY)])

    @property
    def auc(self) -> float:
        """How often a like has a higher probability than a dislike; a tie counts half."""
        return float(self._wins[0].mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `auc` by DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988),
        taken on the logit, so that it stays between 0 and 1.

        (0, 1) where likes or dislikes are fewer than two. Where likes and dislikes part without
        a mistake, DeLong's variance is 0: then that of a single share, of half a mistake."""
        above, below = self._wins
        n, m = len(above), len(below)
        if min(n, m) < 2:
            return 0.0, 1.0
        auc = float(np.clip(self.auc, 0.5 / (n * m), 1 - 0.5 / (n * m)))
        variance = above.var(ddof=1) / n + below.var(ddof=1) / m
        least = auc * (1 - auc) / (n + m)
        spread = np.sqrt(max(variance, least)) / (auc * (1 - auc))
        ends = np.log(auc / (1 - auc)) + stats.norm.ppf([0.025, 0.975]) * spread
        low, high = 1 / (1 + np.exp(-ends))
        return float(low), float(high)

    @property
    def rejected(self) -> dict[str, int]:
        """How many answers could not be used, by reason."""
        n = int(np.isnan(self.chances).sum())
        return {"unreadable": n} if n else {}

    @property
    def _read(self) -> Floats:
        return np.where(np.isnan(self.chances), -1.0, self.chances)

    def _share(self, cuts: Floats, of: NDArray[np.bool_]) -> Floats:
        """The share of yes among these at each threshold; [K]."""
        values = np.sort(self._read[of])
        return 1 - np.searchsorted(values, cuts, side="left") / len(values)

    @property
    def _wins(self) -> tuple[Floats, Floats]:
        """Of each like the share of dislikes below it, and of each dislike of likes above it."""
        ranks = stats.rankdata(self._read)
        likes, dislikes = self._read[self.liked], self._read[~self.liked]
        above = (ranks[self.liked] - stats.rankdata(likes)) / len(dislikes)
        below = 1 - (ranks[~self.liked] - stats.rankdata(dislikes)) / len(likes)
        return above, below

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.users, self.items, self.liked, self.chances)
        return sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / "threshold.npz",
            users=self.users,
            items=self.items,
            liked=self.liked,
            chances=self.chances,
            tokens=np.array([] if self.tokens is None else [self.tokens], np.int64),
        )

    @classmethod
    def load(cls, folder: Path) -> Threshold:
        with np.load(folder / "threshold.npz", allow_pickle=False) as file:
            tokens = next(iter(file["tokens"].tolist()), None)
            return cls(file["users"], file["items"], file["liked"], file["chances"], tokens)
