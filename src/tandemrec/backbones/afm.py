"""AFM: Xiao, Ye, He, Zhang, Wu and Chua, "Attentional Factorization Machines: Learning the Weight
of Feature Interactions via Attention Networks", IJCAI 2017, https://arxiv.org/abs/1708.04617.

A factorisation machine whose pairs of fields do not all count the same: a small network reads each
pair's product and says how much it counts in this row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class AFMConfig(FeatureConfig):
    """The paper's settings (section 4.1), the attention's from the command in the authors' code;
    they train by Adagrad, and their decay is that of the attention's weights."""

    width: PositiveInt = 256
    """Size of a field's embedding."""
    decay: float = Field(default=0.0, ge=0)
    """Weight of half the squared norm of what a row looks up."""
    attention: PositiveInt = 8
    """Size of the attention network's layer."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """On the weighted sum of the pairs."""


class AFM(FeatureBackbone):
    """AFM: Xiao et al., IJCAI 2017. A factorisation machine with attention over its pairs."""

    Config: ClassVar[type[BackboneConfig]] = AFMConfig
    published: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-3,
        "batch_size": 4096,
        "every": 1,
    }
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 2e-3,
        "batch_size": 1024,
        "every": 1,
        "patience": 5,
    }
    quick_config: ClassVar[Mapping[str, Any]] = {"width": 16, "decay": 1e-3, "attention": 32}

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        n = self.features.n_fields
        pairs = torch.triu_indices(n, n, 1)
        self.register_buffer("pairs", pairs, persistent=False)  # [2, P]
        self.attention = nn.Linear(config.width, config.attention)
        self.says = nn.Linear(config.attention, 1, bias=False)
        self.dropout = Dropout(config.dropout)
        self.out = nn.Linear(config.width, 1, bias=False)
        nn.init.ones_(self.out.weight)  # a plain factorisation machine

    def interact(self, fields: Tensor) -> Tensor:
        """Equations 4 to 6; the mean stands for w_0."""
        one, other = self.get_buffer("pairs")
        products = fields.index_select(1, one) * fields.index_select(1, other)  # [B, P, D]
        counts = self.says(self.attention(products).relu()).softmax(1)  # [B, P, 1]
        pooled = (counts.transpose(1, 2) @ products)[:, 0]
        return self.out(self.dropout(pooled))[:, 0]
