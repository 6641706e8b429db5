"""MMSSL: Wei et al., "Multi-Modal Self-Supervised Learning for Recommendation", WWW 2023,
https://arxiv.org/abs/2302.10632.

Each modality says by itself which items a user is near to; a judge learns to tell these relations
from the observed ones, and the modalities learn to pass for observed. Along them travel the ids'
embeddings, which attention joins, and which should be alike for a user and unlike for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from tandemrec.backbones.base import BackboneConfig, ContentBackbone
from tandemrec.backbones.graphs import across, degrees, mean_over_steps, normalised, one_way
from tandemrec.backbones.judging import Judge, judged_rows, softened
from tandemrec.backbones.losses import bpr, gathered, half_squares, margins
from tandemrec.backbones.scoring import blocks, height, reading
from tandemrec.backbones.transformers import Dropout
from tandemrec.data import batches
from tandemrec.data.batches import Columns, Triples
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError


class MMSSLConfig(BackboneConfig):
    """The settings of the authors' code, where no other reason is given."""

    width: PositiveInt = 64
    """Size of an embedding, and of what each modality is projected to; a multiple of `heads`."""
    layers: PositiveInt = 2
    """How many steps an embedding travels on the observed graph."""
    heads: PositiveInt = 4
    """Of the attention between modalities."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Which share of the projected content is left out in training."""
    related: PositiveInt = 10
    """How many items a modality relates a user to: those of the highest cosine, found anew each
    epoch. The authors' share of .0001 of the items is less than one of a small catalogue."""
    view: NonNegativeFloat = 0.36
    """Weight of what travelled along the modalities' relations in an embedding: eta."""
    content: NonNegativeFloat = 0.55
    """Weight of the content itself in it: omega."""
    contrast: NonNegativeFloat = 0.03
    """Weight of the contrast between a user and others."""
    contrasted: PositiveInt = 1024
    """At most so many users of a batch are contrasted, as the authors' batches hold; this bounds
    memory and time, which grow with its square."""
    temperature: PositiveFloat = 0.5
    """Divides the contrast's cosines."""
    adversary: NonNegativeFloat = 0.01
    """Weight of passing for observed; 0 goes without a judge. The authors' .0001 is of a judge
    whose verdict is a hundred times larger."""
    penalty: NonNegativeFloat = 0.3
    """Weight of the judge's gradient penalty."""
    judged: PositiveInt = 128
    """At most so many users of a batch are judged, which bounds memory: rows of all items."""
    judge_width: PositiveInt = 256
    """At most so wide is the judge's first layer, of a quarter of the items (the second is half of
    it); without it, 70,000 items would need a billion weights."""
    judge_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Which share of the judge's signals is left out in training."""
    sharpness: PositiveFloat = 0.005
    """Divides an observed row and its Gumbel noise before the softmax."""
    noise: NonNegativeFloat = 1e-5
    """Weight of that noise."""
    guidance: NonNegativeFloat = 100.0
    """Weight of the embeddings' own cosines in an observed row: zeta."""
    decay: NonNegativeFloat = 1e-5
    """Weight of the L2 penalty on the ids' embeddings of a batch, per triple."""


class Judged(NamedTuple):
    """Triples, the users that are contrasted, and what a judge is to tell apart from the
    modalities' relations of some of them."""

    users: Tensor  # [B]
    liked: Tensor  # [B]
    other: Tensor  # [B]
    contrasted: Tensor  # [C], different users of the batch
    seen: Tensor  # [J], likewise
    observed: Tensor  # [J, I], what they met, softened; none without a judge
    mix: Tensor  # [M J, 1], between 0 and 1: where the gradient penalty is taken


class Found(NamedTuple):
    """All that one pass gives."""

    users: Tensor  # [U, D], final
    items: Tensor  # [I, D], final
    joined: Tensor  # [U, D], the ids' embeddings and what travelled along relations
    views: Tensor  # [M, U, D], what travelled along each modality's
    content: list[tuple[Tensor, Tensor]]  # M times [U, D] and [I, D]


class MMSSL(ContentBackbone):
    """MMSSL: Wei et al., WWW 2023. Relations by modality, judged, joined by attention, contrasted.

    It differs from the paper where one loss and bounded memory ask for it. One Adam steps both
    players: the judge's loss sees relations as constants, the modalities' sees the judge as one,
    so neither has a gradient of the other's. A judge sees rows of some users of the batch only, and
    its normalisation is by layer and not by batch, since the gradient penalty is of each row's own
    gradient (Gulrajani et al., NeurIPS 2017, section 4). Relations are found once an epoch.
    """

    Config: ClassVar[type[BackboneConfig]] = MMSSLConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 5.5e-4, "batch_size": 1024}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "batch_size": 4096}

    def __init__(self, config: MMSSLConfig, train: Interactions, content: Content) -> None:
        super().__init__(config, train, content)
        if config.width % config.heads:
            raise ConfigError(
                f"MMSSL's width must be a multiple of its heads. Received: width={config.width}, "
                f"heads={config.heads}."
            )
        self.mmssl, self.sizes = config, [train.n_users, train.n_items]
        self.users, self.items = (nn.Embedding(size, config.width) for size in self.sizes)
        widths = content.widths.values()
        self.projections = nn.ModuleList(nn.Linear(width, config.width) for width in widths)
        self.join = Join(config.width, config.heads)
        for table in (self.users, self.items, *self.projections):
            nn.init.xavier_uniform_(table.weight)
        self.dropout = Dropout(config.dropout)
        width = min(config.judge_width, max(train.n_items // 4, 8))
        self.judge = Judge(train.n_items, width, config.judge_dropout) if config.adversary else None
        self._graphs(train)
        shape = len(widths), train.n_users, min(config.related, train.n_items)
        self.relations: Tensor
        self.register_buffer("relations", torch.zeros(shape, dtype=torch.long))
        self.relate()

    def _graphs(self, train: Interactions) -> None:
        """Observed interactions: symmetric for ids; one way each for content, over the root of how
        many a node hears (section 3.1)."""
        to_users, to_items = one_way(train.matrix)
        user_degrees, item_degrees = degrees(train.matrix)
        tables = {"graph": normalised(train.matrix), "to_users": to_users, "to_items": to_items}
        tables |= {"user_roots": user_degrees.sqrt(), "item_roots": item_degrees.sqrt()}
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    graph: Tensor
    to_users: Tensor
    to_items: Tensor
    user_roots: Tensor
    item_roots: Tensor

    def batches(  # type: ignore[override]
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Judged]:
        """Triples, with what the judge sees; the modalities' relations are found anew before."""
        self.relate()
        judged, noise = self.mmssl.judged if self.judge else 0, self.mmssl.noise
        for triples in batches.triples(train, size, rng, extra):
            different = rng.permutation(np.unique(triples.users.numpy()))
            contrasted, seen = different[: self.mmssl.contrasted], different[:judged]
            observed = softened(train, seen, rng, noise, self.mmssl.sharpness)
            mix = rng.random((len(self.projections) * len(seen), 1), dtype=np.float32)
            yield Judged(*triples, *map(torch.from_numpy, (contrasted, seen, observed, mix)))

    def relate(self) -> None:
        """Find each modality's relations: a user's items of the highest cosine (section 3.1)."""
        n_users, n_items = self.sizes
        everybody = np.arange(n_users)
        with reading(self):
            for number in range(len(self.projections)):
                users, items = (normalize(side, dim=1) for side in self.content_of(number))
                for rows in blocks(everybody, height(1024, n_items)):
                    near = users[rows] @ items.T
                    self.relations[number, rows] = near.topk(self.relations.shape[2]).indices

    def content_of(self, modality: int) -> tuple[Tensor, Tensor]:
        """The modality's content where it arrives: users hear items, and items users, [U, D] and
        [I, D]."""
        content = self.dropout(self.projections[modality](self.modalities[modality]))
        users = across(self.to_users, self.to_items, content) / self.user_roots
        return users, across(self.to_items, self.to_users, users) / self.item_roots

    def views_of(self, modality: int) -> tuple[Tensor, Tensor]:
        """The ids' embeddings that travel along a modality's relations, [U, D] and [I, D], each
        sum over the root of how many are in it."""
        related, n_items = self.relations[modality], self.sizes[1]
        roots = self.items.weight.new_full(related.shape, related.shape[1] ** -0.5)
        to, ends = related.flatten(), torch.bincount(related.flatten(), minlength=n_items)
        sent = self.users.weight.repeat_interleave(related.shape[1], dim=0)  # [U K, D]
        heard = sent.new_zeros(n_items, sent.shape[1]).index_add(0, to, sent)
        return gathered(self.items.weight, related, roots), heard / ends.clamp(1).sqrt()[:, None]

    def found(self) -> Found:
        """Sections 3.1 and 3.2, then the ids' embeddings over the observed graph, and the content
        of length 1."""
        content = [self.content_of(number) for number in range(len(self.projections))]
        views = [self.views_of(number) for number in range(len(self.projections))]
        by_user, by_item = (torch.stack(side) for side in zip(*views, strict=True))
        joined = self.users.weight + self.mmssl.view * normalize(self.join(by_user), dim=1)
        items = self.items.weight + self.mmssl.view * normalize(self.join(by_item), dim=1)
        final = mean_over_steps(self.graph, torch.cat([joined, items]), self.mmssl.layers)
        for side in content:
            final = final + self.mmssl.content * torch.cat([normalize(s, dim=1) for s in side])
        users, items = final.split(self.sizes)
        return Found(users, items, joined, by_user, content)

    def embed(self) -> tuple[Tensor, Tensor]:
        found = self.found()
        return found.users, found.items

    def loss(self, batch: Judged) -> Tensor:  # type: ignore[override]
        """BPR, the contrast, both sides of the adversary, and the penalty (section 3.3)."""
        found, triples = self.found(), Triples(batch.users, batch.liked, batch.other)
        loss = bpr(margins(found.users, found.items, triples))
        loss = loss + self.mmssl.contrast * self.contrast(found, batch.contrasted)
        if self.judge is not None:
            made, observed = self.rows(found, batch)
            loss = loss + self.judge.loss(made, observed, batch.mix, self.mmssl.penalty)
            loss = loss + self.mmssl.adversary * self.judge.fooled(made)
        size, pair = len(batch.users), torch.cat([batch.liked, batch.other])
        norms = half_squares(self.users.weight, batch.users, size)
        return loss + self.mmssl.decay * (norms + half_squares(self.items.weight, pair, size))

    def rows(self, found: Found, batch: Judged) -> tuple[Tensor, Tensor]:
        """The judged users' relations by each modality [M J, I], and what stands for the observed
        ones [J, I]."""
        made = [judged_rows(users[batch.seen], items) for users, items in found.content]
        with torch.no_grad():
            own = judged_rows(found.users[batch.seen], found.items)
            observed = normalize(batch.observed.to(own.dtype) + self.mmssl.guidance * own, dim=1)
        return torch.cat(made), observed

    def contrast(self, found: Found, users: Tensor) -> Tensor:
        """-log of how a user's view in a modality stands out as near to himself, among all of these
        different users and their views; the mean over these, added over modalities (section
        3.2)."""
        own = normalize(found.joined[users], dim=1)  # [C, D]
        places = torch.arange(len(users), device=users.device)
        losses = []
        for table in found.views:
            view = normalize(table[users], dim=1)  # [C, D]
            others = (view @ view.T).fill_diagonal_(-torch.inf)
            near = torch.cat([view @ own.T, others], dim=1) / self.mmssl.temperature
            losses.append(cross_entropy(near, places))
        return torch.stack(losses).sum()


class Join(nn.Module):
    """Attention of each modality's view on all of them, then the mean (section 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.asks, self.holds = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.mix = nn.Linear(heads * width, width, bias=False)
        for linear in (self.asks, self.holds, self.mix):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, views: Tensor) -> Tensor:
        """[M, N, D] -> [N, D]. A head sees whole views, so heads are mixed back to D, as in the
        authors' code."""
        asks, holds = (
            linear(views).unflatten(2, (self.heads, -1)) for linear in (self.asks, self.holds)
        )  # [M, N, H, D / H]
        near = torch.einsum("mnhd,knhd->mknh", asks, holds) / asks.shape[3] ** 0.5
        seen = torch.einsum("knh,knd->nhd", near.softmax(1).mean(0), views)  # the mean over m
        mixed: Tensor = self.mix(seen.flatten(1))
        return mixed
