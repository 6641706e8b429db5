"""NFM: He and Chua, "Neural Factorization Machines for Sparse Predictive Analytics", SIGIR 2017,
https://arxiv.org/abs/1708.05027.

The pairs of fields are multiplied place by place and summed up to one vector; a deep network reads
it, so that it learns from pairs at once, and need not find them itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig, deep, pairs
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class NFMConfig(FeatureConfig):
    """The paper's settings (section 4.1), its dropout from the command in the authors' code; they
    train by Adagrad, and know no decay."""

    width: PositiveInt = 64
    """Size of a field's embedding."""
    decay: float = Field(default=0.0, ge=0)
    """Weight of half the squared norm of what a row looks up."""
    hidden: tuple[PositiveInt, ...] = Field(default=(64,), min_length=1)
    """Sizes of the deep network's layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """On the pairs' sum."""
    hidden_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Behind each layer."""
    normal: bool = True
    """Batch normalisation of the pairs' sum and of each layer."""


class NFM(FeatureBackbone):
    """NFM: He and Chua, SIGIR 2017. A deep network over the sum of the pairs' products."""

    Config: ClassVar[type[BackboneConfig]] = NFMConfig
    published: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-3,
        "batch_size": 4096,
        "every": 1,
    }
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-3,
        "batch_size": 1024,
        "every": 1,
        "patience": 5,
    }
    quick_config: ClassVar[Mapping[str, Any]] = {
        "width": 16,
        "decay": 0.1,
        "hidden": (64,),
        "dropout": 0.5,
        "hidden_dropout": 0.5,
        "normal": False,
    }

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        self.normal = nn.BatchNorm1d(config.width) if config.normal else nn.Identity()
        self.dropout = Dropout(config.dropout)
        sizes = (config.width, *config.hidden)
        self.deep = deep(sizes, config.hidden_dropout, normal=config.normal)
        self.out = nn.Linear(config.hidden[-1], 1, bias=False)

    def interact(self, fields: Tensor) -> Tensor:
        """f(x) of section 3.1; the mean stands for w_0."""
        return self.out(self.deep(self.dropout(self.normal(pairs(fields)))))[:, 0]
