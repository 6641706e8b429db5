"""Files that are there whole or not at all, and one line where the disk takes no more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tandemrec.errors import RunError
from tandemrec.oneline import short


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path to write to; at the end it takes the file's place, or after an error it is gone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield fresh
        with fresh.open("rb+") as written:
            os.fsync(written.fileno())  # a power cut must not leave a name without what it names
        os.replace(fresh, file)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


@contextlib.contextmanager
def explained(place: str | Path) -> Iterator[None]:
    """What the disk, safetensors or torch say of a place that takes no more, as a RunError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise _unwritable(place, error) from error
    except RuntimeError as error:
        if _TORCH not in str(error):
            raise
        raise _unwritable(place, error) from error


_TORCH = "inline_container"  # torch.save has no error of its own


def _unwritable(place: str | Path, error: Exception) -> RunError:
    reason = getattr(error, "strerror", None) or short(error, 200).rstrip(".")
    remedy = "Is the disk full? Make room, or name another folder, and run again."
    if isinstance(error, FileNotFoundError):
        remedy = "Its folder was taken away meanwhile; run again."
    return RunError(f"{place} cannot be written: {reason}. {remedy}")
