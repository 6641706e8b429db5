"""The processes of one tuning, as `torchrun` or `accelerate launch` start them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from tandemrec import processes
from tandemrec.errors import LLMError, TandemrecError

T = TypeVar("T")
PATIENCE = timedelta(days=2)
"""How long processes wait for the first one, which may read frozen layers for hours; the launcher
ends all of them where one dies."""


def told() -> int:
    """How many processes a launcher has started; 1 where there was none."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def number_told() -> int:
    """This process's number as the launcher gave it, from 0, whether it has joined or not."""
    return int(os.environ.get("RANK", "0")) if told() > 1 else 0


def start(device: str) -> None:
    """Join the other processes, once; a process by itself has nothing to join.

    Every process of a machine takes the GPU of its number there; where they are on the CPU, they
    talk by gloo. Raises LLMError where there are fewer GPUs than processes.
    """
    gpu = torch.cuda.is_available() and torch.device(_type(device)).type == "cuda"
    if told() == 1 or dist.is_initialized():
        return
    if gpu:
        _take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
    processes.join(backend, PATIENCE)


def _type(device: str) -> str:
    return "cuda" if device == "auto" else device


def _take_gpu(number: int) -> None:
    if number >= torch.cuda.device_count():
        raise LLMError(
            f"Process {number} of this machine has no GPU: there are {torch.cuda.device_count()}. "
            "Start as many processes as there are GPUs, or tune with device=cpu."
        )
    torch.cuda.set_device(number)


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes tune together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def first(work: Callable[[], T]) -> T:
    """What the first process alone does; all have what it gives.

    Where it raises, the others raise an LLMError that says so, and nobody waits for ever.
    """
    if size() == 1:
        return work()
    said: list[Any] = [None, None]
    error: Exception | None = None
    if rank() == 0:
        try:
            said[0] = work()
        except Exception as found:  # told to all, then raised
            error, said[1] = found, str(found) or type(found).__name__
    dist.broadcast_object_list(said, src=0, device=torch.device("cpu"))
    if error is not None:
        raise error
    if said[1] is not None:
        raise FirstFailed(f"The first process failed: {said[1]}")
    return said[0]


class FirstFailed(TandemrecError):
    """The first process could not do what all need; it has said why itself."""


def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes; every one gets it."""
    if size() > 1:
        dist.all_reduce(value)
    return value


def gathered(value: T) -> list[T]:
    """Every process's value, by number."""
    if size() == 1:
        return [value]
    found: list[Any] = [None] * size()
    dist.all_gather_object(found, value)
    return found
