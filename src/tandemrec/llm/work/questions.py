"""A folder of work: questions to one language model, in blocks that are answered whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from tandemrec.errors import LLMError
from tandemrec.llm.base import LLM, Prompt
from tandemrec.llm.work.files import put, versions

FILE = "work.json"
"Written last: where it stands, all blocks that it names are whole."
FORMAT = 1


class Question(NamedTuple):
    """A prompt with options, whose log-probabilities are wanted; without, a text is wanted."""

    prompt: Prompt
    options: tuple[str, ...] | None = None
    max_tokens: int = 0

    @property
    def line(self) -> str:
        """The question as JSON: equal questions are equal lines."""
        asked: dict[str, Any] = self.prompt._asdict()
        if self.options is None:
            asked["max_tokens"] = self.max_tokens
        else:
            asked["options"] = list(self.options)
        return json.dumps(asked, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    @property
    def key(self) -> str:
        """A hash of all that is asked; of the model it knows nothing."""
        return hashlib.sha256(self.line.encode()).hexdigest()[:32]

    @classmethod
    def read(cls, line: str) -> Self:
        """What `line` gave. Raises ValueError, KeyError or TypeError for anything else."""
        asked = json.loads(line)
        prompt = Prompt(asked["system"], asked["user"], asked["chat"])
        if "options" in asked:
            return cls(prompt, tuple(asked["options"]))
        return cls(prompt, None, int(asked["max_tokens"]))


class Block(NamedTuple):
    """Questions that are put to the model together: whoever answers them, and however many shards
    there are, the model's batches are the same, and so is the last bit of what it says."""

    name: str
    "A hash of the model and of the questions: no two blocks share answers by mistake."
    questions: int


@dataclass(frozen=True)
class Work:
    """What `work.json` in a folder says: the blocks in their order, and who is to answer them."""

    folder: Path
    model: str
    fingerprint: str
    blocks: tuple[Block, ...]
    llm: str
    "The model's name or folder where the work was written; workers elsewhere may have another."
    adapter: str | None = None
    whole: bool = False
    "Whether the model answers about all options of a question together."
    store: str | None = None
    "The store of answers of the run that asks."

    @property
    def questions(self) -> int:
        """How many there are in all blocks."""
        return sum(block.questions for block in self.blocks)

    @property
    def name(self) -> str:
        """A hash of the model and of all questions in their order."""
        names = "\n".join([self.fingerprint, *(block.name for block in self.blocks)])
        return hashlib.sha256(names.encode()).hexdigest()[:32]

    @property
    def answers(self) -> Path:
        """Where answers go and are looked for, if no other folder is named."""
        return self.folder / "answers"

    def read(self, block: Block) -> list[Question]:
        """A block's questions. Raises LLMError for a missing or a damaged file."""
        file = _file(self.folder, block.name)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise LLMError(f"{file} cannot be read: {error.strerror}. {_AGAIN}") from None
        if _name(self.fingerprint, content) != block.name:
            raise LLMError(f"{file} is damaged: its content is not what its name says. {_AGAIN}")
        return [Question.read(line) for line in content.decode().split("\n")[:-1]]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The work in a folder. Raises LLMError where there is none, or it is damaged."""
        file = Path(folder) / FILE
        try:
            found = json.loads(file.read_bytes())
            if found["format"] != FORMAT:
                raise LLMError(
                    f"{file} has format {found['format']}; this version reads {FORMAT}. {_AGAIN}"
                )
            blocks = tuple(Block(str(name), int(count)) for name, count in found["blocks"])
            told = {name: found[name] for name in _TOLD}
        except FileNotFoundError:
            raise LLMError(f"There is no {file}. {_AGAIN}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LLMError(f"{file} cannot be read ({error}). {_AGAIN}") from None
        return cls(Path(folder), blocks=blocks, **told)


_AGAIN = "Write the work again with `tandemrec run ... --plan FOLDER`, or copy the folder again."
_TOLD = ("model", "fingerprint", "llm", "adapter", "whole", "store")


def write(
    folder: str | Path,
    questions: Iterable[Question],
    llm: LLM,
    *,
    block: int = 64,
    store: str | Path | None = None,
) -> Work:
    """Write questions as work for a language model, `block` at a time and in the order given.

    Those that begin alike are best given one after the other, since a model reads what they share
    once. Questions are taken as they come, so that they need not fit into memory. A work that is
    there already is replaced; its answers are kept. Raises LLMError where there are none.
    """
    folder, fingerprint = Path(folder), llm.fingerprint
    blocks = []
    for part in _cut(questions, block):
        content = "".join(f"{question.line}\n" for question in part).encode()
        blocks.append(Block(_name(fingerprint, content), len(part)))
        file = _file(folder, blocks[-1].name)
        if not file.exists():
            put(file, content)
    if not blocks:
        raise LLMError("There are no questions, so there is no work to write.")
    kept = None if store is None else str(Path(store).absolute())
    whole = bool(getattr(llm, "whole", False))
    work = Work(folder, llm.name, fingerprint, tuple(blocks), *_found(llm), whole, kept)
    told = {name: getattr(work, name) for name in _TOLD}
    told |= {"format": FORMAT, "name": work.name, "questions": work.questions, "blocks": blocks}
    put(folder / FILE, json.dumps(told | {"versions": versions()}, indent=1).encode())
    return work


def _cut(questions: Iterable[Question], size: int) -> Iterator[list[Question]]:
    waiting = iter(questions)
    while part := list(islice(waiting, size)):
        yield part


def _file(folder: Path, name: str) -> Path:
    return folder / "blocks" / f"{name}.jsonl"


def _name(fingerprint: str, content: bytes) -> str:
    return hashlib.sha256(f"{fingerprint}\n".encode() + content).hexdigest()[:32]


def _found(llm: LLM) -> tuple[str, str | None]:
    """By what name, or in which folder, the model and its adapter are found."""
    folder, adapter = getattr(llm, "folder", None), getattr(llm, "adapter", None)
    name = llm.name if folder is None else str(Path(folder).absolute())
    return name, None if adapter is None else str(Path(adapter).absolute())
