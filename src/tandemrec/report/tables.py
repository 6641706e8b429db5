"""The tables of a report, once, as data; `formats` and the page write them down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tandemrec.evaluation.metrics import winner
from tandemrec.report import wording
from tandemrec.report.contents import AnswerCount, Contents, GroupRow, Heatmap, Selection

MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """One value, and how it is written."""

    text: str
    value: float | int | str | None = None
    "The number behind the text, unrounded."
    sd: float | None = None
    "Its standard deviation over seeds, where there are several."
    best: bool = False
    mark: str = ""
    "* significantly better than what it is compared with, † significantly worse."

    @property
    def spread(self) -> str:
        """The standard deviation as text: ± 0.0012."""
        return "" if self.sd is None else f"± {self.sd:.4f}"

    @property
    def full(self) -> str:
        """Text, mark and spread."""
        return f"{self.text}{self.mark} {self.spread}".strip()


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the first `labels` columns say what a row is."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    labels: int = 1
    note: str = ""


def words(*texts: str) -> list[Cell]:
    """Cells that hold text."""
    return [Cell(text, text) for text in texts]


def count(value: int) -> Cell:
    """A whole number with its thousands apart: 1,682."""
    return Cell(f"{value:,}", value)


def number(value: float, *, best: bool = False) -> Cell:
    """A metric, with four decimals."""
    return Cell(f"{value:.4f}", value, best=best)


LEVEL = 0.05
"A difference with a p-value up to this is called significant."


def signed(value: float, decimals: int = 4) -> str:
    """With its sign, and a real minus: +0.0012, −0.0012; 0.0000 without."""
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def percent(value: float | None) -> Cell:
    """A change in percent, with its sign; a dash for None."""
    return Cell(MISSING) if value is None else Cell(f"{signed(value, 1)} %", value)


def p_value(value: float | None) -> Cell:
    """A p-value with two or three decimals, or as many as say on which side of LEVEL it is; a dash
    for None."""
    if value is None:
        return Cell(MISSING)
    if value < 0.001:
        return Cell("< 0.001", value)
    decimals = 3 if value < 0.1 else 2
    while (round(value, decimals) <= LEVEL) != (value <= LEVEL):
        decimals += 1
    return Cell(f"{value:.{decimals}f}", value)


def tests(contents: Contents) -> Table:
    """Every paired t-test, with the difference and its interval."""
    rows = [
        (
            *words(test.method, test.against, test.metric, test.over),
            count(test.n),
            Cell(signed(test.difference), test.difference),
            Cell(f"{signed(test.low)} … {signed(test.high)}", f"{test.low} {test.high}"),
            p_value(test.p_value),
        )
        for test in contents.tests
    ]
    columns = ("Method", "Against", "Metric", "Over", "Pairs", "Difference", "95 % interval", "p")
    return Table("tests", "Paired, two-sided t-tests on test", columns, tuple(rows), labels=4)


def selection(contents: Contents) -> Table:
    """What was tried on validation: a row for each option, a column for each seed."""
    tried = contents.selection
    seeds = sorted({one.seed for one in tried})
    options = dict.fromkeys((one.what, one.option, one.metric) for one in tried)
    values = {(one.what, one.option, one.metric, one.seed): one for one in tried}
    rows = [
        (*words(*key), *(_tried(values.get((*key, seed))) for seed in seeds)) for key in options
    ]
    columns = ("Choice", "Option", "Metric", *(f"Seed {seed}" for seed in seeds))
    caption = "Choices made on validation; the chosen option in bold"
    return Table("selection", caption, columns, tuple(rows), labels=3)


def _tried(one: Selection | None) -> Cell:
    return Cell(MISSING) if one is None else number(one.value, best=one.chosen)


def heatmap(grid: Heatmap, name: str) -> Table:
    """The metric for each pair of alphas; the chosen pair in bold."""
    rows = []
    for first, values in zip(grid.alpha1, grid.values, strict=True):
        pairs = zip(grid.alpha2, values, strict=True)
        cells = (number(value, best=(first, second) == grid.chosen) for second, value in pairs)
        rows.append((Cell(f"{first:g}", first), *cells))
    columns = ("α₁ \\ α₂", *(f"{second:g}" for second in grid.alpha2))
    return Table(name, f"{grid.title}: {grid.metric} on validation", columns, tuple(rows))


def groups(contents: Contents) -> Table:
    """The primary metric of each method in each group of users."""
    metric = contents.primary
    caption = f"{metric} by activity: quartiles of N(u), the user's training interactions"
    return _grouped("groups", caption, "N(u)", metric, contents.groups)


def item_groups(contents: Contents) -> Table:
    """The primary metric of each method on held-out items of each group."""
    metric = contents.primary
    caption = f"{metric} by how often a held-out item was met in training"
    return _grouped("item_groups", caption, "Times met", metric, contents.item_groups)


def _grouped(name: str, caption: str, head: str, metric: str, found: Sequence[GroupRow]) -> Table:
    methods = list(dict.fromkeys(row.method for row in found))
    rows = []
    for group, users in {row.group: row.users for row in found}.items():
        mine = {row.method: row.metrics.get(metric) for row in found if row.group == group}
        values = [mine.get(method) for method in methods]
        rows.append((*words(group), count(users), *_best_of(metric, values)))
    return Table(name, caption, (head, "Users", *methods), tuple(rows))


def _best_of(metric: str, values: Sequence[float | None]) -> list[Cell]:
    top = winner(metric, values)
    return [
        Cell(MISSING) if value is None else number(value, best=value == top) for value in values
    ]


def position_bias(contents: Contents) -> Table:
    """The share of first places that went to each slot."""
    slots = sorted({bias.slot for bias in contents.position_bias})
    rows = []
    for method in dict.fromkeys(bias.method for bias in contents.position_bias):
        mine = {bias.slot: bias for bias in contents.position_bias if bias.method == method}
        shares = [share(mine[slot].share if slot in mine else None) for slot in slots]
        rows.append((*words(method), *shares, p_value(next(iter(mine.values())).p_value)))
    columns = ("Method", *(f"Slot {slot}" for slot in slots), "p")
    caption = "Share of first places by the slot at which the item was shown"
    return Table("position_bias", caption, columns, tuple(rows), note=BIAS_NOTE)


BIAS_NOTE = "p: chi-square test against no preference; a small one says that the slot matters."


def share(value: float | None) -> Cell:
    """A share in percent; a dash for None."""
    return Cell(MISSING) if value is None else Cell(f"{100 * value:.1f} %", value)


def answers(contents: Contents) -> Table:
    """What was asked of the language model, and what could not be used."""
    rows = []
    for stage in contents.answers:
        kinds = stage.rejected
        lost = sum(kinds.values())
        reasons = ", ".join(f"{kind} {number:,}" for kind, number in kinds.items() if number)
        whole = stage.asked if stage.values is None else stage.values
        part = share(lost / whole if whole else None)
        counts = (count(stage.asked), *_tokens(contents, stage.tokens), rejected(stage))
        rows.append((*words(stage.stage), *counts, part, *words(reasons or MISSING)))
    read = ("Tokens",) if any(stage.tokens for stage in contents.answers) else ()
    columns = ("Stage", "Asked", *read, "Rejected", "Share", "Why")
    caption = "Questions to the language model"
    note = f"{wording.of(contents).answers} {wording.account(contents.account)}".strip()
    return Table("answers", caption, columns, tuple(rows), note=note)


def rejected(stage: AnswerCount) -> Cell:
    """How many answers of a stage could not be used, or how many of how many values."""
    lost = sum(stage.rejected.values())
    if stage.values is None:
        return count(lost)
    return Cell(f"{lost:,} of {stage.values:,} values", lost)


def _tokens(contents: Contents, read: int | None) -> list[Cell]:
    """The tokens of a stage, in a table where any stage has some."""
    if not any(stage.tokens for stage in contents.answers):
        return []
    return [Cell(MISSING) if read is None else count(read)]


def timings(contents: Contents) -> Table:
    """How long each stage took."""
    rows = [(*words(stage), Cell(duration(s), s)) for stage, s in contents.timings.items()]
    return Table("timings", "Time by stage", ("Stage", "Time"), tuple(rows))


def duration(seconds: float) -> str:
    """Seconds as people say them: < 0.01 s, 0.42 s, 7.3 s, 4 min 07 s, 1 h 02 min."""
    if seconds < 0.01:
        return "< 0.01 s"
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
