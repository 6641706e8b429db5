"""A part: one block's answers, in a file that says who gave them and checks itself."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tandemrec.errors import LLMError
from tandemrec.llm.answers import Remembering
from tandemrec.llm.base import EXACT, Choice
from tandemrec.llm.work.files import put, versions
from tandemrec.llm.work.questions import Block, Question, Work

Answer = str | Choice


class Part(NamedTuple):
    """A part that is whole: its file, and its lines, one for each question in their order."""

    file: Path
    lines: list[str]

    @property
    def sha256(self) -> str:
        """Of the lines."""
        return _sha256(self.lines)

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """What the lines say. Raises LLMError where they are no answers to these questions."""
        try:
            found = [json.loads(line) for line in self.lines]
            if [answer["key"] for answer in found] != [question.key for question in questions]:
                raise ValueError("its keys are of other questions")
            return [_read(q, answer) for q, answer in zip(questions, found, strict=True)]
        except (ValueError, KeyError, TypeError) as error:
            raise LLMError(
                f"{self.file} holds no answers to its block ({error}). {_DELETE}"
            ) from None


def file_of(folder: Path, block: Block) -> Path:
    """Where a block's answers are in a folder of answers."""
    return folder / f"{block.name}.jsonl"


def save(folder: Path, work: Work, block: Block, lines: list[str]) -> Part:
    """Write a part. Who writes the same block at the same time replaces it by an equal one."""
    head = {
        "block": block.name,
        "answers": len(lines),
        "sha256": _sha256(lines),
        "model": work.model,
        "fingerprint": work.fingerprint,
        "versions": versions(),
    }
    whole = "".join(f"{line}\n" for line in [json.dumps(head), *lines])
    file = file_of(folder, block)
    put(file, whole.encode())
    return Part(file, lines)


def load(folder: Path, work: Work, block: Block) -> Part | None:
    """A block's answers, or None where the folder has none.

    Raises LLMError for a damaged file, and for the answers of another model.
    """
    file = file_of(folder, block)
    try:
        head, *lines = file.read_bytes().decode().split("\n")[:-1]
        told = json.loads(head)
        sound = told["sha256"] == _sha256(lines) and told["answers"] == block.questions
        other = told["fingerprint"] != work.fingerprint
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LLMError(f"{file} cannot be read ({error}). {_DELETE}") from None
    if not sound or len(lines) != block.questions:
        raise LLMError(
            f"{file} is damaged: its answers are not what its first line says. {_DELETE}"
        )
    if other:
        raise LLMError(
            f"{file} was answered by another model: {told['model']!r}, fingerprint "
            f"{told['fingerprint']}; {work.folder} asks {work.model!r}, fingerprint "
            f"{work.fingerprint}. {_DELETE}"
        )
    return Part(file, lines)


_DELETE = "Delete it, and have its shard answered again."


def _sha256(lines: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def asked(asking: Remembering, questions: Sequence[Question]) -> Iterator[Answer]:
    """The answers in the order of the questions; all of a kind are put at once."""
    choosing = [question for question in questions if question.options is not None]
    options = [list(question.options or ()) for question in choosing]
    choices = iter(asking.choose([question.prompt for question in choosing], options))
    texts: dict[int, Iterator[str]] = {}
    for limit in sorted({each.max_tokens for each in questions if each.options is None}):
        same = [q.prompt for q in questions if q.options is None and q.max_tokens == limit]
        texts[limit] = iter(asking.generate(same, max_tokens=limit))
    for question in questions:
        if question.options is None:
            yield next(texts[question.max_tokens])
        else:
            yield next(choices)


def line_of(question: Question, answer: Answer) -> str:
    """An answer as JSON. Numbers give the same float32 when they are read, and what is no number
    stands by its name, since JSON has no word for it."""
    told: dict[str, Any] = {"key": question.key}
    if isinstance(answer, str):
        told["text"] = answer
    else:
        told["logprobs"] = [_plain(value) for value in answer.logprobs]
        told["tokens"] = [int(count) for count in answer.tokens]
        if answer.way != EXACT:
            told |= {"way": answer.way, "missing": _plain(answer.missing)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _plain(value: float | np.floating[Any]) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


def _read(question: Question, found: Mapping[str, Any]) -> Answer:
    """What `line_of` wrote."""
    if question.options is None:
        return str(found["text"])
    logprobs = np.array([float(value) for value in found["logprobs"]], dtype=np.float32)
    tokens = np.array(found["tokens"], dtype=np.int64)
    if not len(logprobs) == len(tokens) == len(question.options):
        raise ValueError(f"question {question.key} has another number of options")
    return Choice(logprobs, tokens, found.get("way", EXACT), float(found.get("missing", 0.0)))
