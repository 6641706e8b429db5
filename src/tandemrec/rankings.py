"""What every ranker gives and every later stage takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions


@dataclass(frozen=True, eq=False)
class Rankings:
    """Each user's best items, best first.

    A row may be shorter than the others: its missing places, at the end, hold item -1, score -inf.
    """

    users: NDArray[np.int64]  # [U]
    items: NDArray[np.int64]  # [U, K]
    scores: NDArray[np.float32]  # [U, K], never rising along a row

    def __post_init__(self) -> None:
        if self.items.shape != self.scores.shape or len(self.items) != len(self.users):
            raise ValueError(
                "users, items and scores must have shapes [U], [U, K] and [U, K]. Received: "
                f"{self.users.shape}, {self.items.shape} and {self.scores.shape}."
            )

    @classmethod
    def best_first(
        cls, users: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.floating]
    ) -> Rankings:
        """Sort each row by score; ties keep their order. Shapes [U], [U, K], [U, K]."""
        order = np.argsort(-scores, axis=1, kind="stable")
        sorted_items = np.take_along_axis(items, order, axis=1)
        sorted_scores = np.take_along_axis(scores, order, axis=1)
        return cls(users, sorted_items, sorted_scores.astype(np.float32))

    def top(self, k: int) -> Rankings:
        """The first `k` places."""
        return Rankings(self.users, self.items[:, :k], self.scores[:, :k])

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Rankings:
        """Some of the rows, by index or mask."""
        return Rankings(self.users[rows], self.items[rows], self.scores[rows])

    def met(self, known: Interactions) -> NDArray[np.bool_]:
        """Whether each place holds an item that its user met, [U, K]; a missing place does not."""
        users = np.repeat(self.users, self.items.shape[1])
        return known.met(users, self.items.ravel()).reshape(self.items.shape) & (self.items >= 0)

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.users, self.items, self.scores)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "rankings.npz"
        np.savez_compressed(file, users=self.users, items=self.items, scores=self.scores)

    @classmethod
    def load(cls, folder: Path) -> Rankings:
        with np.load(folder / "rankings.npz", allow_pickle=False) as file:
            return cls(file["users"], file["items"], file["scores"])
