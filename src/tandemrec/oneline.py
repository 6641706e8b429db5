"""What is said in one line: a number of things, a list of words; anybody's text, safe to show on a
page, in a table or on a terminal."""

import unicodedata
from collections.abc import Sequence


def counted(number: int, word: str) -> str:
    """A number of things: 1 seed, 5,000 seeds."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def short(text: object, length: int = 90) -> str:
    """Text on one line, without control signs, cut with an ellipsis where it is too long."""
    start = str(text)[: 4 * length + 100]  # a title may have 100 kB
    visible = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in start)
    line = " ".join(visible.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def listed(words: Sequence[str], last: str = "and") -> str:
    """one, two and three"""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
