"""Instruction sets for OpenAI's interface: questions as a batch, and chats to tune a model on.

The rules are those of OpenAI's reference of batches (one endpoint and one model in a file, at most
50,000 requests and 200 MB), files and fine-tuning, as its Python package 3 has them. vLLM's
`run-batch` and other servers read the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveInt

from tandemrec.config import Settings
from tandemrec.errors import ConfigError
from tandemrec.tuning.adapters import Part, is_chat, lines, messages, parts, twice
from tandemrec.tuning.examples import Example
from tandemrec.tuning.settings import TuneConfig

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ROWS, BYTES = 50_000, 200_000_000
"The most requests, and the largest size, of a batch's file."
FEWEST, TUNING_BYTES = 10, 512_000_000
"The fewest examples, and the largest size, of a file to tune on."


class BatchConfig(Settings):
    """How the questions of the sets are asked."""

    model: str = Field(min_length=1)
    """The model as the server calls it."""
    max_tokens: PositiveInt = 64
    """The longest answer."""
    temperature: NonNegativeFloat | None = 0.0
    """0 asks for the likeliest answer; none leaves it out, which some models demand."""
    rows: int = Field(default=ROWS, ge=1, le=ROWS)
    """At most so many requests in a file."""
    size: int = Field(default=BYTES, ge=1000, le=BYTES)
    """At most so many bytes in a file."""

    @classmethod
    def of(cls, model: str, tune: TuneConfig, given: Mapping[str, Any]) -> BatchConfig:
        """The questions of that model, with what is `given` on top."""
        return cls.model_validate({"model": model, **given})


class ChatsConfig(Settings):
    """There is nothing to set: model, epochs and rate are told to OpenAI with the tuning job."""

    @classmethod
    def of(cls, model: str, tune: TuneConfig, given: Mapping[str, Any]) -> ChatsConfig:
        """Raises ConfigError for any setting."""
        return cls.model_validate(dict(given))


def batches(sets: Mapping[str, Sequence[Example]], config: BatchConfig) -> dict[str, str]:
    """Every file's text by its name; answers are left out.

    A file has one endpoint, so chats and plain texts are files of their own; one that would be over
    a limit is cut in several. A request's `custom_id` is its set's name and its place there, from
    0, as answers come back in any order. Raises ConfigError for two files of one name, and for a
    single request over the limit.
    """
    every = [part for name, each in sets.items() for part in parts(name, each)]
    found: list[tuple[str, str]] = []
    for part in every:
        texts = list(
            _portions([_request(part, n, config) for n in range(len(part.examples))], config)
        )
        ends = [""] if len(texts) == 1 else [f"-{n:03d}" for n in range(1, len(texts) + 1)]
        found += [(f"{part.name}{end}.jsonl", text) for end, text in zip(ends, texts, strict=True)]
    if name := twice([name for name, _ in found]):
        raise ConfigError(f"Two files would be called {name}; name a set otherwise.")
    return dict(found)


def _request(part: Part, number: int, config: BatchConfig) -> dict[str, Any]:
    example = part.examples[number]
    body: dict[str, Any] = {"model": config.model}
    if part.plain:
        body |= {"prompt": example.prompt.user, "max_tokens": config.max_tokens}
    else:
        body |= {"messages": messages(example, answered=False)}
        body |= {"max_completion_tokens": config.max_tokens}
    body |= {} if config.temperature is None else {"temperature": config.temperature}
    url = COMPLETIONS if part.plain else CHAT
    return {"custom_id": f"{part.name}-{number}", "method": "POST", "url": url, "body": body}


def _portions(requests: Sequence[Mapping[str, Any]], config: BatchConfig) -> Iterator[str]:
    """The requests' lines, in as many texts as the limits ask for."""
    held: list[str] = []
    size = 0
    for request in requests:
        line = lines([request])
        weight = len(line.encode(errors="surrogatepass"))
        if weight > config.size:
            raise ConfigError(
                f"Request {request['custom_id']} has {weight:,} bytes; a file has at most "
                f"{config.size:,}. Show shorter histories."
            )
        if len(held) == config.rows or size + weight > config.size:
            yield "".join(held)
            held, size = [], 0
        held.append(line)
        size += weight
    yield "".join(held)


def chats(sets: Mapping[str, Sequence[Example]], config: ChatsConfig) -> dict[str, str]:
    """A file of chats for each set; an empty set is left out.

    Raises ConfigError for plain texts, which OpenAI's chat models are not tuned on, and for fewer
    examples or more bytes than OpenAI takes.
    """
    found = {}
    for name, examples in sets.items():
        if not examples:
            continue
        _check(name, examples)
        text = lines([{"messages": messages(example)} for example in examples])
        if len(text.encode(errors="surrogatepass")) > TUNING_BYTES:
            raise ConfigError(f"{name}.jsonl would be over {TUNING_BYTES:,} bytes; tune on fewer.")
        found[f"{name}.jsonl"] = text
    return found


def _check(name: str, examples: Sequence[Example]) -> None:
    plain = sum(not is_chat(example) for example in examples)
    if plain:
        raise ConfigError(
            f"{plain} of the {len(examples)} examples of {name} are plain text that goes on; "
            "OpenAI tunes chat models. Export a run that asks in chats, such as one with the "
            "preset paper, or take another format."
        )
    if len(examples) < FEWEST:
        raise ConfigError(f"{name} has {len(examples)} examples; OpenAI tunes on {FEWEST} or more.")
