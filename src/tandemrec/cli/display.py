"""What commands print: rows for scripts on stdout, all else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

QUIET_SECONDS = 15.0  # between two lines of progress where nobody looks at a terminal


def say(text: str) -> None:
    """One line to a person, on stderr, whatever the text holds; a line of progress is wiped."""
    wipe = "\r\033[K" if sys.stderr.isatty() else ""
    print(wipe + " ".join(text.split()), file=sys.stderr, flush=True)


def rows(table: Iterable[Sequence[str]]) -> None:
    """Rows on stdout, columns aligned, the last as long as it is."""
    lines = [list(map(str, row)) for row in table]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
        print("  ".join([*padded, line[-1]]))


def as_json(value: Any) -> None:
    """A result on stdout, as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


class Meter:
    """Progress on stderr: stage, share, rate and time left; one moving line on a terminal."""

    def __init__(self) -> None:
        self._stage, self._began, self._first, self._last = "", 0.0, 0.0, 0.0

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._first, self._last = stage, now, done, 0.0
        moving, ended = sys.stderr.isatty(), done >= total
        if ended or now - self._last >= (0.1 if moving else QUIET_SECONDS):
            self._last = now
            line = self._line(done, total, note, now - self._began)
            if moving:
                print(
                    f"\r\033[K{line[:120]}", end="\n" if ended else "", file=sys.stderr, flush=True
                )
            else:
                say(line)

    def _line(self, done: float, total: float, note: str, seconds: float) -> str:
        unit, note = (1e6, "MB") if note == "bytes" else (1.0, note)
        rate = (done - self._first) / seconds if seconds > 0 else 0.0
        left = f", {_clock((total - done) / rate)} left" if rate > 0 and done < total else ""
        speed = f", {rate / unit:.3g}/s" if rate > 0 else ""
        share = f"{done / unit:.6g}/{total / unit:.6g}"
        return f"{self._stage}: {share}{speed}{left} {note}".rstrip()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
