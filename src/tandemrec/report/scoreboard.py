"""The tables of methods: means over seeds, change against a reference, and whether it is luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from tandemrec.evaluation.compare import improvement
from tandemrec.evaluation.metrics import better, winner
from tandemrec.report import tables, wording
from tandemrec.report.contents import BASE, Contents, Test
from tandemrec.report.tables import LEVEL, Cell, Table

NOTE = "* better, † worse than {}, p ≤ 0.05 (paired t-test over users)."


@dataclass(frozen=True)
class Result:
    """One metric of one method over its seeds."""

    mean: float
    sd: float | None
    "Of the sample, over seeds; None with one seed."


def result(contents: Contents, method: str, metric: str) -> Result | None:
    """The method's result, or None where it was not measured."""
    found = [
        row.metrics[metric]
        for row in contents.rows
        if row.method == method and metric in row.metrics
    ]
    return Result(fmean(found), stdev(found) if len(found) > 1 else None) if found else None


def change(contents: Contents, method: str, against: str) -> float | None:
    """By how many percent the method's primary metric is better than the other's."""
    metric = contents.primary
    ours, base = (result(contents, name, metric) for name in (method, against))
    return improvement(ours.mean, base.mean, metric) if ours and base else None


def find_test(
    contents: Contents, method: str, against: str, metric: str, over: Literal["users", "runs"]
) -> Test | None:
    """The test of this comparison, if it was made."""
    wanted = (method, against, metric, over)
    made = ((t, (t.method, t.against, t.metric, t.over)) for t in contents.tests)
    return next((test for test, key in made if key == wanted), None)


def p_users(contents: Contents, method: str, against: str, metric: str) -> float | None:
    """The p-value over users: of the test, or with one seed of the method's row against Base."""
    test = find_test(contents, method, against, metric, "users")
    if test is not None:
        return test.p_value
    rows = [row for row in contents.rows if row.method == method]
    ours = len(rows) == 1 and against == BASE and metric == contents.primary
    return rows[0].p_value if ours else None


def main(contents: Contents) -> Table:
    """Base, IFT and the whole method, against Base."""
    caption = f"Results on test{_over_seeds(contents)}"
    return _board(contents, "main", caption, _methods(contents, "main"), BASE)


def ablations(contents: Contents) -> Table:
    """The whole method without each of its parts, against the whole."""
    parts = _methods(contents, "ablation")
    whole = [name for name in _methods(contents, "main") if name == contents.full]
    against = contents.full if whole else BASE
    caption = f"Without one part at a time{_over_seeds(contents)}"
    return _board(contents, "ablations", caption, [*whole, *parts] if parts else [], against)


def controls(contents: Contents) -> Table:
    """What no language model would give, and what is possible, if it is known, against Base."""
    rows = _methods(contents, "control")
    base = [name for name in _methods(contents, "main") if name == BASE]
    caption = f"Controls{_over_seeds(contents)}"
    methods = [*base, *rows] if rows else []
    return _board(contents, "controls", caption, methods, BASE, bold=False)


def _methods(contents: Contents, kind: str) -> list[str]:
    return list(dict.fromkeys(row.method for row in contents.rows if row.kind == kind))


def _over_seeds(contents: Contents) -> str:
    seeds = {row.seed for row in contents.rows}
    return f": mean ± standard deviation over {len(seeds)} seeds" if len(seeds) > 1 else ""


def _board(
    contents: Contents,
    name: str,
    caption: str,
    methods: Sequence[str],
    against: str,
    *,
    bold: bool = True,
) -> Table:
    columns = {
        metric: _column(contents, methods, metric, against, bold) for metric in contents.metrics
    }
    columns[f"vs {against}"] = [_change(contents, method, against) for method in methods]
    columns["p (users)"] = [_p_users(contents, method, against) for method in methods]
    columns["p (runs)"] = [_p_runs(contents, method, against) for method in methods]
    shown = {
        head: cells for head, cells in columns.items() if any(c.value is not None for c in cells)
    }
    rows = zip(([tables.words(method)[0] for method in methods]), *shown.values(), strict=True)
    marked = any(cell.mark for cells in shown.values() for cell in cells)
    notes = (wording.of(contents).less, NOTE.format(against) if marked else "")
    note = " ".join(filter(None, notes))
    return Table(name, caption, ("Method", *shown), tuple(rows), note=note)


def _column(
    contents: Contents, methods: Sequence[str], metric: str, against: str, bold: bool
) -> list[Cell]:
    found = [result(contents, method, metric) for method in methods]
    means = (None if one is None else one.mean for one in found)
    top = winner(metric, means) if bold else None
    return [
        Cell(tables.MISSING)
        if one is None
        else Cell(
            f"{one.mean:.4f}",
            one.mean,
            one.sd,
            best=one.mean == top,
            mark=mark(contents, method, against, metric),
        )
        for method, one in zip(methods, found, strict=True)
    ]


def mark(contents: Contents, method: str, against: str, metric: str) -> str:
    """* for significantly better than the other method over users, † for significantly worse."""
    p = p_users(contents, method, against, metric)
    ours, base = (result(contents, name, metric) for name in (method, against))
    if p is None or p > LEVEL or ours is None or base is None:
        return ""
    above = better(metric, ours.mean, base.mean)
    if contradicted(contents, method, against, metric, above):
        return ""
    return "*" if above else "†"


def contradicted(contents: Contents, method: str, against: str, metric: str, above: bool) -> bool:
    """Whether the test over users finds the other way round what the mean over seeds says: it pairs
    a user's mean over seeds and over his ratings, and a root of means (RMSE) may then differ from
    the mean of roots, or a mean of users from that of ratings."""
    test = find_test(contents, method, against, metric, "users")
    return test is not None and better(metric, test.difference, 0.0) != above


def _change(contents: Contents, method: str, against: str) -> Cell:
    return tables.percent(None if method == against else change(contents, method, against))


def _p_users(contents: Contents, method: str, against: str) -> Cell:
    return tables.p_value(p_users(contents, method, against, contents.primary))


def _p_runs(contents: Contents, method: str, against: str) -> Cell:
    test = find_test(contents, method, against, contents.primary, "runs")
    return tables.p_value(test.p_value if test else None)
