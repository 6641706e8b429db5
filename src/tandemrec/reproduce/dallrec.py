"""DALLRec's table: seven backbones without its three strategies and with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tandemrec.oneline import counted, listed
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.report import tables
from tandemrec.report.contents import BASE, DALLREC, DALLREC_PRIMARY, Contents
from tandemrec.report.scoreboard import change, mark, p_users, result
from tandemrec.report.tables import MISSING, Table, count, words
from tandemrec.report.tables import Cell as Value
from tandemrec.reproduce.found import Cell, Found
from tandemrec.reproduce.sentences import agreed, learning, shared
from tandemrec.reproduce.tables import PaperTable

BACKBONES = ("mf", "neumf", "ngcf", "lightgcn", "mmgcn", "grcn", "mmssl")
METRICS = ("Recall@10", "Recall@20", "Recall@50", "NDCG@10", "NDCG@20", "NDCG@50", "Precision@20")
NOTE = (
    "Bold: our best. * better, † worse than Base, p ≤ 0.05 (ours: paired t-test over users). The "
    "paper's figures are those of its authors' README; its changes in percent are computed from "
    "them, and it states no tests."
)
ROWS = (
    f"* better, † worse than {BASE}, p ≤ 0.05 (paired t-test over users). The change and p are "
    f"those of {DALLREC_PRIMARY}. Random users: as many added interactions of the same items, with "
    "anybody; what does not beat it has not learnt who likes what."
)

TRAINING = {
    "batch_size": 32_768,
    "learning_rate": 0.01,
    "every": 1,
    "patience": 80,
    "valid_metric": "Recall@20",
}
"""Of all backbones with `plus`, chosen on validation of the MovieLens split (docs/log.md): after an
epoch or two graphs recommend what is popular, and are better again only after fifty and more."""
OWN = {"mmssl": {"learning_rate": 0.03, "patience": 40}}
"On top of these."


@dataclass(frozen=True)
class StrategyTable(PaperTable):
    """Ours beside the authors' README, where it prints the data set."""

    data: str = ""
    "The released data."

    note: ClassVar[str] = NOTE
    whole: ClassVar[str] = DALLREC
    over: ClassVar[str] = BASE

    @property
    def settings(self) -> dict[str, Any]:
        """The authors' backbones learn all that is not test."""
        return {"refit": True}

    def varied(self, cell: Cell, spec: RunSpec) -> RunSpec:
        """With `plus`, training settings for half a million interactions."""
        if spec.preset != "plus":
            return spec
        training = TRAINING | OWN.get(cell.backbone, {})
        return spec.model_copy(update={"settings": merged({"training": training}, spec.settings)})

    @property
    def grid(self) -> Mapping[str, Sequence[str]]:
        return {self.data: BACKBONES}

    @property
    def methods(self) -> list[str]:
        return [BASE, DALLREC]

    @property
    def metrics(self) -> list[str]:
        return list(METRICS)

    def tables(self, found: Found) -> list[Table]:
        there = [(cell.backbone, made.contents) for cell, made in found.items()]
        more = (_strategies(there), _cold(there), _costs(there)) if there else ()
        return [*super().tables(found), *(table for table in more if table.rows)]

    def notes(self, found: Found) -> Iterator[str]:
        runs = [(cell, made.contents) for cell, made in found.items()]
        for sentence in (_model, _settings, _seeds, _split, _tuning):
            yield from agreed([(cell.name, self._said(sentence, run)) for cell, run in runs])
        yield from shared({cell.name: run.notes for cell, run in runs})
        yield from self.further(found)
        missing = [cell.name for cell in self.cells if cell not in found]
        if missing:
            yield f"Not run: {', '.join(missing)}."

    def _said(self, sentence: Any, contents: Contents) -> str:
        return str(sentence(contents).format(paper=self.paper_llm))


def _model(contents: Contents) -> str:
    return f"The language model is {contents.llm}; the paper's is {{paper}}."


def _settings(contents: Contents) -> str:
    training = contents.config.get("training")
    pairs = training.items() if isinstance(training, dict) else ()
    told = [f"{name} {_said(value)}" for name, value in pairs]
    return f"Settings: {contents.preset}{f'; training: {listed(told)}' if told else ''}."


def _said(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _seeds(contents: Contents) -> str:
    return f"{counted(len(contents.seeds), 'seed')}; the paper does not say how many."


def _split(contents: Contents) -> str:
    again = " Test is opened with backbones that learnt it too, for as many epochs as it chose."
    return (
        "Test is the authors', each user's last interactions in the order of their files; of the "
        "others the last eighth is validation here, on which every choice is made. The authors "
        f"have none.{again if contents.config.get('refit') else ''}"
    )


def _tuning(contents: Contents) -> str:
    config = DALLRecConfig.model_validate(contents.config)
    taught = [curve.name for curve in contents.curves if curve.name in config.strategies]
    if config.tune is None or not taught:
        return "The language model is not tuned; the paper's is."
    own = f"at most {counted(config.examples.examples, 'example')} of each kind of question"
    return (
        f"The language model is tuned for {listed(taught)}, on "
        f"{'the sets of the authors' if config.examples.released else own}, and "
        f"{learning(config.tune)}; the paper's on the sets of the authors, and a LoRA adapter "
        "learns."
    )


Made = Sequence[tuple[str, Contents]]
"Backbones and what their runs found."


def _strategies(found: Made) -> Table:
    """All rows: without one strategy at a time, and with random users."""
    rows: list[tuple[Value, ...]] = []
    for backbone, contents in found:
        for method in dict.fromkeys(row.method for row in contents.rows):
            own = method == BASE
            rows.append(
                (
                    *words(backbone, method),
                    *(_value(contents, method, metric) for metric in METRICS),
                    tables.percent(None if own else change(contents, method, BASE)),
                    tables.p_value(
                        None if own else p_users(contents, method, BASE, DALLREC_PRIMARY)
                    ),
                )
            )
    columns = ("Backbone", "Method", *METRICS, f"vs {BASE}", "p")
    caption = "All rows of ours: strategies and controls"
    return Table("strategies", caption, columns, tuple(rows), labels=2, note=ROWS)


def _value(contents: Contents, method: str, metric: str) -> Value:
    mine = result(contents, method, metric)
    if mine is None:
        return Value(MISSING)
    sign = mark(contents, method, BASE, metric) if method != BASE else ""
    return Value(f"{mine.mean:.4f}", mine.mean, mine.sd, mark=sign)


def _cold(found: Made) -> Table:
    """Recall of held-out items by how often they were met in training."""
    rows = []
    for backbone, contents in found:
        groups = {row.group: row.users for row in contents.item_groups}
        for group, users in groups.items():
            mine = {r.method: r.metrics for r in contents.item_groups if r.group == group}
            values = [mine[method][DALLREC_PRIMARY] for method in (BASE, DALLREC)]
            rows.append((*words(backbone, group), count(users), *map(tables.number, values)))
    caption = f"{DALLREC_PRIMARY} by how often held-out items were met in training"
    columns = ("Backbone", "Times met", "Users", BASE, DALLREC)
    return Table("cold", caption, columns, tuple(rows), labels=2)


def _costs(found: Made) -> Table:
    """What the strategies asked; the same of all backbones that they reach."""
    stages = {stage.stage: stage for _, contents in found for stage in contents.answers}
    rows = tuple(
        (
            *words(stage.stage),
            count(stage.asked),
            Value(MISSING) if stage.tokens is None else count(stage.tokens),
            tables.rejected(stage),
            *words(listed([f"{n:,} {why}" for why, n in stage.rejected.items()]) or MISSING),
        )
        for stage in stages.values()
    )
    columns = ("Strategy", "Asked", "Tokens", "Rejected", "Why")
    note = "Tokens of questions and answers, each counted whole; shared beginnings are read once."
    return Table("costs", "What the language model was asked", columns, rows, note=note)
