"""Prompts for direct recommendation, each beside the parser of its answer.

The parts are the paper's (Llama4Rec, figures 2 and 3), the wording is ours. The order is
instruction, similar user, hint, history, candidates: a user's prompts share all but the candidates,
and the history comes last because a likelihood prompt goes on where it ends.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tandemrec.llm.base import Prompt

LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ANSWERS = ("Yes", "No")


class Facts(NamedTuple):
    """What a prompt may know of a user; all titles are readable ones."""

    noun: str  # what one item is called: "movie"
    history: Sequence[str]  # oldest first
    similar: Sequence[str] = ()  # the most similar user's items: prompt augmentation
    hint: Sequence[str] = ()  # the backbone's prediction, best first: prompt augmentation
    passages: Sequence[Sequence[str]] = ()  # of other users' histories, the best match last


def listwise(facts: Facts, candidates: Sequence[str]) -> Prompt:
    """Which of these comes first? Options are the labels, `LABELS[:len(candidates)]`."""
    return Prompt(
        f"You rank {facts.noun}s for a user. Answer with the letters of the candidates, "
        "best first, separated by commas.",
        f"{background(facts)}\nCandidates:\n{labelled(candidates)}\nRanking:",
    )


def pointwise(facts: Facts, candidate: str) -> Prompt:
    """Would the user enjoy this one? Options are `ANSWERS`."""
    return Prompt(
        f"You know which {facts.noun}s a user will enjoy. Answer Yes or No.",
        f"{background(facts)}\nWould the user enjoy {candidate}?",
    )


def pairwise(facts: Facts, first: str, second: str) -> Prompt:
    """Which of two does the user prefer? Options are A and B (Llama4Rec, section III-B)."""
    return Prompt(
        f"You know which {facts.noun}s a user prefers. Answer A or B.",
        f"{background(facts)}\nWhich would the user prefer?\nA. {first}\nB. {second}",
    )


def continuation(facts: Facts) -> Prompt:
    """The user's history as a text that goes on; an option is a candidate's `line`."""
    return Prompt("", f"{background(facts)}\n" if facts.history else _opening(facts), chat=False)


def prior(noun: str) -> Prompt:
    """The same text without anything known of the user: how likely a title is by itself."""
    return Prompt("", _opening(Facts(noun, ())), chat=False)


def line(title: str) -> str:
    """A title as an option of `continuation`: the end of the line is part of the answer."""
    return f"{title}\n"


def labelled(candidates: Sequence[str]) -> str:
    """The candidates under their letters, one a line."""
    pairs = zip(LABELS, candidates, strict=False)
    return "\n".join(f"{label}. {title}" for label, title in pairs)


def background(facts: Facts) -> str:
    """All that a prompt tells of the user, his history last."""
    return _augmentation(facts) + _opening(facts) + "\n".join(facts.history)


def _opening(facts: Facts) -> str:
    return f"{facts.noun.capitalize()}s this user enjoyed, in order:\n"


def _augmentation(facts: Facts) -> str:
    parts = ["Other users:"] if facts.passages else []
    for passage in facts.passages:
        parts += [*passage, ""]
    if facts.similar:
        parts += [f"{facts.noun.capitalize()}s a similar user enjoyed:", *facts.similar]
    if facts.hint:
        parts += ["A recommender suggests:", *facts.hint]
    return "\n".join([*parts, ""])


_NOT_A_WORD = r"(?! (?!(?:and|or|then|over|before)\b)[A-Za-z]{2})"
"What may not follow a label: a word, unless it joins two labels."


def parse_labels(answer: str, n: int) -> list[int]:
    """The places that an answer names, best first: a subset of range(n) without repeats.

    Never raises. Letters count only by themselves, and not as the first word of something ("A Bug's
    Life", "I recommend"); the last word of a title may be taken for one ("Plan B").
    """
    found = re.findall(r"(?<![A-Za-z'’])([A-Z])(?![A-Za-z'’])" + _NOT_A_WORD, answer[:2000])
    places = [LABELS.index(label) for label in found]
    return list(dict.fromkeys(place for place in places if place < n))
