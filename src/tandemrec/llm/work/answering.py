"""A worker: it answers a shard of some work, block by block."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from filelock import FileLock, Timeout

from tandemrec.errors import LLMError
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.llm.work import parts
from tandemrec.llm.work.files import put, versions
from tandemrec.llm.work.questions import Block, Question, Work
from tandemrec.oneline import counted
from tandemrec.progress import Progress, silent


class Shard(NamedTuple):
    """The i-th of n: every n-th block, beginning with the i-th.

    Blocks lie in the order of their texts, so neighbours cost alike, and each shard gets its share
    of every kind.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str) -> Self:
        """What "3/8" says. Raises LLMError."""
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            raise LLMError(
                f"A shard is I/N with I from 1 to N, such as 3/8. Received: {text!r}. In a job "
                "array that counts from 0, add one."
            )
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def blocks(self, work: Work) -> Sequence[Block]:
        """The shard's blocks."""
        return work.blocks[self.number - 1 :: self.of]


class Answered(NamedTuple):
    """What a worker did: blocks and questions that it asked, and blocks that were answered."""

    blocks: int
    questions: int
    found: int


class Incomplete(LLMError):
    """The model left questions unanswered, such as a server that is busy; what it answered is kept
    where a store is."""

    def __init__(self, missing: int, model: str) -> None:
        self.missing, self.model = missing, model
        super().__init__(
            f"{model} left {counted(missing, 'question')} unanswered. Start again: only they are "
            "asked.",
            retryable=True,
        )

    def __reduce__(self) -> tuple[type[Incomplete], tuple[int, str]]:
        return Incomplete, (self.missing, self.model)  # it comes back from other processes


def answer(
    work: Work,
    llm: LLM,
    out: str | Path | None = None,
    shard: Shard = Shard(),  # noqa: B008  never changed
    *,
    progress: Progress = silent,
) -> Answered:
    """Answer a shard's blocks that have no part in `out` yet; each becomes one, whole or not.

    Whoever is killed loses the model's `chunk` in flight: started again on the same machine, it
    goes on (on another, with the block in flight). Two that have the same shard do the same work,
    and the later part replaces an equal one. At the end a manifest says what the shard has. Raises
    LLMError for another model than the work was written for, and Incomplete, after all blocks,
    where questions were left unanswered.
    """
    check_model(work, llm)
    folder, mine = Path(out or work.answers), shard.blocks(work)
    sums = {}
    asked = missing = questions = 0
    for done, block in enumerate(mine, 1):
        if part := parts.load(folder, work, block):
            sums[block.name] = part.sha256
            continue
        try:
            sums[block.name] = _part(folder, work, block, llm).sha256
        except Incomplete as some:
            missing += some.missing
        asked, questions = asked + 1, questions + block.questions
        progress(f"shard {shard}", done, len(mine))
    if missing:
        raise Incomplete(missing, llm.name)
    note(folder, work, sums, f"shard-{shard.number}-of-{shard.of}")
    return Answered(asked, questions, len(mine) - asked)


def check_model(work: Work, llm: LLM) -> None:
    """Whether it is the model that the work asks. Raises LLMError."""
    if llm.fingerprint != work.fingerprint:
        raise LLMError(
            f"{work.folder} asks {work.model!r} (found as {work.llm}), fingerprint "
            f"{work.fingerprint}; this is {llm.name!r}, fingerprint {llm.fingerprint}. Give the "
            "same weights, adapter and number format (--llm, --adapter, --dtype)."
        )


def _part(folder: Path, work: Work, block: Block, llm: LLM) -> parts.Part:
    """Answer a block; what is answered of it is stored on the way, until the part is there."""
    place = folder / ".scratch" / f"{socket.gethostname()}-{block.name}"
    with _alone(place) as store:
        # the process that had the block until now may have ended it
        done = parts.load(folder, work, block)
        return done or parts.save(folder, work, block, lines_of(llm, work.read(block), store))


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[AnswerStore]:
    """The store of the block in flight, which is gone when the block has its part; one in memory,
    where another process of this machine has that one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(f"{place}.lock").acquire(timeout=0)
    except Timeout:
        with AnswerStore(":memory:") as store:
            yield store
        return
    with held:
        with AnswerStore(f"{place}.sqlite") as store:
            yield store
        _remove(place)  # still held: nobody else may have begun a store of this name


def _remove(place: Path) -> None:
    for file in place.parent.glob(f"{place.name}.*"):
        with contextlib.suppress(PermissionError):  # Windows keeps what is open, the lock
            file.unlink(missing_ok=True)


def lines_of(llm: LLM, questions: Sequence[Question], store: AnswerStore) -> list[str]:
    """A line for each question, in their order; answers come through the store, which keeps them
    if something ends on the way. Raises Incomplete where the model left some unanswered."""
    list(parts.asked(Remembering(llm, store), questions))
    known = parts.asked(Remembering(_Nobody(llm), store), questions)
    return [parts.line_of(q, found) for q, found in zip(questions, known, strict=True)]


class _Nobody:
    """In the place of a model whose answers are all stored: asking it tells that some are not."""

    def __init__(self, llm: LLM) -> None:
        self.name, self.fingerprint = llm.name, llm.fingerprint
        self.whole, self.chunk = getattr(llm, "whole", False), 2**31

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        raise Incomplete(len(prompts), self.name)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        raise Incomplete(len(prompts), self.name)


def note(folder: Path, work: Work, sums: Mapping[str, str], name: str) -> None:
    """Write the manifest of the blocks that are answered, by name with the hashes of their parts:
    how many answers, whose, and by what versions."""
    told = {
        "work": work.name,
        "blocks": len(sums),
        "answers": sum(block.questions for block in work.blocks if block.name in sums),
        "model": work.model,
        "fingerprint": work.fingerprint,
        "versions": versions(),
        "sha256": dict(sums),
    }
    put(folder / f"{work.name}-{name}.json", json.dumps(told, indent=1).encode())
