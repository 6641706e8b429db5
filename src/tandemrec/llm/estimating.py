"""What a language model would be asked, counted before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tandemrec.llm.abilities import Abilities
from tandemrec.llm.base import LLM, Choice, Prompt
from tandemrec.llm.costs import Usage
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.replies import LETTERS
from tandemrec.llm.scoring_ways import are_labels, free_to, held_to

AROUND = 12
"Tokens of a chat template around a question, about."
NOTHING = Usage()
Count = Callable[[Prompt], int]


@dataclass(frozen=True)
class Expected:
    """So many questions, and what they use."""

    questions: int = 0
    usage: Usage = NOTHING

    def __add__(self, other: Expected) -> Expected:
        return Expected(self.questions + other.questions, self.usage + other.usage)


class Guessing:
    """In a language model's place: counts what that would be asked, and makes the answers up.

    It has the other's name and fingerprint, so a store of answers knows what is known already.
    `sure` are the questions of the first list: no made-up answer stands behind them. `guessed` are
    all others: the real ones may be others, and fewer or more.
    """

    chunk = 2**31  # a list of questions is one call, so that the first one is seen whole

    def __init__(self, llm: LLM) -> None:
        self.name, self.fingerprint = llm.name, llm.fingerprint
        self.whole = bool(getattr(llm, "whole", False))
        self.sure, self.guessed = Expected(), Expected()
        self._llm: Any = llm
        self._made_up = FakeLLM("estimate")

    def __getattr__(self, name: str) -> Any:
        """The other's `embed`, where it has one: it reads texts here, and asks nobody."""
        if name != "embed":
            raise AttributeError(name)
        return self._llm.embed

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """Words without sense; counted are as many tokens as an answer may have."""
        self._count([(prompt, ()) for prompt in prompts], max_tokens)
        return self._made_up.generate(prompts, max_tokens=max_tokens)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """Numbers without sense."""
        self._count(list(zip(prompts, options, strict=True)), 0)
        return self._made_up.choose(prompts, options)

    def _count(self, questions: Sequence[tuple[Prompt, Sequence[str]]], most: int) -> None:
        can = getattr(self._llm, "abilities", None)
        size: Count = getattr(self._llm, "tokens_of", letters)
        total = Expected()
        for prompt, options in questions:
            used = _answered(size(prompt), most)
            if options and can is not None:
                used = _scored(can, prompt, size(prompt), options)
            total += Expected(1, used)
        if self.sure.questions:
            self.guessed += total
        else:
            self.sure = total


def letters(prompt: Prompt) -> int:
    """A prompt's tokens by its letters."""
    return math.ceil((len(prompt.system) + len(prompt.user)) / LETTERS) + AROUND


def _answered(size: int, most: int) -> Usage:
    return Usage(calls=1, tokens_in=size, tokens_out=most)


def _scored(can: Abilities, prompt: Prompt, size: int, options: Sequence[str]) -> Usage:
    """Of one question, by the first way of `WAYS_DOWN` that takes it."""
    lengths = [math.ceil(len(text) / LETTERS) for text in options]
    if can.exact == "forced":  # labels of a token come with the first request
        calls = max(1, sum(lengths) - len(lengths) + (max(lengths) > 1) * len(lengths))
        return Usage(calls=calls, tokens_in=calls * size, tokens_out=calls)
    if can.exactly(prompt):
        read = len(options) * size + sum(lengths)
        return Usage(calls=1, tokens_in=read, tokens_out=len(options))
    labels = [text.strip() for text in options]
    if can.tops(prompt) and are_labels(labels):
        return _answered(size, 1)
    return _answered(size, held_to(labels) if can.constraint else free_to(labels))
