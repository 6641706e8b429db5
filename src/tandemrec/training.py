"""The one training loop: Adam, early stopping on validation only, checkpoint and exact resume."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones import Epoch, Fitted, RatingBackbone, build, get, training_of
from tandemrec.backbones.base import refuse_one_rating
from tandemrec.backbones.fitted import value_at, weights_hash
from tandemrec.backbones.scoring import measure_of
from tandemrec.checkpoint import Checkpoint
from tandemrec.config import Settings
from tandemrec.data import batches
from tandemrec.data.batches import Columns
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split
from tandemrec.errors import BackboneError, ConfigError
from tandemrec.progress import Progress, silent


class TrainConfig(Settings):
    """How a backbone learns; a backbone class publishes what its paper says otherwise."""

    epochs: PositiveInt = 1000
    """At most so many passes over the training data."""
    batch_size: PositiveInt = 1024
    """Triples, sequences or ratings in a step."""
    learning_rate: PositiveFloat = 1e-3
    """Adam's."""
    every: PositiveInt = 5
    """Epochs between two measurements on validation: NDCG@10, or RMSE where ratings are
    predicted."""
    patience: PositiveInt = 10
    """Stop after so many measurements without a new best."""
    checkpoint_every: PositiveInt = 25
    """Epochs between two checkpoints, where a checkpoint is asked for."""
    seed: int = 0
    """First weights, order, sampling, dropout. On a CPU, the same seed gives the same weights."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, ..."""


def fit(
    backbone: Any,
    data: Split | Interactions,
    config: TrainConfig | None = None,
    *,
    hyper: BaseModel | Mapping[str, Any] | None = None,
    fields: Fields | None = None,
    valid: Interactions | None = None,
    extra_triples: Columns | None = None,
    augmented: Interactions | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train a backbone; the result holds the weights of the epoch that is best on validation.

    `backbone`: a class (ours, or any with `loss` and `score`), its name, or a model, which is
    copied and left as it was. `data`: a split, whose test part is not touched, or training
    interactions. `config`: how to train; by default as the backbone publishes. `hyper`: the
    backbone's own settings, for a class. `fields`: what a rating backbone reads besides the user's
    and the item's number; by default all of a split's catalogue and context. `valid`: held-out
    interactions instead of the split's; with none at all, training runs through all epochs.
    `extra_triples`: (users, preferred, other), each [N], learnt once an epoch as they are
    (Llama4Rec, equation 2). `augmented`: the training interactions with more among them, learnt in
    their place; what a user met, and what validation starts from, stays as it was. `checkpoint`: a
    file; a fit that was killed goes on from it and ends with the same weights bit for bit (on a
    CPU), and a checkpoint of other inputs is replaced.
    `progress` is called after each epoch.

    Raises BackboneError if there is nothing to train or the loss is not finite, ConfigError for a
    wrong setting or device, DataError for triples outside the data, RunError for a checkpoint that
    cannot be read or written.
    """
    backbone = get(backbone) if isinstance(backbone, str) else backbone
    config = config or TrainConfig(**training_of(backbone))
    train = data.train if isinstance(data, Split) else data
    held_out = data.valid if valid is None and isinstance(data, Split) else valid
    extra = None if extra_triples is None else batches.stated(extra_triples, train)
    device = _device(config.device)
    if fields is None and isinstance(data, Split) and _is_rating(backbone):
        fields = Fields.of(train, data.catalogue)
    model = _model(backbone, train, hyper, fields, config.seed).to(device)
    refuse_one_rating(model, train)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        _seed(device, config.seed)
        loop = _Loop(model, train, held_out, extra, augmented, config, _adam(model, config))
        loop.run(checkpoint, progress or silent)
    model.load_state_dict(loop.best_weights)
    return Fitted(model.eval(), train, tuple(loop.curve), loop.best_epoch)


def _is_rating(backbone: Any) -> bool:
    return isinstance(backbone, type) and issubclass(backbone, RatingBackbone)


def _model(
    backbone: Any, train: Interactions, hyper: Any, fields: Fields | None, seed: int
) -> nn.Module:
    if isinstance(backbone, type):
        model = build(backbone, train, hyper, seed, fields=fields)
    elif hyper or fields:
        raise BackboneError("Settings and fields go to a backbone class; this model is built.")
    else:
        model = _copied(backbone)
    if not (isinstance(model, nn.Module) and callable(getattr(model, "loss", None))):
        raise BackboneError(
            f"{type(model).__name__} cannot be trained: a backbone is an nn.Module with "
            "`loss(batch)`. What only scores goes to `rank` as it is; see docs/add-a-backbone.md."
        )
    return model


def _copied(model: Any) -> Any:
    """A copy with weights of its own; sparse graphs are shared, since torch cannot copy them."""
    buffers = model.buffers() if isinstance(model, nn.Module) else ()
    shared = {id(each): each for each in buffers if each.layout != torch.strided}
    return copy.deepcopy(model, shared)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"Device {name!r} cannot be used here: {reason}") from None
    return device


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generators of a forked state: the CPU's, and the one of this GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def _adam(model: nn.Module, config: TrainConfig) -> torch.optim.Adam:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights:
        raise BackboneError(f"{type(model).__name__} has no weights to train.")
    fused = all(weight.is_floating_point() for weight in weights)
    return torch.optim.Adam(weights, lr=config.learning_rate, fused=fused)


@dataclass
class _Loop:
    """The state of one training, from its first epoch to its last."""

    model: Any
    train: Interactions
    valid: Interactions | None
    extra: Columns | None
    augmented: Interactions | None
    config: TrainConfig
    optimizer: torch.optim.Adam
    curve: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.config.seed)
        self.device = next(self.model.parameters()).device
        self.measure = measure_of(self.model)
        self.valid = self.valid if self.valid is not None and len(self.valid) else None

    def run(self, checkpoint: Path | None, progress: Progress) -> None:
        """All epochs that are left."""
        store = Checkpoint(checkpoint, _made_from(self)) if checkpoint else None
        if store and (state := store.load()):
            _restore(self, state)
        while len(self.curve) < self.config.epochs and not self.stalled:
            self.step()
            last = self.curve[-1]
            known = "" if self.best is None else f", best {self.measure.name} {self.best:.4f}"
            note = f"loss {last.loss:.4f}{known}"
            progress(type(self.model).__name__, last.epoch, self.config.epochs, note)
            if store and last.epoch % self.config.checkpoint_every == 0:
                store.save(_state(self))
        if store:
            store.save(_state(self))

    def step(self) -> None:
        """One epoch, measured if its turn has come, kept if it is the best."""
        number = len(self.curve) + 1
        loss, value = self.epoch(), None
        due = number % self.config.every == 0 or number == self.config.epochs
        if self.valid is not None and due:
            value = self.measure.of(self.model, self.train, self.valid)
        above = value is not None and self.measure.better(value, self.best)
        better = self.valid is None or above
        self.curve.append(Epoch(number, loss, value))
        if better:
            self.best_epoch = number
        if better and (self.valid is not None or number == self.config.epochs):
            self.best_weights = {k: v.clone() for k, v in self.model.state_dict().items()}

    def epoch(self) -> float:
        """One pass over the training data; gives the mean loss of its batches."""
        self.model.train()
        losses = []
        for batch in self.batches():
            self.optimizer.zero_grad()
            loss = self.model.loss(batch)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean()) if losses else math.nan
        if not math.isfinite(mean):
            raise BackboneError(self._reason(mean, bool(losses)))
        return mean

    def batches(self) -> Iterator[Any]:
        """The model's own batches, else BPR triples; on the model's device."""
        own = getattr(self.model, "batches", None)
        more = () if self.extra is None else (self.extra,)
        make = own or batches.triples
        learnt = self.train if self.augmented is None else self.augmented
        for batch in make(learnt, self.config.batch_size, self.rng, *more):
            yield type(batch)(*(column.to(self.device) for column in batch))

    @property
    def best(self) -> float | None:
        """The best value on validation so far; None before the first."""
        return value_at(self.curve, self.best_epoch)

    @property
    def stalled(self) -> bool:
        """Whether patience has run out."""
        since = [p for p in self.curve if p.valid is not None and p.epoch > self.best_epoch]
        return len(since) >= self.config.patience

    def _reason(self, mean: float, learnt: bool) -> str:
        name, number = type(self.model).__name__, len(self.curve) + 1
        if not learnt:
            return (
                f"There is nothing for {name} to learn: no user met an item and not another, or, "
                "for a sequential backbone, two items one after the other."
            )
        return (
            f"The loss of {name} became {mean} in epoch {number}. Try a smaller learning_rate "
            f"(received {self.config.learning_rate:g})."
        )


def _made_from(loop: _Loop) -> str:
    """A hash of all that decides the outcome."""
    config = getattr(loop.model, "config", None)
    parts = [loop.config.model_dump_json(exclude={"checkpoint_every"}), weights_hash(loop.model)]
    parts += [repr(type(loop.model)), repr(config), loop.train.fingerprint]
    parts += [loop.valid.fingerprint if loop.valid is not None else ""]
    parts += [column.tobytes().hex() for column in loop.extra or ()]
    fields = loop.model.fields if isinstance(loop.model, RatingBackbone) else None
    parts += [each.fingerprint for each in (loop.augmented, fields) if each is not None]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _state(loop: _Loop) -> dict[str, Any]:
    cuda = loop.device.type == "cuda"
    return {
        "model": loop.model.state_dict(),
        "optimizer": loop.optimizer.state_dict(),
        "best": loop.best_weights,
        "best_epoch": loop.best_epoch,
        "curve": json.dumps(loop.curve),
        "numpy": json.dumps(loop.rng.bit_generator.state),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(loop.device) if cuda else None,
    }


def _restore(loop: _Loop, state: dict[str, Any]) -> None:
    loop.model.load_state_dict(state["model"])
    loop.optimizer.load_state_dict(state["optimizer"])
    loop.best_weights = {k: v.to(loop.device) for k, v in state["best"].items()}
    loop.best_epoch = state["best_epoch"]
    loop.curve = [Epoch(*point) for point in json.loads(state["curve"])]
    loop.rng.bit_generator.state = json.loads(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], loop.device)
