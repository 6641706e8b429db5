"""The answers of all shards in one file, and in the store where the run that asks finds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tandemrec.errors import LLMError
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import WAYS, Choice, Prompt
from tandemrec.llm.work import parts
from tandemrec.llm.work.files import put, whole
from tandemrec.llm.work.parts import Answer, Part
from tandemrec.llm.work.questions import Block, Question, Work
from tandemrec.oneline import counted
from tandemrec.progress import Progress, silent

Value = tuple[np.float32, np.int64, str, float]
"An option's log-probability, its tokens, how that came about, and what is missing."


class Merged(NamedTuple):
    """The file of all answers, in the order of the work's questions."""

    file: Path
    sha256: str
    answers: int
    new: int
    "Questions that the store had no answer to, or not to all options."


def merge(
    work: Work,
    folders: Sequence[str | Path] = (),
    *,
    into: str | Path | None = None,
    progress: Progress = silent,
) -> Merged:
    """Put the answers in the folders together, in a file and in the store `into`.

    By default those in the work's own folder, and the store of the run that asks. The file is the
    same to the last byte however many shards and folders there were, in whatever order. Raises
    LLMError where a block has no answers, where a part is of another model or damaged, and where
    two answers to one question differ, be it in two folders, in two blocks, or in the store.
    """
    places = [Path(folder) for folder in folders] or [work.answers]
    _complete(work, places)
    file = work.folder / "merged" / f"{work.name}.jsonl"
    digest = hashlib.sha256()
    with whole(file) as stream:
        for block in work.blocks:
            content = "".join(f"{line}\n" for line in _one(work, block, places).lines).encode()
            digest.update(content)
            stream.write(content)
    new = _stored(work, places, into or work.store, progress)
    merged = Merged(file, digest.hexdigest(), work.questions, new)
    told = {"sha256": merged.sha256, "answers": merged.answers, "blocks": len(work.blocks)}
    told |= {"model": work.model, "fingerprint": work.fingerprint}
    put(file.with_suffix(".json"), json.dumps(told, indent=1).encode())
    return merged


def _complete(work: Work, places: Sequence[Path]) -> None:
    """Every block is answered somewhere. Raises LLMError."""
    missing = [
        block for block in work.blocks if not any(parts.file_of(p, block).exists() for p in places)
    ]
    if missing:
        raise LLMError(
            f"Of {counted(len(work.blocks), 'block')} of {work.folder}, {len(missing)} have no "
            f"answers in {', '.join(map(str, places))}; the first is {missing[0].name}. Name the "
            "other shards' folders too, or start the shards again that did not end: they go on."
        )


def _one(work: Work, block: Block, places: Sequence[Path]) -> Part:
    """A block's part; others that hold it too are equal. Raises LLMError."""
    every = [parts.load(place, work, block) for place in places]
    found = [part for part in every if part is not None]
    for other in found[1:]:
        if other.lines != found[0].lines:
            pairs = zip(work.read(block), found[0].lines, other.lines, strict=True)
            question = next(question for question, one, two in pairs if one != two)
            raise _conflict(question, found[0].file, other.file)
    return found[0]


def _conflict(question: Question, one: Path, other: Path) -> LLMError:
    start = " ".join(question.prompt.user.split())[:60]
    return LLMError(
        f"{one} and {other} answer one question differently: {question.key}, {start!r}. A model "
        "that draws its answers, or another version or machine, does so. Delete one of the two, "
        "and merge again."
    )


def _stored(work: Work, places: Sequence[Path], into: str | Path | None, progress: Progress) -> int:
    """Put all answers into the store; gives how many questions were new to it."""
    if into is None:
        return 0
    new = 0
    with AnswerStore(into) as store:
        for done, block in enumerate(work.blocks, 1):
            new += _remembered(work, block, _one(work, block, places), store)
            progress("merging", done, len(work.blocks))
    return new


def _remembered(work: Work, block: Block, part: Part, store: AnswerStore) -> int:
    """Have a model that reads the part asked: the store then has what it takes a run to find it,
    and what it had before shows where it differs."""
    questions = work.read(block)
    told = part.answers(questions)
    asking = Remembering(Recorded(work, questions, told), store)
    known = parts.asked(asking, questions)
    for question, mine, stored in zip(questions, told, known, strict=True):
        if not _equal(mine, stored):
            raise _conflict(question, part.file, store.path)
    return asking.asked


def _equal(one: Answer, other: Answer) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    numbers = np.array_equal(one.logprobs, other.logprobs, equal_nan=True)
    same = np.array_equal(one.tokens, other.tokens) and one.way == other.way
    return numbers and same and one.missing == other.missing


class Recorded:
    """A language model that reads its answers off a part."""

    def __init__(
        self, work: Work, questions: Sequence[Question], answers: Sequence[Answer]
    ) -> None:
        self.name, self.fingerprint, self.whole = work.model, work.fingerprint, work.whole
        self._texts: dict[tuple[Prompt, int], str] = {}
        self._choices: dict[tuple[Prompt, tuple[str, ...]], dict[str, Value]] = {}
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, str):
                self._texts.setdefault((question.prompt, question.max_tokens), answer)
                continue
            options = question.options or ()
            values = self._choices.setdefault(self._together(question.prompt, options), {})
            pairs = zip(answer.logprobs, answer.tokens, strict=True)
            for option, (logprob, tokens) in zip(options, pairs, strict=True):
                values.setdefault(option, (logprob, tokens, answer.way, answer.missing))

    def _together(self, prompt: Prompt, options: Sequence[str]) -> tuple[Prompt, tuple[str, ...]]:
        """Whose answers belong together: of a model that answers about all options together, those
        of one list."""
        return prompt, tuple(options) if self.whole else ()

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """As it stands in the part."""
        return [self._texts[prompt, max_tokens] for prompt in prompts]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """As it stands in the part."""
        found = []
        for prompt, texts in zip(prompts, options, strict=True):
            known = self._choices[self._together(prompt, texts)]
            logprobs, tokens, ways, missing = zip(*(known[text] for text in texts), strict=True)
            numbers = np.array(logprobs, dtype=np.float32), np.array(tokens, dtype=np.int64)
            found.append(Choice(*numbers, max(ways, key=WAYS.index), max(missing)))
        return found
