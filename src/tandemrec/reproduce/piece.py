"""What a table or a figure of a paper is made of: runs, and what is read off them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tandemrec.progress import Progress
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.figures import Figure
from tandemrec.report.tables import Table
from tandemrec.reproduce.differing import differences
from tandemrec.reproduce.found import Cell, Found


@dataclass(frozen=True)
class Piece(ABC):
    """A table or a figure: `tables` and `figures` hold what is there, whatever is not."""

    paper: str
    key: str
    about: str
    teacher: str
    "The backbone whose candidates the shared instruction set shows."
    paper_llm: str
    "The language model that the paper takes."

    beside: ClassVar[str | None] = None
    "The file that `finish` writes to a run's folder; a cell without it is not finished."
    asks_besides: ClassVar[str] = ""
    "What `finish` asks a language model for, beyond the runs."
    one_llm: ClassVar[bool] = True
    "Whether all runs have the same language model."

    @property
    def name(self) -> str:
        """As the command line takes it: llama4rec/table2."""
        return f"{self.paper}/{self.key}"

    @property
    def settings(self) -> dict[str, Any]:
        """What all its runs have: an instruction set that shows one backbone's candidates."""
        return {"examples": {"backbone": self.teacher}}

    @property
    @abstractmethod
    def cells(self) -> list[Cell]:
        """All its runs."""

    def possible(self, cell: Cell) -> bool:
        """Whether a cell can be run with what was given."""
        return True

    def varied(self, cell: Cell, spec: RunSpec) -> RunSpec:
        """The run of a cell, from what all have in common."""
        return spec

    def check(self, progress: Progress) -> None:
        """What it needs beyond its runs, before anything is computed. Raises TandemrecError."""
        return

    def finish(self, run: Finished, folder: Path, progress: Progress) -> None:
        """Write the file `beside` to the run's folder."""
        return

    def read(self, folder: Path) -> Any:
        """What `finish` wrote. Raises RunError for a damaged file."""
        return None

    @abstractmethod
    def tables(self, found: Found) -> list[Table]:
        """Its numbers."""

    def figures(self, found: Found) -> list[Figure]:
        """Its pictures."""
        return []

    def notes(self, found: Found) -> Iterator[str]:
        """What differs from the paper, by the settings of the runs, and what is not run."""
        yield from differences(found, self.paper_llm)
        yield from self.further(found)
        missing = [cell.name for cell in self.cells if cell not in found]
        if missing:
            yield f"Not run: {', '.join(missing)}."

    def further(self, found: Found) -> Iterator[str]:
        """Notes of its own."""
        yield from ()
