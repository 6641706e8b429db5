"""A fitted backbone as a folder for elsewhere: safetensors, the ids behind its numbers, a card."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tandemrec import card as cards
from tandemrec.backbones.base import EmbeddingBackbone, RatingBackbone
from tandemrec.backbones.fitted import NOTE, WEIGHTS, Fitted
from tandemrec.card import Card
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError, RunError, TandemrecError
from tandemrec.oneline import short
from tandemrec.writing import explained, whole

IDS, EMBEDDINGS = "ids.json", "embeddings.safetensors"
FILES = {
    WEIGHTS: "the weights",
    NOTE: "the backbone's class, its settings and its learning curve",
    IDS: "the ids of users and items, as they were given: the n-th is what the weights call n",
    "interactions.npz": "what it learnt from, and is built from: users, items, ratings and times "
    "by number. Whoever passes this on passes the data on: see its licence",
}
LOADING = """
from tandemrec.backbones.export import load
from tandemrec.ranking import rank

model = load("FOLDER")
train = model.fitted.train
best = rank(model.fitted, train, model.numbers([{user}]).numpy(), 10)
names = [model.catalogue.item_ids[item] for item in best.items[0]]
"""
LOADING_RATING = """
from tandemrec.backbones.export import load
from tandemrec.predicting import predict

model = load("FOLDER")
ratings = predict(model.fitted, model.pairs([{user}], [{item}])).values
"""
ALONE = """
# Without tandemrec: a score is the inner product of a user's and an item's row.
import json
from safetensors.numpy import load_file

tables, ids = load_file("FOLDER/embeddings.safetensors"), json.load(open("FOLDER/ids.json"))
scores = tables["users"][ids["users"].index({user})] @ tables["items"].T
"""


@dataclass(frozen=True)
class Exported:
    """A backbone that was loaded from such a folder."""

    fitted: Fitted
    catalogue: Catalogue
    "The ids; it knows no titles."

    def numbers(self, users: Sequence[Any]) -> torch.Tensor:
        """The numbers of these users, [B]; DataError for one that is not there."""
        return torch.tensor([self.catalogue.user(user) for user in users])

    def pairs(
        self, users: Sequence[Any], items: Sequence[Any], **context: Sequence[Any]
    ) -> Interactions:
        """Users and items whose ratings can be predicted, [N]; in the order of the users' numbers.

        `context`: the further columns that the backbone reads. DataError for an unknown id.
        """
        train = self.fitted.train
        return Interactions.sorted(
            np.array([self.catalogue.user(user) for user in users]),
            np.array([self.catalogue.item(item) for item in items]),
            n_users=train.n_users,
            n_items=train.n_items,
            context={name: np.array(values) for name, values in context.items()},
        )

    @cached_property
    def fingerprint(self) -> str:
        """As of what was exported."""
        return self.fitted.fingerprint


def export(model: Any, catalogue: Catalogue, out: str | Path, card: Card) -> tuple[Path, ...]:
    """Write a fitted backbone into a folder; `load` gives a model with the same scores.

    Where scores are inner products, the final embeddings of users and items stand in a file by
    themselves, for those who have no tandemrec. Raises BackboneError for what was not fitted here,
    RunError where the folder is a file or holds somebody else's README.md, or the disk takes no
    more.
    """
    if not isinstance(model, Fitted):
        raise BackboneError(
            f"{type(model).__name__} was not fitted by tandemrec, so there are no weights to write."
        )
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; name a folder.")
    cards.refuse_other(out, IDS)
    files = dict(FILES)
    with explained(out):
        files |= {name: "what else it reads" for name in _saved(model, out) if name not in files}
        _write(out / IDS, json.dumps(_ids(catalogue), ensure_ascii=False, default=str))
        if isinstance(model.model, EmbeddingBackbone):
            _embeddings(model.model, out / EMBEDDINGS)
            files |= {EMBEDDINGS: "final embeddings, `users` [U, D] and `items` [I, D]"}
        _write(out / cards.NAME, cards.text(card, files, _loading(model.model, catalogue)))
    return tuple(out / name for name in (*files, cards.NAME))


def load(folder: str | Path) -> Exported:
    """What `export` wrote. Raises RunError where the folder is none of it."""
    folder = Path(folder)
    try:
        ids = json.loads((folder / IDS).read_text(encoding="utf-8"))
        catalogue = Catalogue(ids["users"], ids["items"], [""] * len(ids["items"]))
        return Exported(Fitted.load(folder), catalogue)
    except TandemrecError:
        raise
    except Exception as error:  # each kind of file raises its own, and anything may be cut short
        reason = short(error, 160).rstrip(".")
        raise RunError(
            f"{folder} holds no exported backbone, or a damaged one: {reason}. Write it with "
            "`tandemrec export RUN --backbone DIR`."
        ) from error


def _ids(catalogue: Catalogue) -> dict[str, list[Any]]:
    return {
        name: [each.item() if hasattr(each, "item") else each for each in ids]
        for name, ids in (("users", catalogue.user_ids), ("items", catalogue.item_ids))
    }


@torch.no_grad()
def _embeddings(model: EmbeddingBackbone, file: Path) -> None:
    users, items = model.embed()
    with whole(file) as fresh:
        tables = {"users": users, "items": items}
        save_file({name: t.detach().float().cpu().clone() for name, t in tables.items()}, fresh)


def _saved(model: Fitted, out: Path) -> list[str]:
    """The names of the files that the model writes into a folder, beside whatever is there."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as fresh:
        model.save(Path(fresh))
        names = sorted(each.name for each in Path(fresh).iterdir())
        for name in names:
            os.replace(Path(fresh) / name, out / name)
    return names


def _loading(model: Any, catalogue: Catalogue) -> str:
    """Python that asks for the first user, and the first item."""
    known = _ids(catalogue)
    form = LOADING_RATING if isinstance(model, RatingBackbone) else LOADING
    form += ALONE if isinstance(model, EmbeddingBackbone) else ""
    user, item = (json.dumps(known[name][0], default=str) for name in ("users", "items"))
    return form.format(user=user, item=item)


def _write(file: Path, content: str) -> None:
    with whole(file) as fresh:
        fresh.write_text(content, encoding="utf-8")
