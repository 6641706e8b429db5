"""What commands print: rows for scripts on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from tandemrec.oneline import short

LONGEST = 4000
"Signs of a line or a cell; a path, or a list of names, may be long."


def say(text: str) -> None:
    """One line to a person, on stderr, whatever white space and control characters it holds."""
    print(short(text, LONGEST), file=sys.stderr, flush=True)


def rows(table: Iterable[Iterable[str]]) -> None:
    """Rows on stdout, columns aligned, the last as long as it is."""
    lines = [[short(cell, LONGEST) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
        print("  ".join([*padded, line[-1]]).rstrip())


def as_json(value: Any) -> None:
    """A result on stdout, as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
