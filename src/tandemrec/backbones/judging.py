"""MMSSL's judge, which tells made relations from observed ones: a critic with gradient penalty
(Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import normalize

from tandemrec.backbones.transformers import Dropout
from tandemrec.data.interactions import Interactions


def softened(
    train: Interactions,
    users: NDArray[np.int64],
    rng: np.random.Generator,
    noise: float,
    sharpness: float,
) -> NDArray[np.float32]:
    """What users met as numbers between 0 and 1 that could have been learnt: the softmax of
    (A + noise * Gumbel) / sharpness over each row, [J, I]."""
    rows: NDArray[np.float32] = train.matrix[users].toarray()
    drawn = rng.random(rows.shape, dtype=np.float32)
    rows += np.float32(noise) * -np.log(-np.log(drawn + _TINY) + _TINY)
    heights = np.exp((rows - rows.max(1, initial=0, keepdims=True)) / np.float32(sharpness))
    shares: NDArray[np.float32] = heights / heights.sum(1, keepdims=True)
    return shares


_TINY = np.float32(1e-8)


def judged_rows(users: Tensor, items: Tensor) -> Tensor:
    """The cosine of each user to each item, every row of length 1: [J, D] and [I, D] -> [J, I]."""
    return normalize(normalize(users, dim=1) @ normalize(items, dim=1).T, dim=1)


class Judge(nn.Module):
    """Says of a user's row over all items whether it was observed, between 0 and 1."""

    def __init__(self, n_items: int, width: int, dropout: float) -> None:
        super().__init__()
        sizes = n_items, width, max(width // 2, 4)
        self.layers = nn.Sequential(
            *(Step(*pair, dropout) for pair in pairwise(sizes)),
            nn.Linear(sizes[-1], 1),
            nn.Sigmoid(),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """[R, I] -> [R]."""
        verdicts: Tensor = self.layers(rows)
        return verdicts.squeeze(1)

    def loss(self, made: Tensor, observed: Tensor, mix: Tensor, weight: float) -> Tensor:
        """The judge's own: the mean verdict on made rows [M J, I] less that on observed ones
        [J, I], and the penalty between each made row and its user's observed one. The rows are
        constants here."""
        made, observed = made.detach(), observed.detach()
        beside = observed.repeat(len(made) // max(len(observed), 1), 1)
        between = mix * beside + (1 - mix) * made
        return self(made).mean() - self(observed).mean() + weight * self.steepness(between)

    def steepness(self, rows: Tensor) -> Tensor:
        """How far the verdict's gradient at each row [R, I] is from length 1, squared; the mean."""
        with torch.enable_grad():
            rows = rows.detach().requires_grad_()
            (slopes,) = torch.autograd.grad(self(rows).sum(), rows, create_graph=True)
        return (torch.linalg.vector_norm(slopes, dim=1) - 1).square().mean()

    def fooled(self, made: Tensor) -> Tensor:
        """The makers' loss: less the mean verdict on their rows; the judge is a constant here."""
        fixed = {name: weight.detach() for name, weight in self.named_parameters()}
        verdicts: Tensor = functional_call(self, fixed, (made,))
        return -verdicts.mean()


class Step(nn.Module):
    """Drop(norm(LeakyReLU(W x + b)))."""

    def __init__(self, wide: int, narrow: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(wide, narrow), nn.LayerNorm(narrow)
        nn.init.kaiming_normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.dropout = Dropout(dropout)

    def forward(self, signal: Tensor) -> Tensor:
        """[R, wide] -> [R, narrow]."""
        dropped: Tensor = self.dropout(self.norm(nn.functional.leaky_relu(self.linear(signal))))
        return dropped
