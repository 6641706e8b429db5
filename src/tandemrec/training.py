"""The one training loop: Adam, early stopping on validation only, checkpoint and exact resume."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones import Epoch, Fitted, RatingBackbone, get, training_of
from tandemrec.backbones.base import between_users_refused, refuse_one_rating
from tandemrec.backbones.building import built_from, is_kind, made
from tandemrec.backbones.fitted import read_by, value_at, weights_hash
from tandemrec.backbones.validation import measure_of
from tandemrec.checkpoint import Checkpoint
from tandemrec.code import code_of
from tandemrec.config import Settings
from tandemrec.data import batches
from tandemrec.data.batches import BetweenUsers, Columns
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.learnt import Learnt, refuse_other_sizes
from tandemrec.data.split import Split
from tandemrec.errors import BackboneError, ConfigError, DataError
from tandemrec.progress import Progress, silent
from tandemrec.sharing import Share


class TrainConfig(Settings):
    """How a backbone learns; a backbone class publishes what its paper says otherwise."""

    epochs: PositiveInt = 1000
    """At most so many passes over the training data."""
    batch_size: PositiveInt = 1024
    """Triples, sequences or ratings in a step."""
    learning_rate: PositiveFloat = 1e-3
    """Adam's."""
    every: PositiveInt = 5
    """Epochs between two measurements on validation."""
    valid_metric: Annotated[str, Field(pattern=r"^((NDCG|Recall)@[1-9]\d*|RMSE)$")] | None = None
    """What is measured there: NDCG@k or Recall@k, such as Recall@20; none takes NDCG@10, or RMSE
    where ratings are predicted."""
    patience: PositiveInt = 10
    """Stop after so many measurements without a new best."""
    checkpoint_every: PositiveInt = 25
    """Epochs between two checkpoints, where a checkpoint is asked for."""
    seed: NonNegativeInt = 0
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
    content: Content | None = None,
    valid: Interactions | None = None,
    extra_triples: Columns | None = None,
    augmented: Interactions | None = None,
    between_users: Columns | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    ddp: bool = False,
) -> Fitted:
    """Train a backbone; the result holds the weights of the epoch that is best on validation.

    `backbone`: a class (ours, or any with `loss` and `score`), its name, or a model, which is
    copied and left as it was. `data`: a split, whose test part is not touched, or training
    interactions. `config`: how to train; by default as the backbone publishes. `hyper`: the
    backbone's own settings, for a class. `fields`: what a rating backbone reads besides the user's
    and the item's number; by default all of a split's catalogue and context. `content`: what a
    content backbone reads of the items. `valid`: held-out interactions instead of the split's; with
    none at all, training runs through all epochs. `extra_triples`: (users, preferred, other), each
    [N], learnt once an epoch as they are (Llama4Rec, equation 2). `augmented`: the training
    interactions with more among them, learnt in their place, and the graph of a class that is no
    sequential backbone has them too; what a user met, and what validation starts from, stays as it
    was. `between_users`: (items, liking, other), each [N]: an item, a user who likes it and one who
    does not, learnt once an epoch in steps of their own (DALLRec). `checkpoint`: a file; a fit that
    was killed goes on from it and ends with the same weights bit for bit (on a CPU), and a
    checkpoint of other inputs, or of a class with other code, is replaced. `progress` is called
    after each epoch. `ddp`: under torchrun, each process learns its share of every batch and gets
    the same weights as one would, but for rounding; for models whose class says `by_rows`.

    Raises BackboneError if there is nothing to train, the loss is not finite or the backbone cannot
    read or learn what is given, ConfigError for a wrong setting or device, DataError for triples or
    augmented interactions outside the data, RunError for a checkpoint that cannot be read or
    written.
    """
    backbone = get(backbone) if isinstance(backbone, str) else backbone
    _refuse_other_kinds(data, config)
    config = config or TrainConfig(**training_of(backbone))
    train = data.train if isinstance(data, Split) else data
    held_out = data.valid if valid is None and isinstance(data, Split) else valid
    refuse_other_sizes(train, held_out, "Validation's")
    learnt = Learnt.of(train, augmented, extra_triples, between_users)
    device = _device(config.device)
    known = built_from(backbone, train, augmented)
    if fields is None and isinstance(data, Split) and is_kind(backbone, RatingBackbone):
        fields = Fields.of(known, data.catalogue)
    model = made(backbone, known, hyper, config.seed, fields=fields, content=content).to(device)
    refuse_one_rating(model, known)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        _seed(device, config.seed)
        share = Share.joined(model, device) if ddp else Share()
        loop = _Loop(model, train, held_out, learnt, config, _adam(model, config), share)
        loop.run(checkpoint, progress or silent)
    model.load_state_dict(loop.best_weights)
    return Fitted(model.eval(), known, tuple(loop.curve), loop.best_epoch, loop.measure.name)


def _refuse_other_kinds(data: Any, config: Any) -> None:
    """Raises DataError for what nothing can be learnt from, ConfigError for other settings."""
    if not isinstance(data, Split | Interactions):
        raise DataError(
            f"a backbone learns from split data or interactions. Received: {type(data).__name__}.",
            remedy="Split a data set first: tr.leave_last_out(data).",
        )
    if config is not None and not isinstance(config, TrainConfig):
        raise ConfigError(
            f"config takes a TrainConfig, such as tr.TrainConfig(epochs=3). Received: "
            f"{type(config).__name__}."
        )


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
    learnt: Learnt
    config: TrainConfig
    optimizer: torch.optim.Adam
    share: Share
    curve: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.config.seed)
        self.device = next(self.model.parameters()).device
        self.measure = measure_of(type(self.model), self.config.valid_metric)
        self.valid = self.valid if self.valid is not None and len(self.valid) else None

    def run(self, checkpoint: Path | None, progress: Progress) -> None:
        """All epochs that are left."""
        store = Checkpoint(checkpoint, _made_from(self)) if checkpoint else None
        if store and (state := store.load()):
            _restore(self, state)
        self.share.check_together(len(self.curve))
        while len(self.curve) < self.config.epochs and not self.stalled:
            self.step()
            last = self.curve[-1]
            known = "" if self.best is None else f", best {self.measure.name} {self.best:.4f}"
            note = f"loss {last.loss:.4f}{known}"
            progress(type(self.model).__name__, last.epoch, self.config.epochs, note)
            if store and self.share.first and last.epoch % self.config.checkpoint_every == 0:
                store.save(_state(self))
        if store and self.share.first:
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
        losses = [self.update(self.between_users, batch) for batch in self.pairs()]
        pairs = len(losses)
        losses += [self.update(self.model.loss, batch) for batch in self.batches()]
        mean = float(torch.stack(losses).mean()) if len(losses) > pairs else math.nan
        if not math.isfinite(mean):
            raise BackboneError(self._reason(mean, len(losses) > pairs))
        return mean

    def update(self, loss_of: Callable[[Any], Tensor], batch: Any) -> Tensor:
        """One step; gives the loss before it."""
        batch = type(batch)(*(column.to(self.device) for column in batch))
        self.optimizer.zero_grad()
        loss = self.share.loss(loss_of, batch, self.model)
        loss.backward()
        loss = self.share.add_up(loss, self.model)
        self.optimizer.step()
        return loss

    def batches(self) -> Iterator[Any]:
        """The model's own batches, else BPR triples."""
        make = getattr(self.model, "batches", None) or batches.triples
        more = () if self.learnt.triples is None else (self.learnt.triples,)
        yield from make(self.learnt.interactions, self.config.batch_size, self.rng, *more)

    def pairs(self) -> Iterator[BetweenUsers]:
        """Pairs of users of an item. They come before the batches: what users met has the last
        word."""
        if self.learnt.pairs is not None:
            yield from batches.between_users(self.learnt.pairs, self.config.batch_size, self.rng)

    def between_users(self, batch: BetweenUsers) -> Tensor:
        """The model's loss on such pairs."""
        if not callable(getattr(self.model, "between_users", None)):
            raise between_users_refused(self.model)
        loss: Tensor = self.model.between_users(batch)
        return loss

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


PLAIN = (bool, int, float, str)
"What of a model's own attributes is looked at, to know it again."


def _made_from(loop: _Loop) -> str:
    """A hash of all that decides the outcome, whichever of its kind the device is."""
    model = loop.model
    settings = loop.config.model_dump_json(exclude={"checkpoint_every", "device"})
    plain = {name: each for name, each in vars(model).items() if isinstance(each, PLAIN)}
    parts = [settings, loop.device.type, weights_hash(model), repr(type(model))]
    parts += [code_of(type(model)), repr(sorted(plain.items()))]
    parts += [repr(getattr(model, name, None)) for name in ("built_with", "config")]
    parts += [loop.train.fingerprint]
    parts += [loop.valid.fingerprint if loop.valid is not None else ""]
    parts += [loop.learnt.fingerprint, *(each.fingerprint for each in read_by(loop.model))]
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
