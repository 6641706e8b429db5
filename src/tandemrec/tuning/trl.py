"""Instruction sets as TRL's SFTTrainer reads them: prompts and completions, and a training to run.

The rules are those of TRL's page on dataset formats (prompt-completion, standard and
conversational) and of the argument classes of its 1.16 release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandemrec.errors import ConfigError, DataError
from tandemrec.llm.base import Prompt
from tandemrec.oneline import short
from tandemrec.tuning.adapters import (
    PLAIN,
    AdapterConfig,
    Part,
    lines,
    messages,
    near,
    parts,
    twice,
    yaml,
)
from tandemrec.tuning.examples import Example
from tandemrec.tuning.settings import TuneConfig


class TrlConfig(AdapterConfig):
    """How TRL is to tune a LoRA adapter on the sets."""

    @classmethod
    def of(cls, model: str, tune: TuneConfig, given: Mapping[str, Any]) -> TrlConfig:
        """As near to a tuning of ours as a LoRA adapter comes, with what is `given` on top."""
        return cls.model_validate({**near(model, tune), **given})


def files(sets: Mapping[str, Sequence[Example]], config: TrlConfig) -> dict[str, str]:
    """Every file's text by its name.

    A table of TRL's holds texts or lists of messages, not both: what is asked in a chat and what is
    plain text that goes on are files and trainings of their own. A training of one set by itself is
    called sft.yaml, those of several have their names: sft-summaries.yaml. An empty set is left
    out. Raises ConfigError for two files of one name.
    """
    by_set = {name: parts(name, examples) for name, examples in sets.items() if examples}
    every = [part for each in by_set.values() for part in each]
    if name := twice([part.name for part in every]):
        raise ConfigError(f"Two files would be called {name}.jsonl; name a set otherwise.")
    found = {
        _file(part): lines([_row(each, part.plain) for each in part.examples]) for part in every
    }
    if config.together or len(by_set) == 1:
        return found | _trainings("sft", every, config)
    for name, own in by_set.items():
        found |= _trainings(f"sft-{name}", own, config)
    return found


def read(file: str | Path) -> list[Example]:
    """The examples of such a file, of either kind or of both.

    Raises DataError, with the line, for what is no prompt and completion of a single turn.
    """
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {short(error, 120)}.", file=path) from None
    # A text may hold other marks that str.splitlines takes for the end of a line.
    rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not rows:
        raise DataError("has no examples.", file=path)
    return [_example(line, path, number) for number, line in rows]


def _example(line: str, file: Path, number: int) -> Example:
    try:
        match json.loads(line):
            case {"prompt": str(prompt), "completion": str(answer)}:
                return Example(Prompt("", prompt, chat=False), answer)
            case {
                "prompt": [*asked],
                "completion": [{"role": "assistant", "content": str(answer)}],
            }:
                system, user = _turns(asked)
                return Example(Prompt(system, user), answer)
        problem = "is neither of the two"
    except ValueError as error:
        problem = f"is not: {short(error, 100)}"
    raise DataError(
        f"a line holds a prompt and its completion, both texts or both lists of messages (system, "
        f"user; assistant). This one {problem}.",
        file=file,
        line=number,
        remedy="`tandemrec export --instructions trl` writes such files.",
    )


def _turns(asked: Sequence[Any]) -> tuple[str, str]:
    """The system's text and the user's. Raises ValueError for other turns."""
    match asked:
        case [{"role": "user", "content": str(user)}]:
            return "", user
        case [{"role": "system", "content": str(system)}, {"role": "user", "content": str(user)}]:
            return system, user
    raise ValueError("the prompt is not a user's turn, with a system's before it or without")


def _file(part: Part) -> str:
    return f"{part.name}.jsonl"


def _row(example: Example, plain: bool) -> dict[str, Any]:
    if plain:
        return {"prompt": example.prompt.user, "completion": example.answer}
    *asked, answer = messages(example)
    return {"prompt": asked, "completion": [answer]}


def _trainings(name: str, own: Sequence[Part], config: TrlConfig) -> dict[str, str]:
    """A training for each kind of examples that there is."""
    texts = {}
    kinds = sorted({part.plain for part in own})
    for plain in kinds:
        called = f"{name}_{PLAIN}" if plain and len(kinds) > 1 else name
        alike = [part for part in own if part.plain is plain]
        head = f"# Run it in this folder: trl sft --config {called}.yaml\n"
        texts[f"{called}.yaml"] = head + yaml(_training(alike, config, called))
    return texts


def _training(own: Sequence[Part], config: TrlConfig, name: str) -> dict[str, Any]:
    """Every setting of a training that differs from TRL's own, or that should be seen."""
    bits = {} if config.quantization is None else {f"load_in_{config.quantization}bit": True}
    return {
        "model_name_or_path": config.model,
        **bits,
        "datasets": [{"path": "json", "data_files": _file(part)} for part in own],
        "completion_only_loss": True,
        "max_length": config.cutoff,
        "use_peft": True,
        "lora_target_modules": ["all-linear"],
        "lora_r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        **config.trainer(name, sum(len(part.examples) for part in own)),
        "bf16": config.precision == "bfloat16",  # TRL's own is true
        "fp16": config.precision == "float16",
    }
