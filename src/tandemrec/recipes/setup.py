"""What all seeds of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tandemrec.backbones import Fitted, SequentialBackbone
from tandemrec.data.split import Split
from tandemrec.llm.base import LLM
from tandemrec.progress import Progress
from tandemrec.recipes.settings import Llama4RecConfig
from tandemrec.runs import Run


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
        model = self.backbone.model if isinstance(self.backbone, Fitted) else self.backbone
        kind = model if isinstance(model, type) else type(model)
        return issubclass(kind, SequentialBackbone)
