"""Files that are there whole or not at all, though many processes on many machines write them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from tandemrec.errors import LLMError

_MATTER = ("tandemrec", "torch", "transformers", "vllm", "xllamacpp")
"Packages that an answer may depend on."


@contextlib.contextmanager
def whole(file: Path) -> Iterator[BinaryIO]:
    """A stream; what was written takes the file's place at the end, or after an error is gone.

    The temporary name has the machine and a random part: on a shared disk, two machines may use one
    process number at the same time. Raises LLMError where the disk takes no more.
    """
    fresh = file.with_name(f".{file.name}.{socket.gethostname()}.{os.getpid()}.{uuid4().hex[:8]}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())  # a power cut must not leave a name without what it names
        os.replace(fresh, file)
        _settle(file.parent)
    except OSError as error:
        raise LLMError(
            f"{file} cannot be written: {error.strerror or error}. Is the disk full? Make room, or "
            "name another folder, and start again: what is answered is kept."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def put(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(file) as stream:
        stream.write(content)


def _settle(folder: Path) -> None:
    """The new name itself is put on the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def versions() -> dict[str, str]:
    """The installed packages that an answer may depend on."""
    found = {}
    for name in _MATTER:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
