"""How these tests fit: settings, a class from elsewhere, a kill, what a fit must have in common."""

from typing import Any

import torch
from torch import nn

from tandemrec.backbones import Fitted
from tandemrec.data.batches import Triples
from tandemrec.data.interactions import Interactions
from tandemrec.progress import Progress
from tandemrec.training import TrainConfig


def config(**values: Any) -> TrainConfig:
    return TrainConfig(**{"epochs": 30, "batch_size": 64, "learning_rate": 0.02, **values})


class Noisy(nn.Module):
    """No base class of ours, dropout from torch's own generator."""

    def __init__(self, train: Interactions) -> None:
        super().__init__()
        self.users = nn.Embedding(train.n_users, 8)
        self.items = nn.Embedding(train.n_items, 8)
        self.dropout = nn.Dropout(0.3)

    def score(self, users: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.users(users)) @ self.items.weight.T

    def loss(self, batch: Triples) -> torch.Tensor:
        scores, rows = self.score(batch.users), torch.arange(len(batch.users))
        return nn.functional.softplus(scores[rows, batch.other] - scores[rows, batch.liked]).mean()


def weights(fitted: Fitted) -> list[torch.Tensor]:
    return list(fitted.model.state_dict().values())


def same(one: Fitted, two: Fitted) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


class Killed(Exception):
    pass


def killer(at: int) -> Progress:
    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        if done == at:
            raise Killed

    return progress


def noting(told: list[float]) -> Progress:
    """Keeps which epochs are told."""

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        told.append(done)

    return progress
