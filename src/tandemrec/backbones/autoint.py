"""AutoInt: Song, Shi, Xiao, Duan, Xu, Zhang and Tang, "AutoInt: Automatic Feature Interaction
Learning via Self-Attentive Neural Networks", CIKM 2019, https://arxiv.org/abs/1810.11921.

Each field looks at all fields, by several heads of attention, and takes up what goes with it; one
degree of interaction more a layer. With a deep network beside it, it is the paper's AutoInt+.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.features import FeatureBackbone, FeatureConfig, deep
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class AutoIntConfig(FeatureConfig):
    """The paper's settings (section 5.1), for clicks; it knows no decay."""

    width: PositiveInt = 16
    """Size of a field's embedding."""
    decay: float = Field(default=0.0, ge=0)
    """Weight of half the squared norm of what a row looks up."""
    layers: PositiveInt = 3
    """Interacting layers."""
    heads: PositiveInt = 2
    """Of each layer."""
    head_width: PositiveInt = 32
    """What one head gives for a field: d'."""
    scaled: bool = False
    """Divide what attention is made of by the root of `head_width`, as in the authors' code."""
    hidden: tuple[PositiveInt, ...] = ()
    """Sizes of the layers of a deep network beside it (AutoInt+); none without."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """On the embeddings, and behind each layer of the deep network."""


class AutoInt(FeatureBackbone):
    """AutoInt: Song et al., CIKM 2019. Self-attention over the fields; no first-order weights."""

    first_order = False
    Config: ClassVar[type[BackboneConfig]] = AutoIntConfig
    published: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-3,
        "batch_size": 1024,
        "every": 1,
    }
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 1e-3,
        "batch_size": 2048,
        "every": 1,
        "patience": 5,
    }
    quick_config: ClassVar[Mapping[str, Any]] = {  # AutoInt+
        "width": 32,
        "decay": 1e-2,
        "layers": 2,
        "head_width": 16,
        "scaled": True,
        "hidden": (256, 128),
    }

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        n, given = self.features.n_fields, config.heads * config.head_width
        sizes = (config.width, *(given for _ in range(config.layers - 1)))
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(_Interacting(size, config) for size in sizes)
        self.out = nn.Linear(n * given, 1, bias=False)
        self.deep = deep((n * config.width, *config.hidden), config.dropout)
        self.deep_out = nn.Linear(config.hidden[-1], 1, bias=False) if config.hidden else None

    def interact(self, fields: Tensor) -> Tensor:
        """Equations 5 to 9; the mean stands for the output's bias."""
        fields = signal = self.dropout(fields)
        for layer in self.layers:
            signal = layer(signal)
        found = self.out(signal.flatten(1))[:, 0]
        if self.deep_out is None:
            return found
        return found + self.deep_out(self.deep(fields.flatten(1)))[:, 0]


class _Interacting(nn.Module):
    """Equations 5 to 8: each head's attention over the fields, and what a field was, through a
    ReLU."""

    def __init__(self, width: int, config: AutoIntConfig) -> None:
        super().__init__()
        given = config.heads * config.head_width
        self.heads, self.scale = config.heads, config.head_width**-0.5 if config.scaled else 1.0
        self.parts = nn.Linear(width, 4 * given, bias=False)

    def forward(self, signal: Tensor) -> Tensor:
        """[B, F, D] -> [B, F, H D']."""
        *parts, stays = self.parts(signal).chunk(4, 2)
        asks, holds, gives = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # [B, H, F, D']
            for part in parts
        )
        # Of few fields, a softmax that does not go along the last dimension takes a quarter.
        alike = (holds @ asks.transpose(2, 3) * self.scale).softmax(2)  # [B, H, F, F]
        return ((alike.transpose(2, 3) @ gives).transpose(1, 2).flatten(2) + stays).relu()
