"""Which items are most alike another: by what the catalogue says, and by who rated both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions

Items = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alike:
    """Likeness of items: the cosine of their raters in training, plus the share of their traits
    (genres, an author: every value of a column of texts) that both have. Between 0 and 2."""

    past: Interactions
    traits: sparse.csr_array  # [I, G], 1 for each trait of an item

    @classmethod
    def of(cls, past: Interactions, catalogue: Catalogue) -> Alike:
        """From training interactions and the catalogue's texts."""
        known: dict[tuple[str, str], int] = {}
        pairs = [(item, known.setdefault(trait, len(known))) for item, trait in _traits(catalogue)]
        rows, columns = (np.array([pair[n] for pair in pairs], np.int64) for n in (0, 1))
        traits = sparse.csr_array(
            (np.ones(len(rows), np.float64), (rows, columns)),
            shape=(past.n_items, max(len(known), 1)),
        )
        traits.data[:] = 1  # a genre that is named twice
        return cls(past, traits)

    def seeing(self, past: Interactions) -> Alike:
        """The same for other training interactions."""
        return replace(self, past=past)

    @cached_property
    def _raters(self) -> sparse.csr_array:
        """[I, U], each row of length 1."""
        by_item = self.past.matrix.T.tocsr().astype(np.float64)
        lengths = np.sqrt(np.maximum(np.diff(by_item.indptr), 1))
        return sparse.csr_array(sparse.diags_array(1 / lengths) @ by_item)

    def likeness(self, item: int, others: Items) -> Floats:
        """How much each of the others is alike the item, [N]."""
        cosine = self._raters[others] @ _row(self._raters, item)
        mine, theirs = _row(self.traits, item), self.traits[others]
        shared = theirs @ mine
        either = mine.sum() + theirs.sum(axis=1) - shared
        return np.asarray(cosine + shared / np.maximum(either, 1))

    def most(self, item: int, others: Items, n: int) -> Items:
        """The places of the `n` others that are most alike the item, the most alike last; of equals
        the later ones, the latest last."""
        order = np.argsort(self.likeness(item, others).round(9), kind="stable")
        return order[len(order) - min(n, len(order)) :]

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.past.fingerprint.encode())
        digest.update(self.traits.indptr.tobytes() + self.traits.indices.tobytes())
        return digest.hexdigest()


def _row(matrix: sparse.csr_array, item: int) -> Floats:
    return np.asarray(matrix[[item]].toarray()).ravel()


def _traits(catalogue: Catalogue) -> Iterator[tuple[int, tuple[str, str]]]:
    """Items and what is said of them: the column, and one of its texts."""
    for name, values in zip(catalogue.items.columns, catalogue.items, strict=True):
        if values.dtype == pl.List(pl.String) or values.dtype == pl.String:
            for item, said in enumerate(values.to_list()):
                for text in [said] if isinstance(said, str) else said or ():
                    if text:
                        yield item, (name, text)
