"""Layers that do not learn are read once; what they give is kept, and epochs start above them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tandemrec.errors import ConfigError
from tandemrec.llm.network import Network
from tandemrec.llm.trie import batches
from tandemrec.progress import Progress
from tandemrec.tuning.plan import Lesson, collate
from tandemrec.writing import explained, whole

OUTPUTS = "frozen.npy"
SAMPLE = 32
"Tokens that are read in one piece and in two, to see that a model can be cut."


class Cut(NamedTuple):
    """The two parts of a network's body; they share its weights."""

    lower: Network
    upper: Network


def cut(network: Network, layers: int) -> Cut:
    """The network below its `layers` top layers, and from these on.

    Raises ConfigError if the parts do not give what the whole gives: some models scale their
    inputs or mix layers in a way of their own.
    """
    below = network.layers - layers
    parts = Cut(_part(network, slice(None, below)), _part(network, slice(below, None)))
    parts.lower.model.base_model.norm = nn.Identity()
    tokens = torch.arange(SAMPLE, device=network.device) % 7 + 3
    with torch.inference_mode():
        whole = network.texts(tokens, [SAMPLE])
        again = parts.upper.texts(parts.lower.texts(tokens, [SAMPLE]), [SAMPLE])
    if not torch.allclose(whole, again, rtol=1e-3, atol=1e-3):
        kind = network.model.config.model_type
        raise ConfigError(
            f"Models of type {kind!r} cannot be cut in two; tune with --set tune.keep_frozen=false."
        )
    return parts


def _part(network: Network, layers: slice) -> Network:
    """A network of some of the layers; the others are not copied, and the weights are the same."""
    body = _shallow(network.model.base_model)
    if not hasattr(body, "layers") or not hasattr(body, "norm"):
        kind = network.model.config.model_type
        raise ConfigError(
            f"Models of type {kind!r} cannot be cut in two; tune with --set tune.keep_frozen=false."
        )
    body.layers = nn.ModuleList(list(body.layers)[layers])
    model = _shallow(network.model)
    setattr(model, model.base_model_prefix, body)
    return Network(model, network.tokenizer)


def _shallow(module: Any) -> Any:
    """A module whose parts are the same, but can be exchanged."""
    found = copy.copy(module)
    found._modules = dict(module._modules)
    return found


class Kept:
    """What the lower layers give for every lesson, in a file of 4 D bytes a token."""

    def __init__(self, outputs: NDArray[np.float32], lengths: Sequence[int]) -> None:
        self.outputs = outputs  # [all tokens, D]
        self.bounds = np.concatenate([[0], np.cumsum(lengths)])

    def of(self, places: Sequence[int]) -> Tensor:
        """The outputs of some lessons, one behind the other, [N, D]."""
        rows = [self.outputs[self.bounds[n] : self.bounds[n + 1]] for n in places]
        return torch.from_numpy(np.concatenate(rows))


def keep(
    lower: Network, lessons: Sequence[Lesson], folder: Path, budget: int, progress: Progress
) -> Kept:
    """Read every lesson once through the lower layers; what is whole in the folder is not read
    again."""
    lengths = [len(lesson.tokens) for lesson in lessons]
    file = folder / OUTPUTS
    if not file.exists():
        _read(lower, lessons, file, budget, progress)
    return Kept(np.load(file, mmap_mode="r"), lengths)


def _read(
    lower: Network, lessons: Sequence[Lesson], file: Path, budget: int, progress: Progress
) -> None:
    """Write what a memory map can read; not by a map itself, which a full disk would kill."""
    lengths = [len(lesson.tokens) for lesson in lessons]
    width = lower.model.config.get_text_config().hidden_size
    shape = {"shape": (sum(lengths), width), "fortran_order": False, "descr": "<f4"}
    file.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with explained(file), whole(file) as fresh, fresh.open("wb") as out:
        np.lib.format.write_array_header_2_0(out, shape)
        for places in batches(lengths, budget):
            batch = collate([lessons[place] for place in places])
            with torch.inference_mode():
                found = lower.texts(batch["tokens"].to(lower.device), batch["lengths"].tolist())
            out.write(found.float().cpu().numpy().astype("<f4").tobytes())
            done += len(found)
            progress("reading the frozen layers", done, sum(lengths))
