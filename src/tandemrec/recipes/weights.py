"""A look at a language model's folder, before a run computes anything that would be in vain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tandemrec.errors import ConfigError, LLMError
from tandemrec.llm import network
from tandemrec.oneline import short
from tandemrec.tuning.tune import TuneConfig


def check_model(llm: Any, tune: TuneConfig | None) -> None:
    """Whether what `llm` reads later can be read: settings, tokenizer, and the heads of the files
    of weights, which tell their length. Seconds at most, whatever the model's size.

    A model without a folder of its own is taken at its word. Raises LLMError, or ConfigError for a
    tuning that does not fit the model.
    """
    folder = getattr(llm, "folder", None)
    if folder is None:
        return
    layers = _layers(Path(folder))
    network.load_tokenizer(Path(folder))
    for place in filter(None, (folder, getattr(llm, "adapter", None))):
        _check_weights(Path(place))
    if tune and tune.trainable_layers and tune.trainable_layers > layers:
        raise ConfigError(
            f"tune.trainable_layers is {tune.trainable_layers}; the model in {folder} has {layers} "
            "layers. Take at most so many, or none for all."
        )


def _layers(folder: Path) -> int:
    from transformers import AutoConfig

    try:
        with network.quiet():
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
        return int(config.get_text_config().num_hidden_layers)
    except Exception as error:  # a config may hold any nonsense, and each kind raises its own
        raise _unreadable(folder / "config.json", error) from error


def _check_weights(folder: Path) -> None:
    """Every file that the index names is there, and each is as long as its head says."""
    from safetensors import SafetensorError, safe_open

    for file in sorted({*folder.glob("*.safetensors"), *_indexed(folder)}):
        try:
            with safe_open(file, "pt"):
                pass
        except (OSError, SafetensorError) as error:
            raise _unreadable(file, error) from error


def _indexed(folder: Path) -> set[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return set()
    try:
        return {folder / name for name in json.loads(index.read_bytes())["weight_map"].values()}
    except (ValueError, KeyError, AttributeError) as error:
        raise _unreadable(index, error) from error


def _unreadable(file: Path, error: Exception) -> LLMError:
    reason = short(error, 200).rstrip(".") or type(error).__name__
    return LLMError(
        f"The model in {file.parent} cannot be loaded: {file.name}: {reason}. Download or save it "
        "again, or give another."
    )
