"""How several processes take the steps of one tuning together: copies of a model, or parts of it.

Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020;
Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tandemrec.errors import ConfigError
from tandemrec.tuning import ranks
from tandemrec.tuning.learner import Learner
from tandemrec.tuning.settings import TuneConfig

if TYPE_CHECKING:
    from tandemrec.tuning.zero import Zero

WEIGHTS, MEMORY = "learnt.safetensors", "optimizer.safetensors"
Way = Literal["one", "ddp", "fsdp2", "zero3"]
SHARDED = ("fsdp2", "zero3")
"Ways by which no process holds the whole model."
Full = dict[str, Tensor]
"Whole tensors on the CPU, by name."


def way_of(config: TuneConfig) -> Way:
    """How this tuning is spread. Raises ConfigError for a launcher's setting that is not known
    here, since nothing that was asked for is left out in silence."""
    if ranks.told() == 1:
        return "one"
    return config.parallel if config.parallel != "auto" else _launched()


def _launched() -> Way:
    """What `accelerate launch` was told, by the environment that it leaves."""
    for name, (wanted, says) in _REFUSED.items():
        if os.environ.get(name, wanted).lower() != wanted:
            raise ConfigError(f"accelerate's {says}; the environment has {name}={os.environ[name]}")
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        return "zero3"
    return "fsdp2" if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" else "ddp"


_REFUSED = {
    "FSDP_VERSION": ("2", "fsdp_version must be 2"),
    "FSDP_OFFLOAD_PARAMS": ("false", "fsdp_offload_params is not supported"),
    "ACCELERATE_DEEPSPEED_ZERO_STAGE": ("3", "zero_stage must be 3"),
    "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": ("none", "offloading is not supported"),
    "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": ("none", "offloading is not supported"),
    "ACCELERATE_DEEPSPEED_CONFIG_FILE": ("none", "deepspeed_config_file is not read"),
}
"What a launcher may set: the one value that is carried out, and what is said of others."


def steps(
    learner: Learner, config: TuneConfig, device: torch.device, dtype: torch.dtype, way: Way
) -> Together | Zero:
    """What takes a tuning's steps in this way."""
    if way == "zero3":
        from tandemrec.tuning.zero import Zero

        return Zero(learner, adamw(learner, config, fused=False), config.clip, dtype)
    return Together(learner, config, device, way)


class Together:
    """A learner and its optimizer, in one process, or in several with copies (DDP) or parts (FSDP2)
    of it. All processes call the same methods in the same order."""

    def __init__(
        self, learner: Learner, config: TuneConfig, device: torch.device, way: Way
    ) -> None:
        self.learner, self.clip, self.sharded = learner.train(), config.clip, way == "fsdp2"
        self.module: Any = learner
        if way == "fsdp2":
            _shard(learner, device)
        elif way == "ddp":
            number = [device.index] if device.type == "cuda" else None
            resting = any("expert" in name for name, _ in learner.named_modules())  # of a batch
            self.module = nn.parallel.DistributedDataParallel(
                learner, device_ids=number, find_unused_parameters=resting
            )
        self.optimizer = adamw(learner, config, fused=not self.sharded)

    def loss(self, batch: Mapping[str, Any]) -> Tensor:
        """The batch's loss."""
        return self.module(**batch)["loss"]

    def step(self, loss: Tensor, rate: float) -> None:
        """Gradients, clipped, and a step at this learning rate."""
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), self.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()

    def weights(self) -> Full:
        """The weights that learn; parts are put together. Empty but in the first process."""
        return _whole(self.learner.learnt())

    def save(self, folder: Path) -> None:
        """Weights and the optimizer's memory, whole, whatever the spread; the first one writes."""
        weights, memory = self.weights(), _whole(self._memory())
        if ranks.rank() == 0:
            save_file(weights, folder / WEIGHTS)
            save_file(memory, folder / MEMORY)

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        """Go on from what was saved, by as many processes or by others."""
        weights, learns = load_file(folder / WEIGHTS), self.learner.learnt()
        for name, weight in learns.items():
            weight.copy_(_like(weights[name], weight))
        for key, value in load_file(folder / MEMORY).items():
            kind, _, name = key.partition("/")
            kept = _like(value, learns[name]) if value.dim() else value
            self.optimizer.state[learns[name]][kind] = kept

    def _memory(self) -> Full:
        """What the optimizer remembers, by `kind/weight`."""
        return {
            f"{kind}/{name}": value
            for name, weight in self.learner.learnt().items()
            for kind, value in self.optimizer.state.get(weight, {}).items()
        }


def adamw(learner: Learner, config: TuneConfig, *, fused: bool) -> torch.optim.AdamW:
    """AdamW over the weights that learn; vectors (biases, norms) do not decay."""
    weights = list(learner.learnt().values())
    groups = [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.dim() <= 1], "weight_decay": 0.0},
    ]
    found = [group for group in groups if group["params"]]
    return torch.optim.AdamW(found, lr=config.learning_rate, fused=fused)


def _shard(learner: Learner, device: torch.device) -> None:
    """Each layer by itself, and what stands around them; parts lie on the device."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (ranks.size(),))
    for layer in _layers(learner):
        fully_shard(layer, mesh=mesh)
    fully_shard(learner, mesh=mesh)


def _layers(learner: Learner) -> nn.ModuleList:
    """The list of layers that holds most of the model's weights."""
    lists = (part for part in learner.modules() if isinstance(part, nn.ModuleList))
    return max(lists, key=lambda part: sum(weight.numel() for weight in part.parameters()))


def _whole(tensors: Mapping[str, Tensor]) -> Full:
    """One after the other, so that a device holds one whole tensor at a time."""
    from torch.distributed.tensor import DTensor

    found = {}
    for name, value in tensors.items():
        full = value.detach()
        full = full.full_tensor() if isinstance(full, DTensor) else full
        if ranks.rank() == 0:
            found[name] = full.cpu().contiguous()
    return found


def _like(value: Tensor, weight: Tensor) -> Tensor:
    """A whole tensor as a weight lies here: on its device, or the part of it."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    value = value.to(weight.device)
    if isinstance(weight, DTensor):
        return distribute_tensor(value, weight.device_mesh, weight.placements)
    return value
