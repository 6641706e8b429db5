"""Instruction sets as files that other programs tune on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tandemrec.config import Settings
from tandemrec.errors import ConfigError, RunError, UnknownName
from tandemrec.oneline import short
from tandemrec.tuning import llamafactory, openai, trl
from tandemrec.tuning.examples import Example
from tandemrec.tuning.settings import TuneConfig
from tandemrec.writing import explained, whole

Sets = Mapping[str, Sequence[Example]]
"Examples by the name of their set."


class Format(NamedTuple):
    """A program's way to read instruction sets."""

    about: str
    config: Callable[[str, TuneConfig, Mapping[str, Any]], Any]
    "Its settings, from a model's name, a tuning of ours, and what is given on top of it."
    files: Callable[[Sets, Any], Mapping[str, str]]
    "Every file's text by its name, from the sets and such settings."


FORMATS: dict[str, Format] = {
    "llamafactory": Format(
        "LLaMA-Factory: data, dataset_info.json and train.yaml",
        llamafactory.LlamaFactoryConfig.of,
        llamafactory.files,
    ),
    "trl": Format(
        "TRL: prompts and completions, and a training for `trl sft`; `tandemrec tune` reads them",
        trl.TrlConfig.of,
        trl.files,
    ),
    "openai-batch": Format(
        "the questions as OpenAI's batches, which vLLM's run-batch reads too",
        openai.BatchConfig.of,
        openai.batches,
    ),
    "openai-tuning": Format(
        "chats to tune one of OpenAI's models on", openai.ChatsConfig.of, openai.chats
    ),
}
"Format names, as `tandemrec export --instructions` takes them."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Exported(NamedTuple):
    """What was written."""

    files: tuple[Path, ...]
    counts: Mapping[str, int]  # examples of each set


def format_of(name: str) -> Format:
    """The format of that name; raises UnknownName, which guesses, for another."""
    if name not in FORMATS:
        raise UnknownName("format of instructions", name, FORMATS)
    return FORMATS[name]


def export(sets: Sets, out: str | Path, name: str, config: Settings) -> Exported:
    """Write the sets into a folder, in the format of that name and with its own kind of `config`.

    Equal sets and settings give the same bytes. All files are written beside their places first, so
    that an error leaves what was there. Raises UnknownName, ConfigError where a set's name is no
    plain word or there is no example at all, and RunError where the disk takes no more.
    """
    form, counts = format_of(name), {each: len(examples) for each, examples in sets.items()}
    for each in counts:
        _check_name(each)
    if not sum(counts.values()):
        raise ConfigError("There is no example to write: every instruction set is empty.")
    texts = {file: _encoded(text, file) for file, text in form.files(sets, config).items()}
    return Exported(_written(texts, Path(out)), counts)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"A set's name becomes a file's: letters, digits, - and _. Received: {short(name)!r}."
        )


def _encoded(text: str, file: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        odd = short(ascii(text[max(error.start - 30, 0) : error.start + 10]))
        raise ConfigError(f"{file} would hold what is no text: {odd}. Mend that title.") from None


def _written(texts: Mapping[str, bytes], out: Path) -> tuple[Path, ...]:
    places = {out / name: text for name, text in texts.items()}
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; name a folder with --out.")
    with explained(out), ExitStack() as files:
        out.mkdir(parents=True, exist_ok=True)
        for place, text in places.items():
            files.enter_context(whole(place)).write_bytes(text)
    return tuple(places)
