"""Everything that a report shows, as plain values: a page is made from this alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator

from tandemrec.config import Settings
from tandemrec.errors import RunError

FILE = "report.json"
FILES = (
    *("index.html", "tables.md", "tables.tex", "tables.csv", "tables.json", "scores.json"),
    FILE,
)
"All that a report consists of."
BASE, FULL, DALLREC = "Base", "Llama4Rec", "DALLRec"
PRIMARY = "NDCG@5"
"The metric that tests, groups and the headline are about, where it was measured."
RATING_PRIMARY = "RMSE"
"The same of a run that predicts ratings."
DALLREC_PRIMARY = "Recall@20"
"The same of a run of DALLRec."

Share = Annotated[float, Field(ge=0, le=1)]


class Part(Settings):
    """A piece of the contents. Numbers are finite: JSON has no other."""

    model_config = ConfigDict(allow_inf_nan=False)


class Row(Part):
    """One method's result with one seed, on test."""

    method: str
    kind: Literal["main", "ablation", "control"]
    seed: int
    metrics: dict[str, float]
    p_value: Share | None = None
    "Paired t-test over users against Base on the primary metric; None for Base itself."


class Test(Part):
    """One paired t-test."""

    __test__: ClassVar[bool] = False  # not for pytest

    method: str
    against: str
    metric: str
    over: Literal["users", "runs"]
    difference: float
    low: float
    "Lower end of the 95 % confidence interval of the difference."
    high: float
    p_value: Share
    n: int
    "How many pairs."


class Selection(Part):
    """One option that was tried on validation."""

    what: str
    "What was chosen, such as: ranking way."
    option: str
    metric: str
    value: float
    chosen: bool
    seed: int


class Heatmap(Part):
    """The metric on validation for each pair of alphas."""

    title: str
    alpha1: list[float]
    "One for each row."
    alpha2: list[float]
    "One for each column."
    values: list[list[float]]
    metric: str
    chosen: tuple[float, float]
    "alpha_1 and alpha_2."

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        shape = [len(row) for row in self.values]
        if shape != [len(self.alpha2)] * len(self.alpha1):
            raise ValueError("a heat map needs one row for each alpha1, one column for each alpha2")
        return self


class GroupRow(Part):
    """One method's metrics on one group of users, or on what users hold of one group of items."""

    group: str
    "Its range of training interactions, such as 8–23: the users', or the items'."
    users: int
    method: str
    metrics: dict[str, float]


class Curve(Part):
    """A line; curves with the same axes share a picture."""

    name: str
    x: list[float]
    y: list[float]
    x_label: str
    y_label: str


class Story(Part):
    """What happened for one real user; all lists are titles, best (or oldest) first."""

    user_id: str
    history: list[str]
    backbone: list[str]
    llm: list[str]
    alpha: float
    final: list[str]
    target: str


class RatingStory(Part):
    """What was predicted for one real user's held-out rating, and what he gave."""

    user_id: str
    history: list[tuple[str, float]]
    "Titles and what he gave them, oldest first."
    item: str
    "The held-out item's title."
    backbone: float
    llm: float
    alpha: float
    final: float
    rating: float
    "What the user gave."


class Draw(Part):
    """A user who was asked about for an item."""

    user_id: str
    chance: Share | None
    "The probability of yes; None where the answer could not be read."
    label: Literal["yes", "no", "unreadable"]


class DrawStory(Part):
    """Who was asked about for one real item, in order, and what else was made of it."""

    item: str
    "Its title."
    summary: str
    draws: list[Draw]


class AttributeRow(Part):
    """How many items have an attribute from one source."""

    kind: str
    "Such as: director."
    source: str
    "model, table, or why there is no value: unknown, rejected."
    items: int
    share: Share
    "Of all items."


class Accuracy(Part):
    """How many values of an attribute from one source are right."""

    kind: str
    source: str
    "model or table."
    against: str
    "What they were held against: truth, or the name of a language model that judged."
    right: int
    wrong: int
    unknown: int
    "Items of which nothing was said."
    rejected: int
    "Items of which what was said was of no use."
    n: int
    "How many items were looked at."
    share: Share
    "Right ones among those that are right or wrong."
    low: Share
    "Lower end of its 95 % confidence interval."
    high: Share


class Bias(Part):
    """How often the first place went to what was shown at one slot (from 1)."""

    method: str
    slot: int
    share: Share
    p_value: Share


class AnswerCount(Part):
    """What a stage asked the language model, and how many answers were of no use."""

    stage: str
    asked: int
    rejected: dict[str, int] = Field(default_factory=dict)
    "How many, by what was wrong with them."
    values: int | None = None
    "How many values were to be answered, where rejected are values; None where they are answers."
    tokens: int | None = None
    "Of its questions and answers, each counted whole; None where nobody counted."
    once: bool = False
    "Whether it was asked once, for all seeds."


class Contents(Part):
    """All that a report shows."""

    title: str
    what: dict[str, JsonValue]
    "Facts of the data set: name, users, items, interactions, density."
    backbone: str
    llm: str
    preset: str
    seeds: list[int]
    command: str
    config: dict[str, JsonValue]
    rows: list[Row]
    task: Literal["ranking", "rating"] = "ranking"
    recipe: Literal["llama4rec", "dallrec"] = "llama4rec"
    tests: list[Test] = Field(default_factory=list)
    selection: list[Selection] = Field(default_factory=list)
    heatmaps: list[Heatmap] = Field(default_factory=list)
    groups: list[GroupRow] = Field(default_factory=list)
    item_groups: list[GroupRow] = Field(default_factory=list)
    "Of held-out items by how often they were met in training."
    curves: list[Curve] = Field(default_factory=list)
    stories: list[Story] = Field(default_factory=list)
    rating_stories: list[RatingStory] = Field(default_factory=list)
    draw_stories: list[DrawStory] = Field(default_factory=list)
    attributes: list[AttributeRow] = Field(default_factory=list)
    accuracy: list[Accuracy] = Field(default_factory=list)
    position_bias: list[Bias] = Field(default_factory=list)
    answers: list[AnswerCount] = Field(default_factory=list)
    account: dict[str, float] = Field(default_factory=dict)
    """Of the store of answers (`AnswerStore.account`): how its answers came about, and what a
    server used for them, those of other runs that share it too."""
    timings: dict[str, float] = Field(default_factory=dict)
    "Seconds of each stage."
    notes: list[str] = Field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """The metrics' names, in the order they were measured."""
        return list(dict.fromkeys(name for row in self.rows for name in row.metrics))

    @property
    def primary(self) -> str:
        """NDCG@5 of rankings, RMSE of ratings, DALLRec's Recall@20, or the first metric where that
        was not measured; empty without rows."""
        known = {"rating": RATING_PRIMARY, "dallrec": DALLREC_PRIMARY}
        wanted = known.get(self.task, known.get(self.recipe, PRIMARY))
        return wanted if wanted in self.metrics else next(iter(self.metrics), "")

    @property
    def full(self) -> str:
        """The row of the whole method."""
        return DALLREC if self.recipe == "dallrec" else FULL

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read `report.json` out of a run's folder; RunError if there is none, or a bad one."""
        file = Path(folder) / FILE
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise RunError(
                f"{folder} holds no {FILE}; finish the run first (tandemrec run)."
            ) from None
        except ValidationError as error:
            what = error.errors()[0]["msg"]
            raise RunError(f"{file} is damaged ({what}); run again to make it anew.") from None
        except NotADirectoryError:
            raise RunError(f"{folder} is a file; give the folder of a run.") from None
        except OSError as error:
            raise RunError(f"{file} cannot be read: {error.strerror}.") from None


def scores(contents: Contents) -> list[dict[str, Any]]:
    """The rows, flat and unrounded: what `scores.json` and `tandemrec run --json` give."""
    return [
        {"method": row.method, "kind": row.kind, "seed": row.seed}
        | row.metrics
        | {"p_value": row.p_value}
        for row in contents.rows
    ]
