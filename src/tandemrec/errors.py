"""Every error that a user can cause. The command line prints these, and lets all others crash."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class TandemrecError(Exception):
    """Something that the user can put right."""


class UnknownName(TandemrecError):
    """A name that is in no list; the nearest one is guessed."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = get_close_matches(name, known, n=1, cutoff=0.5)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"There is no {kind} named {name!r}.{guess} Known: {', '.join(known)}.")


class DataError(TandemrecError):
    """Interactions or items that cannot be used: where, what was found, what was expected."""

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        column: str | None = None,
        remedy: str = "",
    ) -> None:
        place = [str(file)] if file else []
        place += [f"line {line}"] if line is not None else []
        place += [f"column {column!r}"] if column else []
        self.line, self.column = line, column
        head = f"{', '.join(place)}: " if place else ""
        super().__init__(f"{head}{problem}{' ' + remedy if remedy else ''}")


class DataWarning(UserWarning):
    """Something odd in the data that was dealt with; the message says how."""


class ConfigError(TandemrecError):
    """A setting that does not exist, or a value outside its range."""


class BackboneError(TandemrecError):
    """A backbone that does not do what one must, or whose training went wrong."""


class RunError(TandemrecError):
    """A run folder that cannot be read or written, or that belongs to another config."""


class LLMError(TandemrecError):
    """A language model gave no usable answer; `retryable` tells whether asking again may help."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
