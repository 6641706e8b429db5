"""Models of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from tandemrec.errors import LLMError
from tandemrec.llm.network import quiet

_WANTED = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]


def snapshot(name: str, *, local: bool = False) -> Path:
    """The folder of the model "org/name": in the hub's cache, or downloaded unless `local`."""
    from huggingface_hub import snapshot_download

    try:
        with quiet():
            return Path(snapshot_download(name, allow_patterns=_WANTED, local_files_only=local))
    except Exception as error:  # httpx, OS and hub errors alike: there is no such model to be had
        reason = " ".join(str(error).split())[:160]
        raise LLMError(
            f"The Hugging Face hub does not give {name!r}: {reason}.", retryable=True
        ) from error
