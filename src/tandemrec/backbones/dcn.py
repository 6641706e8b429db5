"""DCN: Wang, Fu, Fu and Wang, "Deep & Cross Network for Ad Click Predictions", ADKDD 2017,
https://arxiv.org/abs/1708.05123.

Each cross layer multiplies what the layers before it found with the row itself, one degree more a
layer; a deep network reads the same row beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig, deep
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class DCNConfig(FeatureConfig):
    """The paper's best network (section 4.3), for clicks; its embeddings grow with the size of a
    field, and it knows no decay."""

    decay: float = Field(default=0.0, ge=0)
    """Weight of half the squared norm of what a row looks up."""
    layers: NonNegativeInt = 6
    """Cross layers."""
    hidden: tuple[PositiveInt, ...] = Field(default=(1024, 1024), min_length=1)
    """Sizes of the deep network's layers."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Behind each of them."""
    normal: bool = True
    """Batch normalisation of the deep network's layers."""


class DCN(FeatureBackbone):
    """DCN: Wang et al., ADKDD 2017. Cross layers beside a deep network; no first-order weights."""

    first_order = False
    Config: ClassVar[type[BackboneConfig]] = DCNConfig
    published: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-4,
        "batch_size": 512,
        "every": 1,
    }
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 5e-4,
        "batch_size": 512,
        "every": 1,
        "patience": 5,
    }
    quick_config: ClassVar[Mapping[str, Any]] = {
        "width": 8,
        "decay": 1e-3,
        "hidden": (64,),
        "dropout": 0.5,
        "layers": 3,
        "normal": True,
    }

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        size = self.features.n_fields * config.width
        self.weights = nn.Parameter(torch.randn(config.layers, size) * size**-0.5)
        self.biases = nn.Parameter(torch.zeros(config.layers, size))
        self.deep = deep((size, *config.hidden), config.dropout, normal=config.normal)
        self.out = nn.Linear(size + config.hidden[-1], 1, bias=False)

    def interact(self, fields: Tensor) -> Tensor:
        """Both networks together (section 2.4)."""
        row = fields.flatten(1)
        return self.out(torch.cat([self.cross(row), self.deep(row)], 1))[:, 0]

    def cross(self, row: Tensor) -> Tensor:
        """Equation 3: x_{l+1} = x_0 x_l^T w_l + b_l + x_l, [B, F D] -> [B, F D]."""
        found = row
        for weight, bias in zip(self.weights, self.biases, strict=True):
            found = row * (found @ weight)[:, None] + bias + found
        return found
