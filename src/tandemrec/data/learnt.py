"""What a backbone learns from in each epoch: what was met, and what was said besides."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from tandemrec.data.batches import Columns, stated, stated_between
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError


class Learnt(NamedTuple):
    """Interactions, and statements that each are learnt once an epoch."""

    interactions: Interactions
    triples: Columns | None  # users, preferred, other
    pairs: Columns | None  # items, liking, other

    @classmethod
    def of(
        cls,
        train: Interactions,
        augmented: Interactions | None,
        triples: Columns | None,
        pairs: Columns | None,
    ) -> Learnt:
        """The augmented interactions in place of the training ones, where there are such. Raises
        DataError for anything outside the training data's users and items."""
        refuse_other_sizes(train, augmented, "Augmented")
        return cls(
            train if augmented is None else augmented,
            None if triples is None else stated(triples, train),
            None if pairs is None else stated_between(pairs, train),
        )

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.interactions.fingerprint.encode())
        for name, columns in (("triples", self.triples), ("pairs", self.pairs)):
            if columns is not None:
                digest.update(name.encode() + np.stack(columns).tobytes())
        return digest.hexdigest()


def refuse_other_sizes(train: Interactions, other: Interactions | None, whose: str) -> None:
    """Raises DataError for interactions of other users or items than the training ones."""
    sizes = train.n_users, train.n_items
    if other is not None and (other.n_users, other.n_items) != sizes:
        raise DataError(
            f"{whose} interactions must be of the same users and items as the training ones, "
            f"{sizes[0]} and {sizes[1]}. Received: {other.n_users} and {other.n_items}."
        )
