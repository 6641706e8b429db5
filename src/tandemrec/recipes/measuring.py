"""From metrics of every method and seed to rows, tests and groups, whatever recipe and task."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tandemrec.aggregate import Grid
from tandemrec.data.attributes import Attributes
from tandemrec.data.split import Split
from tandemrec.evaluation import compare, groups
from tandemrec.evaluation.metrics import UserMetrics
from tandemrec.llm.answers import AnswerStore
from tandemrec.oneline import counted
from tandemrec.recipes.arms import ARMS, COUNTING
from tandemrec.recipes.settings import RecipeConfig
from tandemrec.recipes.setup import ANSWERS, Setup
from tandemrec.recipes.users import UserTable
from tandemrec.report.contents import (
    BASE,
    DALLREC,
    FULL,
    AttributeRow,
    GroupRow,
    Heatmap,
    Row,
    Test,
)

TITLES = {"llama4rec": FULL, "dallrec": DALLREC}
UNTESTED = (BASE, "oracle")
"What methods are tested against, and a bound that none can pass."
RANDOM = "random users"
"A control of DALLRec: as many interactions of the same items, with anybody."
FURTHER = ((FULL, "IFT"), (DALLREC, RANDOM))
"""What the whole method is tested against besides: in Llama4Rec's paper the language model alone,
where it is the better; and what needs none."""
Measured = Mapping[str, Sequence[UserMetrics]]  # method -> one for each seed
Kinds = Mapping[str, Literal["main", "ablation", "control"]]
LLAMA4REC = (BASE, "IFT", FULL)
"The rows that are shown of each group of users."


def llama4rec_kinds(measured: Measured, controls: Container[str]) -> Kinds:
    """What each row of a Llama4Rec table is."""
    arms = {name: arm.kind for name, arm in (ARMS | COUNTING).items()}
    return {row: "control" if row in controls else arms.get(row, "main") for row in measured}


def shared_by_tasks(
    setup: Setup[RecipeConfig],
    table: UserTable,
    kinds: Kinds,
    primary: str,
    shown: Sequence[str] = LLAMA4REC,
    *,
    preset: str,
    command: str,
) -> dict[str, Any]:
    """What a report shows of any run, by the names of `Contents`; groups show these rows."""
    measured, seeds = table.measured, table.seeds
    rows = (table_rows(measured, n, seed, kinds, primary) for n, seed in enumerate(seeds))
    return {
        "title": f"{TITLES[setup.config.recipe]} on {setup.split.data.name}",
        "what": facts(setup.split),
        "backbone": name_of(setup.backbone),
        "llm": model_of(setup.llm),
        "preset": preset,
        "seeds": seeds,
        "command": command,
        "config": setup.config.model_dump(mode="json"),
        "rows": [row for each in rows for row in each],
        "tests": tests(measured),
        "groups": activity(table, shown),
        "account": account(setup),
        "timings": timings(setup),
    }


def heatmaps(grid: Grid | None, seed: int, metric: str) -> list[Heatmap]:
    """The grid of alphas of Llama4Rec, where it has one."""
    if grid is None:
        return []
    return [
        Heatmap(
            title=f"Llama4Rec, seed {seed}, on validation",
            alpha1=list(grid.alpha1),
            alpha2=list(grid.alpha2),
            values=[list(row) for row in grid.values],
            metric=metric,
            chosen=grid.best,
        )
    ]


def timings(setup: Setup[Any]) -> dict[str, float]:
    """How long each stage took when it was made, those in a shared folder too."""
    shared = setup.common.seconds if setup.shared else {}
    return setup.run.seconds | {f"shared/{name}": took for name, took in shared.items()}


def account(setup: Setup[Any]) -> dict[str, float]:
    """How the language model's answers came about, and what they cost."""
    with AnswerStore(setup.common.folder / ANSWERS) as store:
        return store.account


def name_of(backbone: Any) -> str:
    """A backbone's name in reports."""
    return str(getattr(backbone, "__name__", type(backbone).__name__))


def model_of(llm: Any) -> str:
    """A language model's name in reports, with its adapter."""
    adapter = getattr(llm, "adapter", None)
    return str(llm.name) if adapter is None else f"{llm.name} with adapter {Path(adapter).name}"


def facts(split: Split) -> dict[str, Any]:
    """The data set in numbers."""
    rows = split.data.interactions
    cells = rows.n_users * rows.n_items
    return {
        "name": split.data.name,
        "users": rows.n_users,
        "items": rows.n_items,
        "interactions": len(rows),
        "density": len(rows) / cells if cells else 0.0,
        "tested users": len(np.unique(split.test.users)),
    } | ({"order": split.data.order} if split.data.order else {})


def table_rows(measured: Measured, n: int, seed: int, kinds: Kinds, primary: str) -> list[Row]:
    """The n-th seed's row of each method, tested against Base by the primary metric."""
    base = measured[BASE][n]
    found = []
    for method, runs in measured.items():
        test = None if method in UNTESTED else compare.over_users([runs[n]], [base], primary)
        found.append(
            Row(
                method=method,
                kind=kinds[method],
                seed=seed,
                metrics=runs[n].means(),
                p_value=test and test.p_value,
            )
        )
    return found


def tests(measured: Measured) -> list[Test]:
    """Every method but the bound against Base, and the whole method against what else it has to
    beat: over users and, where seeds make a difference, over runs."""
    found = []
    pairs = [(method, BASE) for method in measured if method not in UNTESTED]
    others = [pair for pair in FURTHER if measured.keys() >= set(pair)]
    for method, other in [*pairs, *others]:
        runs = measured[method]
        for metric in runs[0].values:
            ways = {"users": compare.over_users}
            if any(compare.varies(each, metric) for each in (runs, measured[other])):
                ways["runs"] = compare.over_runs
            for over, test in ways.items():
                result = test(runs, measured[other], metric)
                found.append(
                    Test(
                        method=method,
                        against=other,
                        metric=metric,
                        over=over,
                        difference=result.mean_difference,
                        low=result.ci95[0],
                        high=result.ci95[1],
                        p_value=result.p_value,
                        n=result.n,
                    )
                )
    return found


def closing(setup: Setup[Any], table: UserTable, primary: str) -> Iterator[str]:
    """Notes that stand below all others: what was one, what is of several states of the code."""
    yield from unvaried(table, primary)
    older = [name for run in (setup.run, setup.shared) if run is not None for name in run.older]
    if older:
        yield (
            f"{counted(len(older), 'stage')} that another state of tandemrec's code made, loaded: "
            f"{', '.join(older[:3])}{', ...' if older[3:] else ''}. A new folder makes all anew."
        )


UNVARIED = "All seeds give the same "
"How the note begins that several seeds were one."


def unvaried(table: UserTable, primary: str) -> Iterator[str]:
    """A note where several seeds are as good as one."""
    same = [name for name, runs in table.measured.items() if not compare.varies(runs, primary)]
    if len(table.seeds) > 1 and BASE in same and len(same) > 1:
        yield (
            f"{UNVARIED}{primary} of {', '.join(same)}: between these there is no test over runs."
        )


def activity(table: UserTable, shown: Sequence[str]) -> list[GroupRow]:
    """Users by activity; each user's metrics are means over the seeds."""
    parts = groups.by_counts(table.measured[BASE][0].users, table.trained)
    rows = []
    for method in (name for name in shown if name in table.measured):
        runs = table.measured[method]
        mean = UserMetrics(
            runs[0].users, {m: np.mean([run.values[m] for run in runs], 0) for m in runs[0].values}
        )
        for part, metrics in zip(parts, groups.means(mean, parts), strict=True):
            row = GroupRow(group=part.label, users=len(part.users), method=method, metrics=metrics)
            rows.append(row)
    return rows


def attribute_rows(attributes: Attributes | None) -> list[AttributeRow]:
    """How many values of each kind came from where."""
    return [
        AttributeRow(kind=kind, source=source, items=n, share=n / max(sum(counts.values()), 1))
        for kind, counts in (attributes.counts if attributes else {}).items()
        for source, n in counts.items()
    ]
