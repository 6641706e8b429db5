"""Texts as vectors: what the rest of the package asks of whatever makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tandemrec.progress import Progress, silent

Vectors = NDArray[np.float32]
Tokens = Sequence[int]


@runtime_checkable
class Embedder(Protocol):
    """One question: where does a text stand among texts?"""

    @property
    def name(self) -> str:
        """Goes into reports and logs."""

    @property
    def fingerprint(self) -> str:
        """Changes when the vectors would: weights, adapter, dtype, pooling."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A vector for each text, [N, W]; a row of zeros where a text has no words.

        A text's vector does not depend on the others; what a model cannot hold is cut off at the
        end.
        """


def by_length(
    rows: Sequence[Tokens],
    read: Callable[[Sequence[Tokens]], Vectors],
    width: int,
    budget: int,
    progress: Progress = silent,
) -> Vectors:
    """The vectors [N, W] that `read` gives of rows of tokens, in batches of like length.

    The longest come first, so that a machine that is too small says so at once. Equal rows are read
    once, empty ones never: these are zeros. The order of the rows changes no bit.
    """
    distinct = sorted({tuple(row) for row in rows if len(row)}, key=lambda row: (-len(row), row))
    place = {row: n for n, row in enumerate(distinct)}
    found = np.zeros((len(distinct) + 1, width), dtype=np.float32)  # the last is of nothing
    for part in _batches([len(row) for row in distinct], budget):
        found[part] = read(distinct[part])
        progress("embedding", part.stop, len(distinct))
    return found[[place.get(tuple(row), len(distinct)) for row in rows]]


def _batches(lengths: Sequence[int], budget: int) -> Iterator[slice]:
    """Slices of falling lengths that stay within the budget when padded to their longest."""
    start = 0
    while start < len(lengths):
        stop = min(start + max(1, budget // lengths[start]), len(lengths))
        yield slice(start, stop)
        start = stop


class WordEmbedder:
    """Reads no language: texts stand the nearer to each other the more words they share.

    A text is the sum of a random direction for each of its words, at length one. It needs no
    weights: for tests, a first look, and as a control, for what a model's vectors give beyond
    this, it has understood. `seed` draws other directions.
    """

    def __init__(self, seed: str = "", width: int = 64) -> None:
        self.name = f"words:{seed}" if seed else "words"
        self.width = width
        self.fingerprint = hashlib.sha256(f"words 1 {seed} {width}".encode()).hexdigest()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        split = [_words(text) for text in texts]
        known = {word: self._direction(word) for word in sorted({w for row in split for w in row})}
        found = np.zeros((len(texts), self.width), dtype=np.float32)
        for row, words in zip(found, split, strict=True):
            row += sum((known[word] for word in words), start=np.zeros_like(row))
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    def _direction(self, word: str) -> Vectors:
        drawn = hashlib.sha256(f"{self.fingerprint} {word}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(drawn[:8], "big"))
        return rng.standard_normal(self.width, dtype=np.float32)


def _words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
