"""What all seeds of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from tandemrec.backbones import ContentBackbone, Fitted, RatingBackbone, SequentialBackbone
from tandemrec.data.content import Content
from tandemrec.data.split import Split
from tandemrec.llm.base import LLM
from tandemrec.llm.embedding import Embedder
from tandemrec.progress import Progress
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.settings import Llama4RecConfig, RecipeConfig
from tandemrec.runs import Run

ANSWERS = "answers.sqlite"
"The store of answers, in the common folder."


Config = TypeVar("Config", bound=RecipeConfig, default=Llama4RecConfig, covariant=True)


@dataclass(frozen=True)
class Setup(Generic[Config]):
    """The split, the two models, the settings, and where results and progress go; of Llama4Rec, if
    nothing else is said."""

    split: Split
    backbone: Any
    "A backbone class, or an object that scores already."
    llm: LLM
    "The language model as it came, before tuning."
    config: Config
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


@dataclass(frozen=True)
class DALLRecSetup(Setup[DALLRecConfig]):
    """The same of DALLRec, with what becomes items' content."""

    embedder: Embedder | None = None
    "What makes numbers of texts; none takes the language model itself."
    content: Content | None = None
    "Items' content of one's own."

    @property
    def reads_content(self) -> bool:
        """Whether the backbone reads items' content."""
        return issubclass(kind_of(self.backbone), ContentBackbone)


def kind_of(backbone: Any) -> type[Any]:
    """The class of a backbone, fitted or not."""
    model = backbone.model if isinstance(backbone, Fitted) else backbone
    return model if isinstance(model, type) else type(model)
