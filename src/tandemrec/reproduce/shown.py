"""A run of a table or figure with its settings, as what differs from the paper is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tandemrec import backbones
from tandemrec.backbones import RatingBackbone, SequentialBackbone
from tandemrec.errors import ConfigError, RunError
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.report.contents import Contents
from tandemrec.reproduce.found import Cell, Made


class Shown(NamedTuple):
    """A run and its settings, as they were."""

    cell: Cell
    contents: Contents
    config: Llama4RecConfig

    @classmethod
    def of(cls, cell: Cell, made: Made) -> Shown:
        """Raises RunError for settings that this version does not know."""
        try:
            return cls(cell, made.contents, Llama4RecConfig.model_validate(made.contents.config))
        except ConfigError as error:
            raise RunError(f"{made.folder} was made with other settings: {error}") from None

    @property
    def sequential(self) -> bool:
        """Whether its backbone reads sequences."""
        return issubclass(backbones.get(self.cell.backbone), SequentialBackbone)

    @property
    def rating(self) -> bool:
        """Whether its backbone predicts ratings."""
        return issubclass(backbones.get(self.cell.backbone), RatingBackbone)

    @property
    def tuned(self) -> bool:
        """A model without weights of its own stays as it came, whatever the settings say."""
        said = any("was not tuned" in note for note in self.contents.notes)
        return self.config.tune is not None and not said


Sentence = Callable[[Shown], str]
"Of one run; empty where there is nothing to say."
