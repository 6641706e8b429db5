"""What the rest of the package asks of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Prompt(NamedTuple):
    """A question, or the beginning of a text.

    With a `system` or `chat=True` it is put through the model's chat template, and an option is the
    assistant's answer; with `chat=False` an option is the plain continuation of `user`.
    """

    system: str
    user: str
    chat: bool = True


EXACT, TOP, CONSTRAINED, SAMPLED, REJECTED, UNANSWERED = WAYS = (
    "exact",
    "top tokens",
    "constrained choice",
    "sampled and parsed",
    "rejected",
    "unanswered",
)
"""How an answer came about, the best first. exact: the model's own probabilities. top tokens: those
of its likeliest first tokens. constrained choice, sampled and parsed: only the winner is known.
rejected: the answer was of no use. unanswered: there was none, and it is asked for again."""
WRITTEN = "written"
"In the place of a way: the answer to a question without options."


class Choice(NamedTuple):
    """The log-probability of each option of one prompt, and how many tokens each option has."""

    logprobs: NDArray[np.float32]  # [O], summed over the option's tokens
    tokens: NDArray[np.int64]  # [O]
    way: str = EXACT
    "One of `WAYS`."
    missing: float = 0.0
    "The probability of answers that are none of the options, where the way tells it."


@runtime_checkable
class LLM(Protocol):
    """Two questions are enough: what do you say, and which of these would you say?"""

    @property
    def name(self) -> str:
        """Goes into reports and logs."""

    @property
    def fingerprint(self) -> str:
        """Changes when the answers would: weights, adapter, dtype. Answers are stored under it."""

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        """One greedy answer to each prompt, [P]."""

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        """The log-probability of each of a prompt's options as its answer; one Choice a prompt.

        Every prompt brings options of its own: P prompts, P lists.
        """
