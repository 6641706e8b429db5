"""xDeepFM: Lian, Zhou, Zhang, Chen, Xie and Sun, "xDeepFM: Combining Explicit and Implicit Feature
Interactions for Recommender Systems", KDD 2018, https://arxiv.org/abs/1803.05170.

A compressed interaction network multiplies whole embeddings of fields, one degree more a layer, and
keeps weighted sums of the products; a deep network and a linear regression stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig, deep
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class XDeepFMConfig(FeatureConfig):
    """The paper's settings for Criteo (section 4.1), for clicks."""

    cross: tuple[PositiveInt, ...] = Field(default=(200, 200, 200), min_length=1)
    """Feature maps of each layer of the compressed interaction network."""
    split_half: bool = False
    """Half the maps of a layer go to the output and half to the next layer, as in the authors'
    code; else all do both, as in the paper."""
    hidden: tuple[PositiveInt, ...] = Field(default=(400, 400), min_length=1)
    """Sizes of the deep network's layers."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Behind each of them."""


class XDeepFM(FeatureBackbone):
    """xDeepFM: Lian et al., KDD 2018. Products of fields' vectors, a deep network, and a line."""

    Config: ClassVar[type[BackboneConfig]] = XDeepFMConfig
    published: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-3,
        "batch_size": 4096,
        "every": 1,
    }
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 5e-4,
        "batch_size": 256,
        "every": 1,
        "patience": 5,
    }
    quick_config: ClassVar[Mapping[str, Any]] = {
        "width": 32,
        "decay": 0.03,
        "cross": (32, 32),
        "hidden": (256, 128),
        "dropout": 0.2,
    }

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        n = self.features.n_fields
        self.kept = [self._onward(n_maps) for n_maps in config.cross[:-1]]
        wide = (n, *self.kept)
        self.cross = nn.ModuleList(
            nn.Linear(before * n, after, bias=False)
            for before, after in zip(wide, config.cross, strict=True)
        )
        self.deep = deep((n * config.width, *config.hidden), config.dropout)
        said = sum(config.cross) - (sum(self.kept) if config.split_half else 0)
        self.out = nn.Linear(said + config.hidden[-1], 1, bias=False)

    def _onward(self, n_maps: int) -> int:
        """How many of a layer's maps the next one reads."""
        return (n_maps + 1) // 2 if self.config.split_half else n_maps

    def interact(self, fields: Tensor) -> Tensor:
        """Both networks together (section 3.3); the mean stands for the output's bias."""
        both = torch.cat([self.compress(fields), self.deep(fields.flatten(1))], 1)
        return self.out(both)[:, 0]

    def compress(self, fields: Tensor) -> Tensor:
        """Equation 6, and the maps' sums: [B, F, D] -> [B, H_1 + H_2 + ...]."""
        base, last = fields.transpose(1, 2), fields.transpose(1, 2)  # [B, D, F]
        found = []
        for layer, onward in zip(self.cross, (*self.kept, 0), strict=True):
            products = last[..., :, None] * base[..., None, :]  # [B, D, H, F]
            maps = layer(products.flatten(2))  # [B, D, H']
            last, said = maps[..., :onward], maps[..., onward if self.config.split_half else 0 :]
            found.append(said.sum(1))
        return torch.cat(found, 1)
