"""A fit by several processes (torchrun): each learns its share of every batch.

All have the same weights and draw the same batches; gradients are added up before each step. So the
result is that of one process, but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from tandemrec import processes
from tandemrec.errors import BackboneError, ConfigError, RunError


@dataclass(frozen=True)
class Share:
    """Which of how many processes this is; by default the only one."""

    rank: int = 0
    of: int = 1

    @classmethod
    def joined(cls, model: nn.Module, device: torch.device) -> Share:
        """This process's share among those that torchrun started.

        Raises BackboneError for a model whose loss cannot be shared, ConfigError where nothing was
        started so.
        """
        _refuse_other_losses(model)
        if not distributed.is_initialized():
            _join(device)
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def check_together(self, epochs: int) -> None:
        """Raises RunError where processes go on from different epochs."""
        if self.of == 1:
            return
        found = [0] * self.of
        distributed.all_gather_object(found, epochs)
        if len(set(found)) > 1:
            raise RunError(
                f"The processes would go on after different epochs: {found}. All must read one "
                "checkpoint: put it where each of them sees it, or delete it."
            )

    def loss(self, loss_of: Callable[[Any], Tensor], batch: Any, model: nn.Module) -> Tensor:
        """The loss of this share of a batch, every n-th row, as a part of the whole batch's mean;
        0 for a share without rows."""
        if self.of == 1:
            return loss_of(batch)
        own = type(batch)(*(column[self.rank :: self.of] for column in batch))
        if not len(own[0]):
            return torch.stack([0 * weight.sum() for weight in model.parameters()]).sum()
        return loss_of(own) * (len(own[0]) / len(batch[0]))

    def add_up(self, loss: Tensor, model: nn.Module) -> Tensor:
        """Gradients, in place, and the loss over all shares."""
        loss = loss.detach()
        if self.of == 1:
            return loss
        for weight in model.parameters():
            if weight.requires_grad:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                distributed.all_reduce(weight.grad)
        distributed.all_reduce(loss)
        return loss


def _refuse_other_losses(model: nn.Module) -> None:
    if not vars(type(model)).get("by_rows"):  # one that derives may have another loss
        raise BackboneError(
            f"{type(model).__name__} cannot be fitted by several processes: a batch's loss must be "
            "the mean of its rows' losses. Leave `ddp` out, or say `by_rows = True` in this very "
            "class where it is so."
        )


def _join(device: torch.device) -> None:
    if "RANK" not in os.environ:
        raise ConfigError(
            "`ddp` needs processes that learn together, and nobody started such. Start the script "
            "with torchrun --nproc-per-node 2, or leave `ddp` out."
        )
    processes.join("nccl" if device.type == "cuda" else "gloo")
