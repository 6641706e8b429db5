"""LLaMA-Factory's documented rules, as a reader of an exported folder.

From its data/README.md (keys of dataset_info.json, columns of both layouts, order of the roles) and
from the argument classes of its 0.9.5 release; what is left are settings of transformers' trainer.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tuning.trainer_rules import settings

ABOUT_DATA = {"file_name", "formatting", "ranking", "subset", "split", "num_samples", "columns"}
COLUMNS = {
    "alpaca": {"prompt", "query", "response", "history", "system", "tools"},
    "sharegpt": {"messages", "system", "tools"},
}
DEFAULTS = {"prompt": "instruction", "query": "input", "response": "output"}
NEEDED = {"alpaca": {"prompt", "response"}, "sharegpt": {"messages"}}
KINDS = {".json", ".jsonl", ".csv", ".parquet", ".arrow"}
OWN = {
    "model_name_or_path": str,
    "adapter_name_or_path": str,
    "quantization_bit": int,
    "stage": str,
    "finetuning_type": str,
    "lora_target": str,
    "lora_rank": int,
    "lora_alpha": int,
    "lora_dropout": float,
    "dataset_dir": str,
    "dataset": str,
    "template": str,
    "cutoff_len": int,
}
"LLaMA-Factory's own settings of a training that ours have."
TEMPLATES = {"empty", "smollm2", "llama3"}


class Seen(NamedTuple):
    """An example as a model of LLaMA-Factory would see it."""

    system: str
    user: str
    answer: str
    template: str | None


def training(folder: Path, name: str) -> dict[str, Any]:
    """A training's settings, each known and of its kind."""
    read = settings(folder / name, OWN)
    assert read["stage"] == "sft" and read["do_train"] is True
    assert read["finetuning_type"] == "lora"
    assert read.get("template") in TEMPLATES | {None}
    return read


def seen(folder: Path, name: str) -> list[Seen]:
    """The examples of a training, in the order of its sets."""
    told = training(folder, name)
    place = folder / told["dataset_dir"]
    info = json.loads((place / "dataset_info.json").read_bytes().decode("ascii"))
    return [
        Seen(*row, told.get("template"))
        for called in told["dataset"].split(",")
        for row in _rows(place, info[called])
    ]


def _rows(folder: Path, about: dict[str, Any]) -> list[tuple[str, str, str]]:
    layout = about.get("formatting", "alpaca")
    # A column that is not described is not read, as soon as any is.
    columns = about.get("columns", DEFAULTS)
    assert set(about) <= ABOUT_DATA
    assert NEEDED[layout] <= set(columns) <= COLUMNS[layout]
    file = folder / about["file_name"]
    assert file.suffix in KINDS
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert rows  # an empty file cannot be loaded
    for row in rows:
        assert set(row) == set(columns.values())
    return [_READ[layout](row, columns) for row in rows]


def _alpaca(row: dict[str, Any], columns: dict[str, str]) -> tuple[str, str, str]:
    parts = [row[columns["prompt"]], row[columns["query"]]]
    assert isinstance(row[columns["response"]], str)
    return row[columns["system"]], "\n".join(filter(None, parts)), row[columns["response"]]


def _sharegpt(row: dict[str, Any], columns: dict[str, str]) -> tuple[str, str, str]:
    user, answer = row[columns["messages"]]
    assert (user["from"], answer["from"]) == ("human", "gpt")
    return row[columns["system"]], user["value"], answer["value"]


_READ = {"alpaca": _alpaca, "sharegpt": _sharegpt}
