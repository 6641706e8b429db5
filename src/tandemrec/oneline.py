"""Anybody's text as one line that is safe to show: on a page, in a table, on a terminal."""

import unicodedata


def short(text: object, length: int = 90) -> str:
    """Text on one line, without control signs, cut with an ellipsis where it is too long."""
    start = str(text)[: 4 * length + 100]  # a title may have 100 kB
    visible = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in start)
    line = " ".join(visible.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"
