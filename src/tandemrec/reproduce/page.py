"""Ours beside the paper's: a page, and the same tables as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tandemrec.evaluation.compare import improvement
from tandemrec.report import formats
from tandemrec.report.contents import BASE, FULL, Contents
from tandemrec.report.page import environment
from tandemrec.report.scoreboard import LEVEL, find_test, result
from tandemrec.report.tables import MISSING, Cell, Table, number, percent, words
from tandemrec.reproduce.papers import PaperTable
from tandemrec.writing import explained, whole

Found = Mapping[tuple[str, str], Contents]
"The finished cells, by data set and backbone."
BASELINES = (BASE, "IFT")
NOTE = (
    "Bold: our best. * p ≤ 0.05 against the better of Base and IFT (paired t-test over users). The "
    "paper's columns are as it prints them; its figures come from another language model."
)


def write(table: PaperTable, found: Found, out: Path, command: str = "") -> Path:
    """Write index.html, tables.md, tables.tex, tables.csv and tables.json; gives the page."""
    made = tables(table, found)
    files = {
        "tables.md": formats.markdown(made),
        "tables.tex": formats.latex(made),
        "tables.csv": formats.as_csv(made),
        "tables.json": formats.as_json(formats.tidy(made)),
        "index.html": html(table, found, made, command),
    }
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with whole(out / name) as fresh:
                fresh.write_text(text, encoding="utf-8", newline="\n")
    return out / "index.html"


def html(table: PaperTable, found: Found, made: list[Table], command: str) -> str:
    """The page: no scripts, nothing fetched."""
    template = environment().get_template("reproduced.html.j2")
    return template.render(
        title=f"{table.paper}, {table.key}",
        about=table.about,
        tables=made,
        notes=list(notes(table, found)),
        command=command,
        links=[f"{data}/{backbone}" for data, backbone in found],
    )


def tables(table: PaperTable, found: Found) -> list[Table]:
    """One for each data set of which at least one cell is there."""
    there = dict.fromkeys(data for data, _ in found)
    return [_beside(table, data, found) for data in table.figures if data in there]


def _beside(table: PaperTable, data: str, found: Found) -> Table:
    columns = ["Backbone", "Method"]
    for metric in table.metrics:
        columns += [metric, f"{metric}, paper"]
    rows = []
    for backbone in table.figures[data]:
        rows += list(_block(table, data, backbone, found.get((data, backbone))))
    name = f"{table.key}_{data.replace('-', '_')}"
    return Table(name, data, tuple(columns), tuple(map(tuple, rows)), labels=2, note=NOTE)


def _block(
    table: PaperTable, data: str, backbone: str, contents: Contents | None
) -> Iterator[list[Cell]]:
    """One backbone's rows: each method, and the improvement over the better baseline."""
    theirs = table.figures[data][backbone]
    for method in table.methods:
        row = words(backbone, method)
        for metric in table.metrics:
            row += [_ours(table, contents, method, metric), number(theirs[method][metric])]
        yield row
    gains = words(backbone, f"{FULL} over the better baseline")
    for metric in table.metrics:
        values = {name: theirs[name][metric] for name in (*BASELINES, FULL)}
        gains += [percent(_gain(_means(contents, metric))), percent(_gain(values))]
    yield gains


def _means(contents: Contents | None, metric: str) -> dict[str, float]:
    if contents is None:
        return {}
    pairs = ((name, result(contents, name, metric)) for name in (*BASELINES, FULL))
    return {name: each.mean for name, each in pairs if each is not None}


def _gain(values: Mapping[str, float]) -> float | None:
    if FULL not in values or not values.keys() & set(BASELINES):
        return None
    return improvement(values[FULL], max(values[n] for n in BASELINES if n in values))


def _ours(table: PaperTable, contents: Contents | None, method: str, metric: str) -> Cell:
    mine = None if contents is None else result(contents, method, metric)
    if contents is None or mine is None:
        return Cell(MISSING)
    every = [each.mean for name in table.methods if (each := result(contents, name, metric))]
    star = method == FULL and _significant(contents, metric)
    return Cell(
        f"{mine.mean:.4f}", mine.mean, mine.sd, best=mine.mean == max(every), mark="*" * star
    )


def _significant(contents: Contents, metric: str) -> bool:
    """Whether Llama4Rec is above the better baseline, and not by luck."""
    means = _means(contents, metric)
    best = max((name for name in BASELINES if name in means), key=lambda name: means[name])
    test = find_test(contents, FULL, best, metric, "users")
    return test is not None and test.difference > 0 and test.p_value <= LEVEL


def notes(table: PaperTable, found: Found) -> Iterator[str]:
    """What differs from the paper, the language model above all."""
    ours = sorted({contents.llm for contents in found.values()})
    presets = sorted({contents.preset for contents in found.values()})
    seeds = sorted({len(contents.seeds) for contents in found.values()})
    yield (
        f"The language model is {', '.join(ours)}; the paper's is {table.llm}. Settings: "
        f"{', '.join(presets)}; {' or '.join(map(str, seeds))} seeds of each, the paper has five."
    )
    yield (
        "One language model is tuned for each data set, on instructions from training data whose "
        f"candidates come from {table.teacher}, out of fold. The paper tunes one for all data sets "
        "and tasks, and does not say how instructions keep clear of the target."
    )
    yield (
        "Epochs, ranking ways and weights are chosen on validation; the test part is opened once. "
        "Backbones are tuned on validation too, so that Base is often better than the paper's."
    )
    if any(data == "book-crossing" for data, _ in found):
        yield "Book-Crossing has no times: its order is drawn at random, by a fixed seed."
    missing = [f"{d}/{b}" for d, row in table.figures.items() for b in row if (d, b) not in found]
    if missing:
        yield f"Not run: {', '.join(missing)}."
