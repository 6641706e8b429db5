"""Instruction sets as LLaMA-Factory reads them: data, dataset_info.json, and a training to run.

The rules are those of its data/README.md and of the argument classes of its 0.9.5 release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tandemrec.errors import ConfigError
from tandemrec.tuning.adapters import PLAIN, AdapterConfig, Part, near, parts, twice, yaml
from tandemrec.tuning.examples import Example
from tandemrec.tuning.settings import TuneConfig

INFO = "dataset_info.json"
EMPTY = "empty"
"LLaMA-Factory's template that adds nothing: a prompt that no chat template is put around goes on."


class LlamaFactoryConfig(AdapterConfig):
    """How LLaMA-Factory is to tune a LoRA adapter on the sets."""

    template: str | None = None
    """LLaMA-Factory's name of the model's chat template, such as llama3; none leaves it to read the
    template that the model brings."""
    layout: Literal["alpaca", "sharegpt"] = "alpaca"
    """The form of the data: instruction, input, output and system, or a list of messages."""

    @classmethod
    def of(cls, model: str, tune: TuneConfig, given: Mapping[str, Any]) -> LlamaFactoryConfig:
        """As near to a tuning of ours as a LoRA adapter comes, with what is `given` on top."""
        template = next(
            (name for start, name in TEMPLATES.items() if model.startswith(start)), None
        )
        return cls.model_validate({**near(model, tune), "template": template, **given})


TEMPLATES = {
    "HuggingFaceTB/SmolLM2-": "smollm2",
    "meta-llama/Meta-Llama-3-": "llama3",
    "meta-llama/Llama-3": "llama3",
}
"Where a model's hub id begins like this, LLaMA-Factory has its chat template under this name."


def files(sets: Mapping[str, Sequence[Example]], config: LlamaFactoryConfig) -> dict[str, str]:
    """Every file's text by its name.

    One training has one template, so what is asked in a chat and what is plain text that goes on
    are sets of their own; where there are both, train_plain.yaml goes on with what train.yaml has
    tuned. Trainings of several sets have their names: train-summaries.yaml. An empty set is left
    out: LLaMA-Factory cannot load one. Raises ConfigError for two of one name.
    """
    by_set = {name: parts(name, examples) for name, examples in sets.items() if examples}
    every = [part for each in by_set.values() for part in each]
    if name := twice([Path(INFO).stem, *(part.name for part in every)]):
        raise ConfigError(f"Two files would be called {name}.json; name a set otherwise.")
    row = ROWS[config.layout]
    data = {_file(part): _array([row(example) for example in part.examples]) for part in every}
    info = {part.name: _described(part, config) for part in every}
    found = {**data, INFO: json.dumps(info, indent=2) + "\n"}
    if config.together or len(by_set) == 1:
        return found | _trainings("train", every, config)
    for name, each in by_set.items():
        found |= _trainings(f"train-{name}", each, config)
    return found


def _file(part: Part) -> str:
    return f"{part.name}.json"


def _alpaca(example: Example) -> dict[str, Any]:
    """All of the question in `instruction`: a line break would be put before an `input`."""
    system, user, _ = example.prompt
    return {"instruction": user, "input": "", "output": example.answer, "system": system}


def _sharegpt(example: Example) -> dict[str, Any]:
    turns = [("human", example.prompt.user), ("gpt", example.answer)]
    told = [{"from": role, "value": text} for role, text in turns]
    return {"conversations": told, "system": example.prompt.system}


ROWS = {"alpaca": _alpaca, "sharegpt": _sharegpt}
COLUMNS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output", "system": "system"},
    "sharegpt": {"messages": "conversations", "system": "system"},
}
"What LLaMA-Factory calls a column: what it is called in the data."


def _described(part: Part, config: LlamaFactoryConfig) -> dict[str, Any]:
    columns = COLUMNS[config.layout]
    return {"file_name": _file(part), "formatting": config.layout, "columns": columns}


def _array(rows: Sequence[Mapping[str, Any]]) -> str:
    """A JSON array with a line for each row."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n"


def _trainings(name: str, own: Sequence[Part], config: LlamaFactoryConfig) -> dict[str, str]:
    """A training, or two: the second goes on with the adapter of the first."""
    texts, before = dict[str, str](), None
    for plain in sorted({part.plain for part in own}):
        called = name if before is None else f"{name}_{PLAIN}"
        alike = [part for part in own if part.plain is plain]
        told = _training(alike, config, EMPTY if plain else config.template, called, before)
        texts[f"{called}.yaml"] = _yaml(told, f"{called}.yaml", before)
        before = told["output_dir"]
    return texts


def _training(
    own: Sequence[Part],
    config: LlamaFactoryConfig,
    template: str | None,
    name: str,
    adapter: str | None,
) -> dict[str, Any]:
    """Every setting of a training that differs from LLaMA-Factory's own, or that should be seen."""
    return {
        "model_name_or_path": config.model,
        **({} if adapter is None else {"adapter_name_or_path": adapter}),
        **({} if config.quantization is None else {"quantization_bit": config.quantization}),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_target": "all",
        "lora_rank": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "dataset_dir": ".",
        "dataset": ",".join(part.name for part in own),
        **({} if template is None else {"template": template}),
        "cutoff_len": config.cutoff,
        **config.trainer(name, sum(len(part.examples) for part in own)),
        **PRECISIONS[config.precision],
    }


PRECISIONS: dict[str, dict[str, bool]] = {
    "bfloat16": {"bf16": True},
    "float16": {"fp16": True},
    "float32": {},
}


def _yaml(settings: Mapping[str, Any], name: str, after: str | None) -> str:
    head = f"# Run it in this folder: llamafactory-cli train {name}\n"
    if after is not None:
        head += f"# It goes on with the adapter in {after}, which is made first.\n"
    return head + yaml(settings)
