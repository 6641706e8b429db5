"""Joining and leaving the processes that a launcher (torchrun, accelerate) has started."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from datetime import timedelta

from torch import distributed


def join(backend: str, timeout: timedelta | None = None) -> None:
    """Join the other processes; they are left before the interpreter ends, at the latest.

    A thread of gloo's that lets go of a tensor while the interpreter ends aborts the process, and
    what was done would be told as failed. Leaving ends these threads, unless somebody holds the
    group: functions of this module do by their defaults, if it is imported after joining.
    """
    importlib.import_module("torch.distributed.nn.functional")
    distributed.init_process_group(backend, timeout=timeout)
    atexit.register(leave)


def leave() -> None:
    """Leave the other processes, if any were joined; they need not wait."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def quit_at_once() -> None:
    """Leave, and end this process with status 0 without the interpreter's end: torch's FSDP2 holds
    the group, and so its threads, for ever."""
    leave()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
