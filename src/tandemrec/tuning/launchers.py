"""The settings for `accelerate launch` that this package brings."""

from __future__ import annotations

from pathlib import Path

from tandemrec.errors import UnknownName

FOLDER = Path(__file__).parent / "configs"
CONFIGS = {
    "ddp": "each process holds the whole model",
    "fsdp2": "each holds a part of every layer (PyTorch)",
    "zero3": "the same by DeepSpeed, which is to be installed",
}


def file_of(name: str) -> Path:
    """The file for `accelerate launch --config_file`. Raises UnknownName."""
    if name not in CONFIGS:
        raise UnknownName("launcher's setting", name, CONFIGS)
    return FOLDER / f"{name}.yaml"
