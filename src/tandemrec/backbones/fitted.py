"""A trained backbone as an artefact: its weights, what it was built from, how it learnt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tandemrec.backbones.base import ContentBackbone, RatingBackbone
from tandemrec.backbones.building import build, settings_of
from tandemrec.backbones.scoring import device_of
from tandemrec.backbones.validation import NDCG, measure_of
from tandemrec.data.content import FILE as CONTENT
from tandemrec.data.content import Content
from tandemrec.data.fields import FILE as FIELDS
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.errors import RunError
from tandemrec.writing import explained, whole

NOTE = "backbone.json"
WEIGHTS = "weights.safetensors"


class Epoch(NamedTuple):
    """One point of a learning curve."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's batches
    valid: float | None  # on validation, where it was measured


def value_at(curve: Sequence[Epoch], epoch: int) -> float | None:
    """What validation gave after that epoch, from 1; None before the first, and unmeasured."""
    return curve[epoch - 1].valid if epoch else None


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `fit` gives. `rank` and `similar_users` take it as they take the model itself."""

    model: Any
    "The backbone, with the weights of its best epoch."
    train: Interactions
    "What it was built from and learnt: with added edges where it was fitted with such."
    curve: tuple[Epoch, ...] = ()
    best_epoch: int = 0
    "The epoch whose weights these are."
    valid_metric: str = NDCG.name
    "What validation measured."

    @property
    def best_valid(self) -> float | None:
        """The metric on validation of these weights; None where nothing was held out."""
        return value_at(self.curve, self.best_epoch)

    def score(self, queries: Tensor) -> Tensor:
        """Every item's score, [B, I]."""
        scores: Tensor = self.model.score(queries)
        return scores

    @cached_property
    def fingerprint(self) -> str:
        read = "".join(each.fingerprint[:16] for each in read_by(self.model))
        return weights_hash(self.model) + self.train.fingerprint[:16] + read

    def save(self, folder: Path) -> None:
        """Weights, curve, the backbone's name and settings, its training interactions, and what
        else it reads.

        Raises RunError where the weights cannot be written, as on a full disk, and BackboneError
        where nobody knows what the model was built with.
        """
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu().clone() for name, value in _state(self.model).items()}
        with explained(folder / WEIGHTS), whole(folder / WEIGHTS) as fresh:
            save_file({name: value.contiguous() for name, value in weights.items()}, fresh)
        self.train.save(folder)
        for each in read_by(self.model):
            each.save(folder)
        kind, config = type(self.model), settings_of(self.model)
        note = {
            "backbone": f"{kind.__module__}:{kind.__qualname__}",
            "config": None if config is None else config.model_dump(mode="json"),
            "curve": self.curve,
            "best_epoch": self.best_epoch,
            "valid_metric": self.valid_metric,
            "device": str(device_of(self.model)),
        }
        (folder / NOTE).write_text(json.dumps(note))

    @classmethod
    def load(cls, folder: Path) -> Fitted:
        """Build the backbone anew and give it the weights, on the device that it was on, or on the
        CPU where that is not here.

        Raises RunError if its class cannot be imported any more, or has changed.
        """
        note = json.loads((folder / NOTE).read_text())
        train = Interactions.load(folder)
        fields = Fields.load(folder) if (folder / FIELDS).exists() else None
        content = Content.load(folder) if (folder / CONTENT).exists() else None
        kind = _class_of(note["backbone"])
        model = build(kind, train, note["config"], fields=fields, content=content)
        try:
            model.load_state_dict(load_file(folder / WEIGHTS))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise RunError(
                f"The weights in {folder} do not fit {note['backbone']}; it has changed since, or "
                f"was built in another way: {reason}"
            ) from None
        curve = tuple(Epoch(*point) for point in note["curve"])
        model = model.to(_here(note.get("device", "cpu")))
        metric = note.get("valid_metric", measure_of(kind).name)  # older runs had no choice
        return cls(model.eval(), train, curve, note["best_epoch"], metric)


def read_by(model: Any) -> tuple[Fields | Content, ...]:
    """What a backbone reads besides the interactions."""
    if isinstance(model, RatingBackbone):
        return (model.fields,)
    return (model.content,) if isinstance(model, ContentBackbone) else ()


def _here(device: str) -> str:
    """The device, if it can be used here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        return "cpu"
    return device


def _class_of(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        raise RunError(
            f"The run's backbone {name} cannot be imported. A backbone must be a class of a module "
            "(not of a function or a notebook) to be loaded again."
        ) from None
    return found


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if torch.is_tensor(value)}


def weights_hash(model: nn.Module) -> str:
    """A hash of all weights, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(_state(model).items()):
        digest.update(name.encode() + b"\0" + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
