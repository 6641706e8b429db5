"""What a table or a figure of a paper is made of: runs, and what is read off them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tandemrec.progress import Progress
from tandemrec.recipes.execute import Finished
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.contents import Contents
from tandemrec.report.figures import Figure
from tandemrec.report.tables import Table


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
    """A finished run: its folder, and what its report shows."""

    folder: Path
    contents: Contents


Found = Mapping[Cell, Made]
"The finished runs."


@dataclass(frozen=True)
class Piece:
    """A table or a figure: `tables` and `figures` hold what is there, whatever is not."""

    paper: str
    key: str
    about: str
    teacher: str
    "The backbone whose candidates the shared instruction set shows."
    theirs: str
    "The language model that the paper takes."

    @property
    def cells(self) -> list[Cell]:
        """All its runs."""
        raise NotImplementedError

    def varied(self, cell: Cell, spec: RunSpec) -> RunSpec:
        """The run of a cell, from what all have in common."""
        return spec

    def finish(self, run: Finished, folder: Path, progress: Progress) -> None:
        """Write what it needs of a run beyond the report, to the run's folder."""

    def tables(self, found: Found) -> list[Table]:
        """Its numbers."""
        raise NotImplementedError

    def figures(self, found: Found) -> list[Figure]:
        """Its pictures."""
        return []

    def notes(self, found: Found) -> Iterator[str]:
        """What differs from the paper, the language model above all."""
        contents = [made.contents for made in found.values()]
        presets = sorted({each.preset for each in contents})
        seeds = sorted({len(each.seeds) for each in contents})
        yield (
            f"The language model is {', '.join(sorted({each.llm for each in contents}))}; the "
            f"paper's is {self.theirs}. Settings: {', '.join(presets)}; "
            f"{' or '.join(map(str, seeds))} seeds of each, the paper has five."
        )
        yield (
            "One language model is tuned for each data set, on instructions from training data "
            f"whose candidates come from {self.teacher}, out of fold. The paper tunes one for all "
            "data sets and tasks, and does not say how instructions keep clear of the target."
        )
        yield (
            "Epochs, ranking ways and weights are chosen on validation; the test part is opened "
            "once. Backbones are tuned on validation too, so that Base is often better than the "
            "paper's."
        )
        if any(cell.data == "book-crossing" for cell in found):
            yield "Book-Crossing has no times: its order is drawn at random, by a fixed seed."
        missing = [cell.name for cell in self.cells if cell not in found]
        if missing:
            yield f"Not run: {', '.join(missing)}."
