"""Steps that processes take together by DeepSpeed's ZeRO-3, which deals out weights, gradients and
the optimizer's memory.

Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", SC 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tandemrec.errors import ConfigError
from tandemrec.tuning import ranks
from tandemrec.tuning.learner import Learner

TAG = "zero"


class Zero:
    """A learner in the hands of a DeepSpeed engine; the methods are those of `spread.Together`."""

    def __init__(
        self, learner: Learner, optimizer: torch.optim.Optimizer, clip: float, dtype: torch.dtype
    ) -> None:
        deepspeed = _imported()
        if learner.network.plain_head is not None:  # it is read outside of its own module
            deepspeed.zero.register_external_parameter(learner, learner.network.plain_head)
        self.learner, self.deepspeed = learner.train(), deepspeed
        self.engine, *_ = deepspeed.initialize(
            model=learner,
            optimizer=optimizer,
            config=_settings(clip, dtype),
            dist_init_required=False,
        )

    def loss(self, batch: Mapping[str, Any]) -> Tensor:
        """The batch's loss."""
        return self.engine(**batch)["loss"]

    def step(self, loss: Tensor, rate: float) -> None:
        """Gradients, clipped, and a step at this learning rate."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate
        self.engine.backward(loss)
        self.engine.step()

    def weights(self) -> dict[str, Tensor]:
        """The weights that learn, put together; empty but in the first process."""
        found = {}
        for name, weight in self.learner.learnt().items():
            with self.deepspeed.zero.GatheredParameters([weight]):
                if ranks.rank() == 0:
                    found[name] = weight.detach().float().cpu().clone()
        return found

    def save(self, folder: Path) -> None:
        """Every process writes its part: as many have to go on from it."""
        self.engine.save_checkpoint(str(folder), tag=TAG, exclude_frozen_parameters=True)

    def load(self, folder: Path) -> None:
        """Go on from what as many processes saved."""
        self.engine.load_checkpoint(str(folder), tag=TAG, load_module_strict=False)


def _settings(clip: float, dtype: torch.dtype) -> dict[str, Any]:
    """DeepSpeed's own; weights that learn stay float32, products are in `dtype` by autocast."""
    half = dtype is torch.bfloat16
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": clip,
        "zero_optimization": {"stage": 3},
        "torch_autocast": {"enabled": half, "dtype": "bfloat16"},
        "steps_per_print": 2**31,
    }


def _imported() -> Any:
    try:
        import deepspeed
    except ImportError as error:
        raise ConfigError(
            "parallel=zero3 needs DeepSpeed, which is not installed: pip install deepspeed, or "
            "take parallel=fsdp2, which needs nothing more."
        ) from error
    return deepspeed
