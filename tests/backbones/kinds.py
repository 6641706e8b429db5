"""The backbones by kind, and what each needs to learn a small world."""

from dataclasses import replace
from typing import Any

import numpy as np

from tandemrec.backbones import (
    BACKBONES,
    ContentBackbone,
    DirectBackbone,
    RatingBackbone,
    SequentialBackbone,
)
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions
from tandemrec.training import TrainConfig

DIRECT = [name for name, backbone in BACKBONES.items() if issubclass(backbone, DirectBackbone)]
SEQUENTIAL = [name for name, one in BACKBONES.items() if issubclass(one, SequentialBackbone)]
RATING = [name for name, one in BACKBONES.items() if issubclass(one, RatingBackbone)]
CONTENT = [name for name, one in BACKBONES.items() if issubclass(one, ContentBackbone)]
CALM = {"dropout": 0.0, "heads": 1, "length": 8}
LITTLE = {
    **{"hidden": (8,), "cross": (4, 4), "layers": 2, "head_width": 4, "attention": 4},
    **{"dropout": 0.0, "hidden_dropout": 0.0, "decay": 1e-3},
}
"Of networks over fields, those that one of them has."
STILL = {"dropout": 0.0, "judge_dropout": 0.0, "heads": 1}
"Of direct ones, likewise."
FAST = TrainConfig(epochs=60, batch_size=32, learning_rate=0.01)


def small(name: str, width: int, **others: Any) -> dict[str, Any]:
    """Settings for a small world, without chance in the forward pass."""
    if name not in SEQUENTIAL:
        known, common = BACKBONES[name].Config.model_fields, LITTLE if name in RATING else STILL
        others = {key: value for key, value in (common | others).items() if key in known}
    return {"width": width} | (CALM if name in SEQUENTIAL else others)


def reads(name: str, world: Interactions, seed: int = 0) -> dict[str, Any]:
    """What a backbone reads besides: a modality that tells items apart by number modulo 4, under
    noise, and one that says nothing."""
    rng, n = np.random.default_rng(seed), world.n_items
    title = rng.normal(size=(n, 5)) + 2 * (np.arange(n)[:, None] % 4 == np.arange(5))
    arrays = {"a title": title, "image": rng.normal(size=(n, 3))}
    return {"content": Content.of(arrays)} if name in CONTENT else {}


def rated(world: Interactions) -> Interactions:
    """The same with ratings of 1 to 5."""
    return replace(world, ratings=(1 + (3 * world.users + world.items) % 5).astype(np.float32))
