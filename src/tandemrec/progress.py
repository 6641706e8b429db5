"""How long work tells where it is: a callback, so that the library itself prints nothing."""

from typing import Protocol


class Progress(Protocol):
    """Called at every step of long work."""

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        """`done` of `total` units of `stage`; `note` is a short figure such as a loss."""


def silent(stage: str, done: float, total: float, note: str = "") -> None:
    """Progress that nobody looks at."""
