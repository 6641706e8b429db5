"""Layers that do not learn are read once; what they give is kept, and epochs start above them."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tandemrec.errors import ConfigError
from tandemrec.llm.network import Network
from tandemrec.llm.trie import batches
from tandemrec.progress import Progress
from tandemrec.tuning import ranks
from tandemrec.tuning.plan import Lesson, collate
from tandemrec.writing import explained

OUTPUTS = "frozen.f32"
SAMPLE = 32
"Tokens that are read in one piece and in two, to see that a model can be cut."


class Cut(NamedTuple):
    """The two parts of a network's body; they share its weights."""

    lower: Network
    upper: Network


def cut(network: Network, below: int) -> Cut:
    """The network's lowest layers, so many of them, and the rest.

    Raises ConfigError if the parts do not give what the whole gives: some models scale their
    inputs or mix layers in a way of their own.
    """
    parts = Cut(_part(network, slice(None, below)), _part(network, slice(below, None)))
    parts.lower.model.base_model.norm = nn.Identity()
    tokens = torch.arange(SAMPLE, device=network.device) % 7 + 3
    with torch.inference_mode():
        whole = network.texts(tokens, [SAMPLE])
        again = parts.upper.texts(parts.lower.texts(tokens, [SAMPLE]), [SAMPLE])
    if not torch.allclose(whole, again, rtol=1e-3, atol=1e-3):
        raise _uncut(network)
    return parts


def _part(network: Network, layers: slice) -> Network:
    """A network of some of the layers; the others are not copied, and the weights are the same."""
    body = _shallow(network.model.base_model)
    if not hasattr(body, "layers") or not hasattr(body, "norm"):
        raise _uncut(network)
    body.layers = nn.ModuleList(list(body.layers)[layers])
    model = _shallow(network.model)
    setattr(model, model.base_model_prefix, body)
    return Network(model, network.tokenizer)


def _uncut(network: Network) -> ConfigError:
    return ConfigError(
        f"Models of type {network.model.config.model_type!r} cannot be cut in two; tune with "
        "--set tune.keep_frozen=false."
    )


def _shallow(module: Any) -> Any:
    """A module whose parts are the same, but can be exchanged."""
    found = copy.copy(module)
    found._modules = dict(module._modules)
    return found


class Kept:
    """What the lower layers give for some lessons, in a file of 4 D bytes a token."""

    def __init__(self, file: Path, places: Sequence[int], lengths: Sequence[int]) -> None:
        total = sum(lengths)
        outputs = np.memmap(file, dtype=np.float32, mode="r")
        self.outputs = outputs.reshape(total, -1)  # [all their tokens, D]
        stops = np.cumsum(lengths).tolist()
        self.rows = {
            place: slice(stop - length, stop)
            for place, length, stop in zip(places, lengths, stops, strict=True)
        }

    def of(self, places: Sequence[int]) -> Tensor:
        """The outputs of some lessons, one behind the other, [N, D]."""
        return torch.from_numpy(np.concatenate([self.outputs[self.rows[n]] for n in places]))


def keep(
    lower: Network,
    lessons: Mapping[int, Lesson],
    folder: Path,
    budget: int,
    dtype: torch.dtype,
    progress: Progress,
) -> Kept:
    """Read the lessons once through the lower layers, in rows of at most `budget` tokens, products
    in `dtype`; what was read before a kill is not read again. Of several processes the first
    reads, and all look into its file. Raises RunError on a full disk."""
    lengths = [len(lesson.tokens) for lesson in lessons.values()]
    width = lower.model.config.get_text_config().hidden_size
    file = folder / OUTPUTS

    def read() -> None:
        if not (file.exists() and file.stat().st_size == 4 * width * sum(lengths)):
            with explained(file):
                _read(lower, list(lessons.values()), file, budget, dtype, progress)

    ranks.first(read)
    return Kept(file, list(lessons), lengths)


def _read(
    lower: Network,
    lessons: Sequence[Lesson],
    file: Path,
    budget: int,
    dtype: torch.dtype,
    progress: Progress,
) -> None:
    """Row by row to the end of a file beside it, which takes its place; on a full disk, writing to
    a memory map would be killed."""
    lengths = [len(lesson.tokens) for lesson in lessons]
    width = lower.model.config.get_text_config().hidden_size
    rows = batches(lengths, budget)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("ab") as out:
        done = out.tell() // (4 * width)  # tokens
        ends = np.cumsum([sum(lengths[place] for place in row) for row in rows])
        whole = int((ends <= done).sum())
        out.truncate(int(ends[whole - 1]) * 4 * width if whole else 0)
        for row, end in zip(rows[whole:], ends[whole:], strict=True):
            batch = collate([lessons[place] for place in row])
            with torch.inference_mode(), autocast(lower.device, dtype):
                found = lower.texts(batch["tokens"].to(lower.device), batch["lengths"].tolist())
            out.write(found.float().cpu().numpy().astype("<f4").tobytes())
            out.flush()
            progress("reading the frozen layers", int(end), sum(lengths))
        os.fsync(out.fileno())
    os.replace(part, file)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Products in a half format, as the tuning computes them; with float32, as they are."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
