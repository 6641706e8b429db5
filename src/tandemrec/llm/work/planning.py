"""A language model that answers nothing and writes down what it is asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tandemrec.errors import TandemrecError
from tandemrec.llm.answers import CHUNK
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.llm.work.questions import Question, Work, write
from tandemrec.oneline import counted

MOST = 10_000
"Blocks of one work, about: more files than these make a shared disk slow."


class Unanswered(TandemrecError):
    """Questions are written down, and somebody has to answer them before the run can go on."""

    def __init__(self, work: Work) -> None:
        self.work = work
        place = work.folder
        super().__init__(
            f"{counted(work.questions, 'question')} in {counted(len(work.blocks), 'block')} for "
            f"{work.model} are written to {place}. Have them answered (`tandemrec llm-work {place} "
            f"--shard 1/N` to N/N), put the answers together (`tandemrec llm-work merge {place}`), "
            "and run again."
        )


def like(given: LLM, llm: LLM) -> LLM:
    """What a run asks that tuned the model which it was given: of one that plans, the tuned one
    plans too."""
    if isinstance(given, Planning) and not isinstance(llm, Planning):
        return given.instead_of(llm)
    return llm


class Planning:
    """In the place of a language model: what it is asked becomes work in a folder, and the run
    stops with `Unanswered`. Put into `Remembering`, it is asked only what the store of answers,
    `store`, does not know. All but the two questions is the model's own.
    """

    chunk = sys.maxsize  # Remembering puts all that is missing at once

    def __init__(self, llm: LLM, folder: str | Path, *, store: str | Path | None = None) -> None:
        self.llm, self._work, self._store = llm, Path(folder), store

    def instead_of(self, llm: LLM) -> Planning:
        """The same for another model, such as the tuned one."""
        return Planning(llm, self._work, store=self._store)

    @property
    def name(self) -> str:
        """The model's."""
        return self.llm.name

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return self.llm.fingerprint

    def __getattr__(self, name: str) -> Any:
        # copying asks before there is a model; and a model's own ways to be asked are not taken
        if name.startswith("__") or name in ("llm", "choosing", "writing"):
            raise AttributeError(name)
        return getattr(self.llm, name)

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """Write the questions down. Raises Unanswered."""
        self._write([Question(prompt, None, max_tokens) for prompt in prompts])

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """Write the questions down. Raises Unanswered."""
        pairs = zip(prompts, options, strict=True)
        self._write([Question(prompt, tuple(texts)) for prompt, texts in pairs])

    def _write(self, questions: list[Question]) -> NoReturn:
        """In the order of their texts: prompts about one user begin alike, so they are in one
        block, or in two."""
        size = max(getattr(self.llm, "chunk", CHUNK), -(-len(questions) // MOST))
        ordered = sorted(questions, key=lambda each: (each.prompt, each.options or ()))
        raise Unanswered(write(self._work, ordered, self.llm, block=size, store=self._store))
