"""The runs of a table or a figure: their names, and what is read of those that are finished."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from tandemrec.errors import ConfigError, RunError
from tandemrec.oneline import short
from tandemrec.recipes.record import RECORD
from tandemrec.report.contents import Contents

T = TypeVar("T")
METRICS = ("HR@3", "NDCG@3", "HR@5", "NDCG@5")
"The paper's."


class Cell(NamedTuple):
    """One run."""

    data: str
    backbone: str
    variant: str = ""
    "In what it differs from others of the same backbone, in a figure that compares them."

    @property
    def name(self) -> str:
        """As --only takes it: ml-100k/mf."""
        return "/".join(filter(None, self))


class Made(NamedTuple):
    """A finished run: its folder, what its report shows, and what the piece wrote beside it."""

    folder: Path
    contents: Contents
    beside: Any = None


Found = Mapping[Cell, Made]
"The finished runs."


def run_folders(out: Path) -> set[Path]:
    """Where finished runs lie, of any piece: two or three folders deep."""
    return {file.parent for stars in ("*/*", "*/*/*") for file in out.glob(f"{stars}/{RECORD}")}


def loaded(file: Path, kind: TypeAdapter[T]) -> T:
    """What stands in a file beside a run. Raises RunError for a damaged one."""
    try:
        return kind.validate_json(file.read_bytes())
    except ValidationError as error:
        raise damaged(file, error.errors()[0]["msg"]) from None
    except ConfigError as error:
        raise damaged(file, short(error, 160)) from None
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}.") from None


def damaged(file: Path, reason: str) -> RunError:
    """The error for a file beside a run that is not what was written."""
    return RunError(
        f"{file} is damaged ({reason.rstrip('.')}). Delete it and give the command again: the run "
        "itself is loaded, not made again."
    )
