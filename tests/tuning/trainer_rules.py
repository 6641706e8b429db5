"""What two tools' YAML files have in common: settings of transformers' trainer beside their own."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from transformers import TrainingArguments


def settings(file: Path, own: Mapping[str, type]) -> dict[str, Any]:
    """A training's settings, each known and of its kind."""
    read: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    trainer = {field.name for field in fields(TrainingArguments)}
    for key, value in read.items():
        assert key in own or key in trainer, key
        assert type(value) is own.get(key, type(value)), key
    for key in ("learning_rate", "num_train_epochs"):
        assert type(read[key]) is float
    assert not Path(read["output_dir"]).is_absolute()
    return read
