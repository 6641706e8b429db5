"""What all seeds of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tandemrec.backbones import Fitted, RatingBackbone, SequentialBackbone
from tandemrec.data.split import Split
from tandemrec.llm.base import LLM
from tandemrec.progress import Progress
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.runs import Run

ANSWERS = "answers.sqlite"
"The store of answers, in the common folder."


@dataclass(frozen=True)
class Setup:
    """The split, the two models, the settings, and where results and progress go."""

    split: Split
    backbone: Any
    "A backbone class, or an object that scores already."
    llm: LLM
    "The language model as it came, before tuning."
    config: Llama4RecConfig
    run: Run
    progress: Progress
    shared: Run | None = None
    "Where several runs on the same data keep what they have in common."

    @property
    def common(self) -> Run:
        """The folder of the tuned model and of the answers."""
        return self.shared or self.run

    @property
    def sequential(self) -> bool:
        """Whether the backbone recommends from what a user met, in order."""
        return issubclass(kind_of(self.backbone), SequentialBackbone)

    @property
    def rating(self) -> bool:
        """Whether the backbone predicts ratings."""
        return issubclass(kind_of(self.backbone), RatingBackbone)


def kind_of(backbone: Any) -> type[Any]:
    """The class of a backbone, fitted or not."""
    model = backbone.model if isinstance(backbone, Fitted) else backbone
    return model if isinstance(model, type) else type(model)
