"""The questions of which these tests make work."""

import numpy as np

from tandemrec.llm.base import Prompt
from tandemrec.llm.work import Question

OPTIONS = ("Yes", "No", "perhaps\u2028so")


def questions(n: int) -> list[Question]:
    """Of both kinds, in no order."""
    drawn = np.random.default_rng(0).permutation(n)
    return [
        Question(Prompt("s", f"user {k}\r\n\x85"), OPTIONS if k % 3 else None, 0 if k % 3 else 9)
        for k in drawn.tolist()
    ]


def choosing(n: int) -> list[Question]:
    """Of one kind, in their order."""
    return [Question(Prompt("", f"user {k:04d}"), OPTIONS) for k in range(n)]
