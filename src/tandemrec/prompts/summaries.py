"""The question for a summary of an item, beside the parser of its answer.

The question is the paper's (DALLRec's third strategy: two sentences from the title), the wording
and the parser are ours.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from tandemrec.data.names import words
from tandemrec.llm.base import Prompt

EMPTY, SHORT, ECHO, LISTED, REFUSED = "empty", "too short", "only an echo", "a list", "a refusal"
REASONS = (EMPTY, SHORT, ECHO, LISTED, REFUSED)
"Why an answer is no summary."
SENTENCES = 2
LONGEST = 600
"Characters of a summary."
LEAST, LEAST_NEW = 6, 4
"Words of a summary, and different ones among them that the question does not have."


class Read(NamedTuple):
    """A summary, or why there is none."""

    text: str
    rejected: str = ""


def summary(noun: str, item: str) -> Prompt:
    """What is the item about, in two sentences?"""
    return Prompt(
        f"You know what {noun}s are about. Answer with two sentences and nothing else.",
        f"Summarize the {noun} {item} in two sentences.",
    )


def parse(answer: str, noun: str, item: str) -> Read:
    """At most two sentences of an answer, on one line, or why it is refused. Never raises.

    What goes before is taken off (a role, a label, an announcement, marks of Markdown), and what
    goes behind: another turn of the chat, further paragraphs, a sentence that is not ended.
    """
    text = _one_turn(answer[:4000])
    if not words(text):
        return Read("", EMPTY)
    lines = [line for line in (_plain(line) for line in _body(text)) if line]
    if any(_LISTED.match(line) for line in _body(text)):
        return Read("", LISTED)
    told = _sentences(" ".join(lines))
    named = told.casefold().startswith(item.partition(" (")[0].casefold())
    if _NOT_KNOWN.match(told) and not named:
        return Read("", REFUSED)
    new = set(words(told)) - set(words(" ".join([*summary(noun, item)[:2], _ALWAYS])))
    if len(words(told)) < LEAST:
        return Read("", ECHO if words(told) and not new else SHORT)
    return Read(told) if len(new) >= LEAST_NEW else Read("", ECHO)


_ALWAYS = "a an and as by called film here named novel of story title titled was written"
"Words that say nothing of an item."
_TURN = re.compile(
    r"<\|[^<>|]{0,40}\|?>(?:(?:system|user|assistant)\b)?|\[/?INST\]|</?s>|<<|>>|<\|"
)
_LABEL = re.compile(
    r"[*_#>\s]*(?:(?:assistant|answer|response|output|(?:a |the |short |brief |two.sentence )*"
    r"(?:summary|synopsis|description)(?: of [^:\n]{1,120})?)[*_]*\s*[:–—-]|assistant\s*\n)[*_\s]*",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"\s*[^.!?\n]{0,160}:\s*(?=\n)|\s*(?:sure|certainly|of course)[!,.]\s*", re.I
)
_LISTED = re.compile(r"\s*(?:[-*•+]\s|\(?\d{1,2}[.)]\s|[\[{|])")
_NOT_KNOWN = re.compile(
    r"(?:i.?m |i am |we.?re )(?:sorry|unable|afraid)\b|sorry\b|unable to\b"
    r"|(?:unknown|n/?a)\s*(?:[.,;:!?]|$)|as an? (?:ai|language)\b"
    r"|i (?:do not|don.?t|cannot|can.?t|could not|couldn.?t|have no|am not|was not|was unable)\b"
    r"|(?:there is|i have) no information\b|please provide\b",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s|$)")
_SHORTENED = re.compile(
    r"(?:^|[\s(\"'“])(?:mr|mrs|ms|dr|st|jr|sr|vs|prof|gen|col|capt|lt|sgt|no|vol|etc|e\.g|i\.e"
    r"|(?:[a-z]\.)*[a-z])$",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"\s*(?:question|user|movie|book|item|title|note|instruction)s?\s*:", re.I)


def _one_turn(text: str) -> str:
    """The first part between the marks of a chat template that says something."""
    parts = (part for part in _TURN.split(text) if words(part))
    return next(parts, "")


def _body(text: str) -> list[str]:
    """The lines of the first paragraph behind labels and announcements, which may each come
    twice."""
    for _ in range(3):
        text = _LABEL.sub("", text, count=1) if _LABEL.match(text) else text
        text = _ANNOUNCED.sub("", text, count=1) if _ANNOUNCED.match(text) else text
    lines = text.strip().split("\n")
    ends = [n for n, line in enumerate(lines) if n and (not line.strip() or _QUESTION.match(line))]
    return lines[: min(ends, default=len(lines))]


def _plain(line: str) -> str:
    """Without Markdown, control signs and doubled blanks."""
    line = re.sub(r"^\s*(?:#+|>+)\s*|`+|\*+|(?<!\w)_+|_+(?!\w)", "", line)
    visible = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in line)
    return " ".join(visible.split())


def _sentences(text: str) -> str:
    """The first sentences, none twice, without one that is not ended, unless it is the only."""
    text = text.strip('"“” ') if text.count('"') in (0, 2) else text
    starts, found = 0, list[str]()
    for end in _END.finditer(text):
        if _SHORTENED.search(text[: end.start()]) and end.end() < len(text):
            continue
        found.append(text[starts : end.end()].strip())
        starts = end.end()
    kept = list(dict.fromkeys(found))[:SENTENCES] or [text]
    told = " ".join(kept)
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1].rstrip()}…"
