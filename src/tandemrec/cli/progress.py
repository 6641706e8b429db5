"""Progress with rate and time left: rich bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, TextIO

from tandemrec.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

EVERY = 5.0
"Seconds between two plain lines of one stage."


@contextmanager
def bars(stream: TextIO | None = None) -> Iterator[Progress]:
    """A progress callback that writes to standard error."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Lines(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBars

    columns = ("{task.description}", BarColumn(), "{task.fields[rate]}", TimeRemainingColumn())
    with RichBars(
        *columns, TextColumn("{task.fields[note]}"), console=Console(file=stream)
    ) as shown:
        yield _Rich(shown)


class Lines:
    """A line at the start, every few seconds and at the end of a stage."""

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self.stream, self.every = stream, every
        self.stage, self.start, self.first, self.last = "", 0.0, 0.0, -inf
        self.done = self.total = 0.0

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        if stage != self.stage or _anew(done, total, self.done, self.total):
            self.stage, self.start, self.first, self.last = stage, now, done, -inf
        self.done, self.total = done, total
        if done < total and now - self.last < self.every:
            return
        self.last = now
        rate = (done - self.first) / max(now - self.start, 1e-9)
        parts = [f"{stage}: {done:g} of {total:g}"]
        if rate > 0 and now - self.start > 0.5:
            left = max(total - done, 0) / rate
            parts += [f"{rate:.3g}/s", f"{clock(left)} left"]
        print(", ".join([*parts, note] if note else parts), file=self.stream, flush=True)


class _Rich:
    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=total, rate="", note=note)
        task = self.tasks[stage]
        shown = self.bars.tasks[task]
        if _anew(done, total, shown.completed, shown.total or 0):
            self.bars.reset(task, total=total)
        self.bars.update(task, completed=done, total=total, note=note)
        speed = self.bars.tasks[task].speed
        self.bars.update(task, rate=f"{speed:.3g}/s" if speed else "")


def _anew(done: float, total: float, before: float, total_before: float) -> bool:
    """Whether this is the next stage of the same name: the last has gone further, or is done."""
    return done < before or (total != total_before and 0 < total_before <= before)


def clock(seconds: float) -> str:
    """75 as 1:15."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
