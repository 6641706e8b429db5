"""What was drawn and answered for each item: who will like it, and who will not.

DALLRec, its first strategy; asked for in `augment.interactions`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.augment.worth import most_decided
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError

Items = NDArray[np.int64]
YES, NO, UNREADABLE = 1, -1, 0
"How an answer was taken."


@dataclass(frozen=True, eq=False)
class Drawn:
    """Every question with its answer: rows by item, and within an item in the order of asking."""

    items: Items  # [N], rising
    users: Items  # [N]
    order: Items  # [N], from 0 within each item
    chances: NDArray[np.float64]  # [N], the probability of yes; NaN: unreadable
    labels: NDArray[np.int8]  # [N], YES, NO or UNREADABLE
    n_items: int
    "Items that were to be asked about."
    threshold: float
    rating: float
    "What a yes becomes in training: the median of the likes there."
    learn: str
    asked: int
    tokens: int | None = None
    "Of questions and answers; none where the model does not count them."

    @property
    def edges(self) -> tuple[Items, Items]:
        """Items and the first user of each who said yes, [E] and [E]."""
        rows = self._first(YES)
        return self.items[rows], self.users[rows]

    @property
    def pairs(self) -> tuple[Items, Items, Items]:
        """Items, who said yes and who said no; of those that have both, [P] each."""
        yes, no = self._first(YES), self._first(NO)
        items, one, two = np.intersect1d(self.items[yes], self.items[no], return_indices=True)
        return items, self.users[yes[one]], self.users[no[two]]

    @property
    def margins(self) -> NDArray[np.float64]:
        """Of each edge, by how much its probability is above the threshold, [E]."""
        return self.chances[self._first(YES)] - self.threshold

    @property
    def counts(self) -> dict[str, int]:
        """How many items found both, one or neither, or had nobody to be asked; they add up to
        `n_items`."""
        yes, no = (self.items[self._first(label)] for label in (YES, NO))
        both, tried = len(np.intersect1d(yes, no)), len(np.unique(self.items))
        found = {"both": both, "only yes": len(yes) - both, "only no": len(no) - both}
        neither = tried - sum(found.values())
        return {**found, "neither": neither, "nobody to ask": self.n_items - tried}

    @property
    def without(self) -> dict[str, int]:
        """How many items are without a yes, without a no, and without one of them."""
        n = self.counts
        neither = n["neither"] + n["nobody to ask"]
        yes, no = n["only no"] + neither, n["only yes"] + neither
        return {"yes": yes, "no": no, "pair": self.n_items - n["both"]}

    @property
    def rejected(self) -> dict[str, int]:
        """How many answers could not be used, by reason."""
        n = int((self.labels == UNREADABLE).sum())
        return {"unreadable": n} if n else {}

    @property
    def saying_yes(self) -> float:
        """The share of yes among the answers; 0 where there are none."""
        read = self.labels != UNREADABLE
        return float((self.labels[read] == YES).mean()) if read.any() else 0.0

    def _first(self, label: int) -> Items:
        """The rows of each item's first such answer, rising."""
        rows = np.flatnonzero(self.labels == label)
        return rows[np.unique(self.items[rows], return_index=True)[1]]

    def most_decided(self, share: float) -> Drawn:
        """The answers about the share of items whose yes is the furthest above the threshold; only
        items with a yes teach anything, so the others are left out."""
        kept = self.edges[0][most_decided(self.margins, share)]
        rows = np.isin(self.items, kept)
        names = ("items", "users", "order", "chances", "labels")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def at_random(self, train: Interactions, seed: int) -> Drawn:
        """A control that needs no language model: the same items with the same answers, each of
        anybody who has training data and has not met the item; two users where there are two."""
        rows = np.sort(np.append(self._first(YES), self._first(NO)))
        items, rng = self.items[rows], np.random.default_rng([seed, 6])
        active, again = np.flatnonzero(train.counts), np.append(False, items[1:] == items[:-1])
        users = rng.choice(active, len(items))
        # It ends: those who were asked are two different ones who have not met the item.
        while (bad := train.met(users, items) | (again & (users == np.roll(users, 1)))).any():
            users[bad] = rng.choice(active, int(bad.sum()))
        kept = {name: getattr(self, name)[rows] for name in ("order", "chances", "labels")}
        return replace(self, items=items, users=users, **kept, asked=0, tokens=None)

    def lessons(self, train: Interactions) -> dict[str, Any]:
        """What `fit` takes besides the training data; nothing where nothing was found.

        Edges join what a backbone learns from, and not what a user has met: the item can still be
        recommended to him.
        """
        found: dict[str, Any] = {}
        if self.learn != "triples" and len(self.edges[0]):
            found["augmented"] = self.into(train)
        items, liking, other = self.pairs
        fresh = ~train.met(other, items)  # validation may have shown that he did
        if self.learn != "edges" and fresh.any():
            found["between_users"] = items[fresh], liking[fresh], other[fresh]
        return found

    def into(self, train: Interactions) -> Interactions:
        """The training interactions with the edges among them, each behind its user's last one and
        with the time of that; not those that are there already, or of users without any. Further
        columns are left out, since nothing is known of them."""
        items, users = self.edges
        fresh = (train.counts[users] > 0) & ~train.met(users, items)
        items, users = items[fresh], users[fresh]
        ends = train.bounds[users + 1]
        return Interactions(
            np.insert(train.users, ends, users),
            np.insert(train.items, ends, items),
            np.insert(train.ratings, ends, np.float32(self.rating)),
            np.insert(train.times, ends, train.times[ends - 1]),
            train.n_users,
            train.n_items,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Of the answers: how much a model read for them does not count."""
        parts = (self.items, self.users, self.order, self.chances, self.labels)
        numbers = (self.n_items, self.threshold, self.rating, self.learn, self.asked)
        return sha256(b"".join(p.tobytes() for p in parts) + repr(numbers).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        note = {name: getattr(self, name) for name in _NOTE}
        (folder / "drawn.json").write_text(json.dumps(note))
        np.savez_compressed(
            folder / "drawn.npz",
            items=self.items,
            users=self.users,
            order=self.order,
            chances=self.chances,
            labels=self.labels,
        )

    @classmethod
    def load(cls, folder: Path) -> Drawn:
        note = json.loads((folder / "drawn.json").read_text())
        with np.load(folder / "drawn.npz", allow_pickle=False) as file:
            return cls(**{name: file[name] for name in file.files}, **note)


_NOTE = ("n_items", "threshold", "rating", "learn", "asked", "tokens")


def draw_users(train: Interactions, among: Items, items: Items, draws: int, seed: int) -> Items:
    """For each item different users among these who have not met it, in the order in which they are
    asked, [I, D]; -1 where nobody is left.

    Each item has a generator of its own, and more draws go on where fewer end: neither other items
    nor the bound change whom an item is asked about.
    """
    if not len(among):
        raise DataError(
            "no user's taste is known in training: there is no like and no dislike to tell.",
            column="rating",
            remedy="Give ratings, or leave out the strategy 'interactions'.",
        )
    place = np.full(train.n_users, -1)
    place[among] = np.arange(len(among))
    of_known = train.rows(place[train.users] >= 0)
    turned = Interactions.sorted(
        of_known.items, place[of_known.users], n_users=train.n_items, n_items=len(among)
    )
    drawn = np.full((len(items), draws), -1)
    for row, (item, left) in enumerate(zip(items, turned.unmet.counts(items), strict=True)):
        numbers = _different(int(left), draws, np.random.default_rng([seed, int(item), 0]))
        drawn[row, : len(numbers)] = numbers
    there = drawn >= 0
    owners = np.broadcast_to(items[:, None], drawn.shape)[there]
    drawn[there] = among[turned.unmet.numbered(owners, drawn[there])]
    return drawn


def _different(n: int, k: int, rng: np.random.Generator) -> list[int]:
    """The first k of a random order of range(n): Fisher and Yates's shuffle, told only where it
    moved something."""
    k, moved, found = min(n, k), dict[int, int](), []
    for place, other in enumerate(rng.integers(np.arange(k), n).tolist()):
        found.append(moved.get(other, other))
        moved[other] = moved.get(place, place)
    return found
