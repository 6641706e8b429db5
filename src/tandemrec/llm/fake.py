"""Language models that need no weights: for tests, the docs, a first run, and a control."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np

from tandemrec.llm.base import Choice, Prompt


class FakeLLM:
    """Answers from a hash of the question: always the same, never sensible.

    `seed` makes another one. `calls` and `asked` count what it was asked, `log` keeps it.
    """

    def __init__(self, seed: str = "") -> None:
        self.name = f"fake:{seed}" if seed else "fake"
        self.fingerprint = hashlib.sha256(f"fake 1 {seed}".encode()).hexdigest()
        self.calls = self.asked = 0
        self.log: list[tuple[Prompt, tuple[str, ...]]] = []

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """An invented word, or as much of it as `max_tokens` letters hold."""
        self._note(prompts, [()] * len(prompts))
        return [f"answer {self.logprob(prompt, ''):.3f}"[:max_tokens] for prompt in prompts]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """As `LLM.choose`; a word counts as a token."""
        self._note(prompts, options)
        return [
            Choice(
                np.array([self.logprob(prompt, text) for text in texts], dtype=np.float32),
                np.array([max(1, len(text.split())) for text in texts], dtype=np.int64),
            )
            for prompt, texts in zip(prompts, options, strict=True)
        ]

    def logprob(self, prompt: Prompt, option: str) -> float:
        """log of a number in (0, 1] that the hash of the question gives."""
        key = "\0".join([self.name, prompt.system, prompt.user, str(prompt.chat), option])
        drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        return math.log((drawn + 1) / 2**32)

    def _note(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> None:
        self.calls += 1
        self.asked += len(prompts)
        self.log += [(p, tuple(texts)) for p, texts in zip(prompts, options, strict=True)]


class FollowingLLM(FakeLLM):
    """Answers as a function of prompt and option says: a model that knows what a test plants."""

    def __init__(
        self,
        score: Callable[[Prompt, str], float],
        write: Callable[[Prompt], str] = lambda prompt: "",
        name: str = "following",
    ) -> None:
        super().__init__(name)
        self._score, self._write = score, write

    def logprob(self, prompt: Prompt, option: str) -> float:
        """What the function says."""
        return self._score(prompt, option)

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """What the second function says, whole."""
        self._note(prompts, [()] * len(prompts))
        return [self._write(prompt) for prompt in prompts]


class CountingLLM(FakeLLM):
    """Reads no language: an option is the likelier the more lines of the prompt are equal to it.

    A control for prompts that quote others: what a language model adds to this, it has read.
    """

    def __init__(self) -> None:
        super().__init__("counting")

    def logprob(self, prompt: Prompt, option: str) -> float:
        """log(1 + n) of the n lines of the prompt that are the option's text."""
        return math.log1p(prompt.user.split("\n").count(option.strip()))
