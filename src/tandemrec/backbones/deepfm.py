"""DeepFM: Guo, Tang, Ye, Li and He, "DeepFM: A Factorization-Machine based Neural Network for CTR
Prediction", IJCAI 2017, https://arxiv.org/abs/1703.04247.

A factorisation machine and a deep network read the same embeddings and are added up: one learns how
pairs of fields go together, the other how all of them do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig, deep, pairs
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class DeepFMConfig(FeatureConfig):
    """The paper's settings (section 3.1), for clicks; it names none for ratings."""

    hidden: tuple[PositiveInt, ...] = Field(default=(400, 400, 400), min_length=1)
    """Sizes of the deep network's layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Behind each of them."""


class DeepFM(FeatureBackbone):
    """DeepFM: Guo et al., IJCAI 2017. Pairs of fields and a deep network, added up."""

    Config: ClassVar[type[BackboneConfig]] = DeepFMConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "every": 1}
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 2e-3,
        "batch_size": 1024,
        "every": 1,
        "patience": 5,
    }
    quick_config: ClassVar[Mapping[str, Any]] = {
        "width": 32,
        "decay": 1e-3,
        "hidden": (128, 64),
        "dropout": 0.5,
    }

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        first = self.features.n_fields * config.width
        self.deep = deep((first, *config.hidden), config.dropout)
        self.out = nn.Linear(config.hidden[-1], 1)

    def interact(self, fields: Tensor) -> Tensor:
        """Equations 2 and 3: the sum of the pairs' inner products, and the deep network."""
        return pairs(fields).sum(1) + self.out(self.deep(fields.flatten(1)))[:, 0]
