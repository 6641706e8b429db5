"""Facts about this machine, each with whether it will do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

EXTRAS = (
    *("implicit", "httpx", "fastapi", "xllamacpp", "vllm", "ray", "faiss"),
    *("mlflow", "trackio", "tensorboard"),
)


class Fact(NamedTuple):
    """One line of the diagnosis; `good` is None where it does not matter."""

    name: str
    value: str
    good: bool | None = None


def facts() -> Iterator[Fact]:
    """Everything that a run depends on."""
    yield Fact("python", platform.python_version(), sys.version_info >= (3, 11))
    yield Fact("cores", str(len(os.sched_getaffinity(0)) if _linux() else os.cpu_count()))
    yield from _torch()
    yield from _memory()
    yield from _cache()
    yield from _present()
    there = [name for name in EXTRAS if find_spec(name)]
    yield Fact("optional", ", ".join(there) or "none")


def _linux() -> bool:
    return hasattr(os, "sched_getaffinity")


def _torch() -> Iterator[Fact]:
    if not find_spec("torch"):
        yield Fact("torch", "not installed: pip install torch", False)
        return
    import torch

    yield Fact("torch", torch.__version__, True)
    yield Fact("gpu", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none")
    speed = {kind: _products_per_second(kind) for kind in ("float32", "bfloat16")}
    fast = max(speed, key=speed.__getitem__)
    ratio = speed["bfloat16"] / speed["float32"]
    yield Fact("fast dtype", f"{fast} (bfloat16 is {ratio:.1f} times as fast as float32)")


def _products_per_second(kind: str) -> float:
    """The best of five products of a [256, 576] and a [576, 1536] matrix, a small LLM's sizes."""
    import torch

    left, right = (torch.ones(*s, dtype=getattr(torch, kind)) for s in ((256, 576), (576, 1536)))
    best = float("inf")
    for _ in range(6):
        began = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - began)
    return 1 / best


def _memory() -> Iterator[Fact]:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    yield Fact("memory", f"{gigabytes:.1f} GB", gigabytes >= 3)


def _cache() -> Iterator[Fact]:
    from tandemrec.cache import cache_folder

    folder = cache_folder()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    yield Fact("cache", str(folder), _writable(there))
    yield Fact("free disk", f"{free:.1f} GB", free >= 1)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _present() -> Iterator[Fact]:
    from tandemrec.cache import cache_folder
    from tandemrec.data.download import present
    from tandemrec.data.sources import SOURCES
    from tandemrec.llm.embedded import NAME

    model = cache_folder() / "models" / NAME
    there = str(model) if (model / "source.json").exists() else "not downloaded; a run gets it"
    yield Fact(f"llm {NAME}", there)
    for name, source in SOURCES.items():
        yield Fact(f"data {name}", present(source) or "not downloaded; a run gets it")
