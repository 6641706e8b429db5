"""NeuMF: He, Liao, Zhang, Nie, Hu and Chua, "Neural Collaborative Filtering", WWW 2017,
https://arxiv.org/abs/1708.05031.

Two towers read a user and an item, each with embeddings of its own: one multiplies them place by
place (GMF), the other is a deep network over both (MLP). One linear layer fuses what they say.
DALLRec's table calls it NMF.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig, DirectBackbone
from tandemrec.backbones.losses import bpr, half_squares
from tandemrec.data import batches
from tandemrec.data.batches import BetweenUsers, Columns
from tandemrec.data.interactions import Interactions

PIECE = 2**13
"Pairs that the deep network scores at a time: their layers stay in the cache."


class NeuMFConfig(BackboneConfig):
    """The paper's settings (section 4.1): a tower of three layers, each half the one before. The
    width is DALLRec's."""

    width: PositiveInt = 64
    """Size of an embedding, of which everybody has one in each tower."""
    hidden: tuple[PositiveInt, ...] = Field(default=(64, 32, 16), min_length=1)
    """Sizes of the deep network's layers."""
    negatives: PositiveInt = 4
    """How many unmet items are learnt beside each met one."""
    decay: NonNegativeFloat = 0.0
    """Weight of the L2 penalty on the embeddings of a batch; the paper has none."""
    spread: PositiveFloat = 0.01
    """Standard deviation of the first embeddings."""


class Answers(NamedTuple):
    """Pairs, and whether they are to be predicted."""

    users: Tensor  # [B]
    items: Tensor  # [B]
    liked: Tensor  # [B], bool


class NeuMF(DirectBackbone):
    """NeuMF: He et al., WWW 2017. Products of embeddings and a deep network, fused."""

    Config: ClassVar[type[BackboneConfig]] = NeuMFConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 256, "every": 1}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "batch_size": 8192, "every": 1}

    def __init__(self, config: NeuMFConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.width, self.negatives, self.decay = config.width, config.negatives, config.decay
        # GMF's embeddings and then MLP's, side by side: one lookup reads both
        self.users = nn.Embedding(train.n_users, 2 * config.width)
        self.items = nn.Embedding(train.n_items, 2 * config.width)
        self.first = nn.Linear(2 * config.width, config.hidden[0])
        further = [nn.Linear(*sizes) for sizes in pairwise(config.hidden)]
        self.deep = nn.Sequential(nn.ReLU(), *chain(*((layer, nn.ReLU()) for layer in further)))
        self.fuse = nn.Linear(config.width + config.hidden[-1], 1)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=config.spread)
        for layer in (self.first, *further, self.fuse):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def batches(  # type: ignore[override]
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Answers]:
        """Every interaction once, and for each `negatives` fresh items that its user has not met;
        `size` counts both. Of a stated preference, one item is liked and the other is not, once
        each. Rows of a user who met every item are left out."""
        users, items, liked = _known(train, extra)
        met = int((train.unmet.counts(train.users) > 0).sum())
        for rows in batches.shuffled(len(users) + self.negatives * met, size, rng):
            fresh = rows >= len(users)
            of = np.where(fresh, (rows - len(users)) // self.negatives, rows)
            user, item = users[of], items[of]
            item[fresh] = train.unmet.draw(user[fresh], rng)
            yield Answers(*map(torch.from_numpy, (user, item, liked[of] & ~fresh)))

    def loss(self, batch: Answers) -> Tensor:  # type: ignore[override]
        """The log loss (equation 7), its mean over the batch."""
        found = self.answer(batch.users, batch.items)
        loss = nn.functional.softplus(torch.where(batch.liked, -found, found)).mean()
        if not self.decay:
            return loss
        pairs = (self.users.weight, batch.users), (self.items.weight, batch.items)
        return loss + self.decay * sum(half_squares(*pair, len(found)) for pair in pairs)

    def between_users(self, batch: BetweenUsers) -> Tensor:
        """BPR between the two users of an item, by the pairs' answers."""
        liking = self.answer(batch.liking, batch.items)
        return bpr(liking - self.answer(batch.other, batch.items))

    def answer(self, users: Tensor, items: Tensor) -> Tensor:
        """What each pair is said to be, [B] and [B] -> [B]; the probability is its sigmoid
        (equations 8, 10 and 12)."""
        of_user, of_item = self.first.weight.split(self.width, dim=1)  # [H, D] each
        one = _looked_up(self.users.weight, of_user, users)
        two = _looked_up(self.items.weight, of_item, items)
        gmf, mlp = self._fused
        deep = self.deep(one[1] + two[1] + self.first.bias)
        return (one[0] * two[0]) @ gmf + deep @ mlp + self.fuse.bias

    @property
    def _fused(self) -> tuple[Tensor, Tensor]:
        """What weights the last layer gives GMF [D] and MLP."""
        weights = self.fuse.weight[0]
        return weights[: self.width], weights[self.width :]

    def score(self, queries: Tensor) -> Tensor:
        """As `answer`, [B, I]. The deep network's first layer is linear, so its parts are computed
        once for each user and each item, and only their sums for each pair."""
        of_user, of_item = self.first.weight.split(self.width, dim=1)
        users, one = _apart(self.users.weight[queries], of_user)
        items, two = _apart(self.items.weight, of_item)
        gmf, mlp = self._fused
        pieces, two = one.split(max(1, PIECE // len(items))), two + self.first.bias
        deep = [
            torch.cat([self.deep(a[:, None] + b) @ mlp for b in two.split(PIECE)], dim=1)
            for a in pieces
        ]
        return (users * gmf) @ items.T + torch.cat(deep) + self.fuse.bias

    def user_embeddings(self) -> Tensor:
        """The user's embeddings of both towers, side by side: [U, 2 D]."""
        return self.users.weight


def _apart(table: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [N, 2 D] as GMF's embeddings [N, D], and what MLP's first layer [H, D] makes of its
    own, [N, H]."""
    gmf, mlp = table.split(first.shape[1], dim=1)
    return gmf, mlp @ first.T


def _looked_up(table: Tensor, first: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """`_apart` of some rows [B]; the product comes first where a table is smaller than a batch."""
    if len(table) > len(rows):
        return _apart(table.index_select(0, rows), first)
    gmf, mlp = _apart(table, first)
    return gmf.index_select(0, rows), mlp.index_select(0, rows)


def _known(
    train: Interactions, extra: Columns | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """The pairs that need no drawing, and whether they are liked: the interactions of users who
    have an unmet item, then what stated preferences say."""
    usable = train.unmet.counts(train.users) > 0
    users, items = train.users[usable], train.items[usable]
    if extra is None:
        return users, items, np.ones(len(users), dtype=bool)
    who, preferred, other = extra
    liked = np.arange(len(users) + 2 * len(who)) < len(users) + len(who)
    return np.concatenate([users, who, who]), np.concatenate([items, preferred, other]), liked
