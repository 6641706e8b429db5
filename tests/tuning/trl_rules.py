"""TRL's documented rules, as a reader of an exported folder.

From its page "Dataset formats and types" (prompt-completion, standard and conversational; all rows
of a data set are of one form) and from the argument classes of its 1.16 release; what is left are
settings of transformers' trainer.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tuning.trainer_rules import settings

OWN = {
    "model_name_or_path": str,
    "datasets": list,
    "completion_only_loss": bool,
    "max_length": int,
    "use_peft": bool,
    "lora_target_modules": list,
    "lora_r": int,
    "lora_alpha": int,
    "lora_dropout": float,
    "load_in_4bit": bool,
    "load_in_8bit": bool,
}
"TRL's own settings of a training that ours have."
ROLES = {"system", "user", "assistant"}


class Seen(NamedTuple):
    """An example as TRL would see it."""

    system: str
    user: str
    answer: str
    chat: bool


def training(folder: Path, name: str) -> dict[str, Any]:
    """A training's settings, each known and of its kind."""
    read = settings(folder / name, OWN)
    assert not (read["bf16"] and read["fp16"])
    return read


def seen(folder: Path, name: str) -> list[Seen]:
    """The examples of a training, in the order of its files."""
    found: list[Seen] = []
    for part in training(folder, name)["datasets"]:
        assert set(part) == {"path", "data_files"} and part["path"] == "json"
        text = (folder / part["data_files"]).read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]  # as readers cut lines that
        assert rows  # know more ends of a line than \n
        found += [_seen(row) for row in rows]
    assert len({row.chat for row in found}) == 1
    return found


def _seen(row: dict[str, Any]) -> Seen:
    assert set(row) == {"prompt", "completion"}
    if isinstance(row["prompt"], str):
        assert isinstance(row["completion"], str)
        return Seen("", row["prompt"], row["completion"], chat=False)
    for turn in row["prompt"] + row["completion"]:
        assert set(turn) == {"role", "content"} and turn["role"] in ROLES
        assert isinstance(turn["content"], str)
    *system, user = row["prompt"]
    assert [turn["role"] for turn in system] in ([], ["system"]) and user["role"] == "user"
    (answer,) = row["completion"]
    assert answer["role"] == "assistant"
    told = system[0]["content"] if system else ""
    return Seen(told, user["content"], answer["content"], chat=True)
