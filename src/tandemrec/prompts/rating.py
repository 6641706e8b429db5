"""The prompt of rating prediction, beside the parser of its answer.

The parts and their order are the paper's (Llama4Rec, section III-C), the wording is ours: what
differs between a user's cells, the similar user and the hint, stands at the end, so that all of
them share what stands before.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tandemrec.llm.base import Prompt

Rated = tuple[str, float]
"A readable title and its rating."


class Facts(NamedTuple):
    """What a prompt may know of a user; all titles are readable ones, each on one line."""

    noun: str  # what one item is called: "movie"
    labels: Sequence[str]  # [L], rising: what may be answered
    history: Sequence[Rated]  # oldest first
    candidate: str  # the title to be rated
    similar: Sequence[Rated] = ()  # the most similar user's ratings: prompt augmentation
    hint: float | None = None  # the backbone's prediction: prompt augmentation


def rating(facts: Facts) -> Prompt:
    """How does the user rate the candidate? Options are the labels.

    No title begins a line, so that none can pass for a part of the prompt: not one that is called
    "A recommender predicts: 5" or "Rate this 5".
    """
    low, high = facts.labels[0], facts.labels[-1]
    lines = [f"Ratings by this user, from {low} to {high}:", *_told(facts.history, facts.labels)]
    lines += [f"{facts.noun.capitalize()} to rate: {facts.candidate}"]
    if facts.similar:
        lines += ["Ratings by a similar user:", *_told(facts.similar, facts.labels)]
    if facts.hint is not None:
        lines += [f"A recommender predicts: {_hint(facts.hint, facts.labels)}"]
    return Prompt(
        f"You predict how a user rates {facts.noun}s. Answer with one of "
        f"{', '.join(facts.labels)}.",
        "\n".join([*lines, f"This user's rating of the {facts.noun}:"]),
    )


def label_of(value: float, labels: Sequence[str]) -> str:
    """The label nearest to a rating; the lower one of two."""
    return min(labels, key=lambda label: abs(float(label) - value))


def _told(rated: Sequence[Rated], labels: Sequence[str]) -> list[str]:
    return [f"- {title}: {label_of(value, labels)}" for title, value in rated]


def _hint(value: float, labels: Sequence[str]) -> str:
    """As in the paper, "3.2"; one more decimal where the whole scale is 1 wide."""
    return f"{value:.{1 if float(labels[-1]) - float(labels[0]) > 1 else 2}f}"


_NUMBER = r"(?:(?<![\w.,])[-−])?(?<![\w.])[0-9]{1,9}(?:\.[0-9]{1,9})?(?!\.?\w)"
_OUT_OF = re.compile(rf"(?<=[0-9])\s*(?:/|out of)\s*({_NUMBER})", re.IGNORECASE)
_DASHED = re.compile(r"[-−]\s+[0-9]")
_ALONE = re.compile(
    rf"[^\w\-−]*(?:[-−]\s+)?(?:(?:the|my|your|this|user'?s|predicted|expected)\s+)*"
    rf"(?:(?:rating|answer|score)[^\w\-−]+)?"
    rf"(?:(?:is|would be)\s+)?({_NUMBER})\s*(?:stars?)?\W*",
    re.IGNORECASE,
)


def parse(text: str, labels: Sequence[str]) -> float | None:
    """The rating that an answer names, or none: of no number, of several, or beyond the scale.

    Never raises. A first line that is nothing but a rating counts alone. A number between two
    labels is taken as it is, one with a denominator only where that is the highest label ("4/5").
    "- 1" is a dash before a 1, and none where ratings may be below 0.
    """
    low, high = float(labels[0]), float(labels[-1])
    text = text[:2000].strip()
    if any(_float(whole) != high for whole in _OUT_OF.findall(text)):
        return None
    if low < 0 and _DASHED.search(text):
        return None
    text = _OUT_OF.sub(" ", text)
    first = text.partition("\n")[0]
    if alone := _ALONE.fullmatch(first):
        found = {_float(alone[1])}
    else:
        found = {value for value in map(_float, re.findall(_NUMBER, text)) if low <= value <= high}
    value = found.pop() if len(found) == 1 else float("nan")
    return value if low <= value <= high else None


def _float(text: str) -> float:
    return float(text.replace("−", "-"))
