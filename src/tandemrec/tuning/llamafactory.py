"""Instruction sets as LLaMA-Factory reads them: data, dataset_info.json, and a training to run.

The rules are those of its data/README.md and of the argument classes of its 0.9.5 release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from tandemrec.config import Settings
from tandemrec.errors import ConfigError
from tandemrec.tuning.examples import Example
from tandemrec.tuning.settings import TuneConfig

INFO, PLAIN = "dataset_info.json", "plain"
EMPTY = "empty"
"LLaMA-Factory's template that adds nothing: a prompt that no chat template is put around goes on."


class LlamaFactoryConfig(Settings):
    """How LLaMA-Factory is to tune a LoRA adapter on the sets."""

    model: str = Field(min_length=1)
    """The model's hub id or folder."""
    template: str | None = None
    """LLaMA-Factory's name of the model's chat template, such as llama3; none leaves it to read the
    template that the model brings."""
    layout: Literal["alpaca", "sharegpt"] = "alpaca"
    """The form of the data: instruction, input, output and system, or a list of messages."""
    together: bool = False
    """One adapter for all sets, or one for each, as DALLRec's strategies have."""
    cutoff: PositiveInt = 2048
    """The longest example in tokens; LLaMA-Factory cuts longer ones short and says nothing."""
    quantization: Literal[4, 8] | None = None
    """Bits of the frozen weights (needs bitsandbytes and a GPU); none leaves them whole. DALLRec
    tunes Llama-3-8B-Instruct with 4."""
    rank: PositiveInt = 16
    """The width of the adapter."""
    alpha: PositiveInt = 32
    """Its scale, divided by the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout before the adapter."""
    learning_rate: PositiveFloat = 1e-4
    """The highest rate; a cosine follows."""
    epochs: PositiveInt = 3
    """How often every example is learnt."""
    batch: PositiveInt = 4
    """Examples that a device reads at a time."""
    accumulation: PositiveInt = 2
    """How many of these make a step."""
    precision: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """The number format of products; a CPU, or a GPU before 2020, wants another."""
    seed: NonNegativeInt = 0
    """Draws the order of the examples and the adapter's first values."""

    @classmethod
    def of(cls, model: str, tune: TuneConfig, given: Mapping[str, Any]) -> LlamaFactoryConfig:
        """As near to a tuning of ours as a LoRA adapter comes, with what is `given` on top. The
        rate of a tuning of whole weights is not taken over, since it would hardly move an adapter.
        """
        template = next(
            (name for start, name in TEMPLATES.items() if model.startswith(start)), None
        )
        found: dict[str, Any] = {"model": model, "template": template, "cutoff": tune.context}
        found |= {"epochs": tune.epochs, "seed": tune.seed}
        found |= {} if tune.precision == "auto" else {"precision": tune.precision}
        if tune.method == "lora":
            found |= {"rank": tune.rank, "alpha": max(1, round(tune.alpha))}
            found |= {"dropout": tune.dropout, "learning_rate": tune.learning_rate}
        return cls.model_validate({**found, **given})


TEMPLATES = {
    "HuggingFaceTB/SmolLM2-": "smollm2",
    "meta-llama/Meta-Llama-3-": "llama3",
    "meta-llama/Llama-3": "llama3",
}
"Where a model's hub id begins like this, LLaMA-Factory has its chat template under this name."


class _Part(NamedTuple):
    """Examples that one template fits."""

    name: str
    examples: list[Example]
    plain: bool


def files(sets: Mapping[str, Sequence[Example]], config: LlamaFactoryConfig) -> dict[str, str]:
    """Every file's text by its name.

    One training has one template, so what is asked in a chat and what is plain text that goes on
    are sets of their own; where there are both, train_plain.yaml goes on with what train.yaml has
    tuned. Trainings of several sets have their names: train-summaries.yaml. An empty set is left
    out: LLaMA-Factory cannot load one. Raises ConfigError for two of one name.
    """
    by_set = {name: _parts(name, examples) for name, examples in sets.items() if examples}
    parts = [part for each in by_set.values() for part in each]
    names = [Path(INFO).stem, *(part.name for part in parts)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"Two files would be called {min(twice)}.json; name a set otherwise.")
    row = ROWS[config.layout]
    data = {_file(part): _array([row(example) for example in part.examples]) for part in parts}
    info = {part.name: _described(part, config) for part in parts}
    found = {**data, INFO: json.dumps(info, indent=2) + "\n"}
    if config.together or len(by_set) == 1:
        return found | _trainings("train", parts, config)
    for name, each in by_set.items():
        found |= _trainings(f"train-{name}", each, config)
    return found


def _parts(name: str, examples: Sequence[Example]) -> list[_Part]:
    plain = [each for each in examples if not (each.prompt.chat or each.prompt.system)]
    chat = [each for each in examples if each.prompt.chat or each.prompt.system]
    called = f"{name}_{PLAIN}" if chat else name
    both = (_Part(name, chat, False), _Part(called, plain, True))
    return [part for part in both if part.examples]


def _file(part: _Part) -> str:
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


def _described(part: _Part, config: LlamaFactoryConfig) -> dict[str, Any]:
    columns = COLUMNS[config.layout]
    return {"file_name": _file(part), "formatting": config.layout, "columns": columns}


def _array(rows: Sequence[Mapping[str, Any]]) -> str:
    """A JSON array with a line for each row."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n"


def _trainings(name: str, parts: Sequence[_Part], config: LlamaFactoryConfig) -> dict[str, str]:
    """A training, or two: the second goes on with the adapter of the first."""
    texts, before = dict[str, str](), None
    for plain in sorted({part.plain for part in parts}):
        called = name if before is None else f"{name}_{PLAIN}"
        own = [part for part in parts if part.plain is plain]
        told = _training(own, config, EMPTY if plain else config.template, called, before)
        texts[f"{called}.yaml"] = _yaml(told, f"{called}.yaml", before)
        before = told["output_dir"]
    return texts


def _training(
    parts: Sequence[_Part],
    config: LlamaFactoryConfig,
    template: str | None,
    name: str,
    adapter: str | None,
) -> dict[str, Any]:
    """Every setting of a training that differs from LLaMA-Factory's own, or that should be seen."""
    read = sum(len(part.examples) for part in parts) * config.epochs
    steps = -(-read // (config.batch * config.accumulation))
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
        "dataset": ",".join(part.name for part in parts),
        **({} if template is None else {"template": template}),
        "cutoff_len": config.cutoff,
        "output_dir": f"saves/{name}",
        "logging_steps": 1,
        "report_to": "none",
        "per_device_train_batch_size": config.batch,
        "gradient_accumulation_steps": config.accumulation,
        "learning_rate": config.learning_rate,
        "num_train_epochs": float(config.epochs),
        "lr_scheduler_type": "cosine",
        "warmup_steps": steps // 10,
        **PRECISIONS[config.precision],
        "seed": config.seed,
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
    return head + "".join(f"{key}: {_scalar(value)}\n" for key, value in settings.items())


def _scalar(value: str | bool | int | float) -> str:
    """A value as YAML 1.1 reads it back, to which 1e-05 is a text and 1.0e-05 a number."""
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")
    return text
