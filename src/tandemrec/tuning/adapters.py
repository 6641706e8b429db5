"""What programs that tune elsewhere have in common: an adapter's settings, one kind of examples for
each training, and settings as YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from tandemrec.config import Settings
from tandemrec.tuning.examples import Example
from tandemrec.tuning.settings import TuneConfig

PLAIN = "plain"
"What is put behind the name of a set's examples that no chat is around, where it has others too."


class AdapterConfig(Settings):
    """How another program is to tune a LoRA adapter on the sets."""

    model: str = Field(min_length=1)
    """The model's hub id or folder."""
    together: bool = False
    """One adapter for all sets, or one for each, as DALLRec's strategies have."""
    cutoff: PositiveInt = 2048
    """The longest example in tokens; the other program cuts longer ones short and says nothing."""
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

    def steps(self, examples: int) -> int:
        """How many steps all epochs of so many examples take on one device."""
        return -(-examples * self.epochs // (self.batch * self.accumulation))

    def trainer(self, name: str, examples: int) -> dict[str, Any]:
        """As transformers' TrainingArguments, which other programs pass on, have it."""
        return {
            "output_dir": f"saves/{name}",
            "logging_steps": 1,
            "report_to": "none",
            "per_device_train_batch_size": self.batch,
            "gradient_accumulation_steps": self.accumulation,
            "learning_rate": self.learning_rate,
            "num_train_epochs": float(self.epochs),
            "lr_scheduler_type": "cosine",
            "warmup_steps": self.steps(examples) // 10,
            "seed": self.seed,
        }


def near(model: str, tune: TuneConfig) -> dict[str, Any]:
    """Settings as near to a tuning of ours as a LoRA adapter comes. The rate of a tuning of whole
    weights is not taken over, since it would hardly move an adapter."""
    found: dict[str, Any] = {"model": model, "cutoff": tune.context}
    found |= {"epochs": tune.epochs, "seed": tune.seed}
    found |= {} if tune.precision == "auto" else {"precision": tune.precision}
    if tune.method == "lora":
        found |= {"rank": tune.rank, "alpha": max(1, round(tune.alpha))}
        found |= {"dropout": tune.dropout, "learning_rate": tune.learning_rate}
    return found


class Part(NamedTuple):
    """Examples of one kind: all asked in a chat, or all plain text that goes on."""

    name: str
    examples: list[Example]
    plain: bool


def parts(name: str, examples: Sequence[Example]) -> list[Part]:
    """A set's parts of one kind each; none is empty."""
    plain = [each for each in examples if not is_chat(each)]
    chat = [each for each in examples if is_chat(each)]
    called = f"{name}_{PLAIN}" if chat else name
    both = (Part(name, chat, False), Part(called, plain, True))
    return [part for part in both if part.examples]


def is_chat(example: Example) -> bool:
    """Whether the example is asked in a chat, as a model's chat template puts it."""
    return bool(example.prompt.chat or example.prompt.system)


def twice(names: Sequence[str]) -> str | None:
    """The first name that stands there twice, if any."""
    return min((name for name in names if names.count(name) > 1), default=None)


def messages(example: Example, *, answered: bool = True) -> list[dict[str, str]]:
    """The turns of a chat as OpenAI's interface and chat templates have them."""
    system, user, _ = example.prompt
    turns = [("system", system)] if system else []
    turns += [("user", user)] + ([("assistant", example.answer)] if answered else [])
    return [{"role": role, "content": text} for role, text in turns]


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON, a line for each row. A line separator inside a text is escaped: some readers end a line
    there."""
    texts = (json.dumps(row, ensure_ascii=False) for row in rows)
    return "".join(text.translate(_SEPARATORS) + "\n" for text in texts)


_SEPARATORS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


def yaml(settings: Mapping[str, Any]) -> str:
    """Settings as YAML 1.1, a line each."""
    return "".join(f"{key}: {_value(value)}\n" for key, value in settings.items())


def _value(value: Any) -> str:
    """As YAML 1.1 reads it back, to which 1e-05 is a text and 1.0e-05 a number."""
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")
    return text
