"""Prompts for sequential recommendation: what comes next, in place of what a user would enjoy.

Answers are parsed as those of direct recommendation, and a likelihood prompt is the same text: it
goes on in time order anyway.
"""

from collections.abc import Sequence

from tandemrec.llm.base import Prompt
from tandemrec.prompts.direct import Facts, background, labelled

__all__ = ["listwise", "pointwise"]


def listwise(facts: Facts, candidates: Sequence[str]) -> Prompt:
    """Which of these comes next? Options are the labels, `LABELS[:len(candidates)]`."""
    return Prompt(
        f"You rank {facts.noun}s by how likely each is the next one of a user. Answer with the "
        "letters of the candidates, likeliest first, separated by commas.",
        f"{background(facts)}\nCandidates:\n{labelled(candidates)}\nRanking:",
    )


def pointwise(facts: Facts, candidate: str) -> Prompt:
    """Is this the next one? Options are `ANSWERS`."""
    return Prompt(
        f"You know which {facts.noun} comes next for a user. Answer Yes or No.",
        f"{background(facts)}\nIs {candidate} the next {facts.noun} of this user?",
    )
