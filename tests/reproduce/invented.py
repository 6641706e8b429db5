"""Runs that nobody made: contents with figures and p-values by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandemrec.recipes.record import Record
from tandemrec.recipes.settings import PLUS
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.report.contents import Contents, Row, Test

METRICS = ("HR@3", "NDCG@3", "HR@5", "NDCG@5")
FIGURES = {"Base": 0.04, "IFT": 0.05, "Llama4Rec": 0.06}
ERRORS = {"Base": 1.0, "IFT": 1.25, "Llama4Rec": 0.95}
KINDS = {"w/o": "ablation", "mean": "control", "biases": "control"}


def invented(
    figures: Mapping[str, float] = FIGURES,
    p_values: Mapping[tuple[str, str], float] = {},
    *,
    seeds: Sequence[int] = (0,),
    llm: str = "fake",
    settings: Mapping[str, Any] = {},
    more: Mapping[str, Any] = {},
    metrics: Sequence[str] = METRICS,
) -> Contents:
    """Every metric has the figure of its method; `p_values` are by method and what it is tested
    against, over users."""
    rows = [
        Row(
            method=name,
            kind=KINDS.get(name.partition(" ")[0], "main"),
            seed=seed,
            metrics=dict.fromkeys(metrics, value),
        )
        for seed in seeds
        for name, value in figures.items()
    ]
    tests = [
        test(method, against, metric, figures[method] - figures[against], p)
        for (method, against), p in p_values.items()
        for metric in metrics
    ]
    values: dict[str, Any] = {
        "title": "invented",
        "what": {"name": "ml-100k"},
        "backbone": "MF",
        "llm": llm,
        "preset": "plus",
        "seeds": list(seeds),
        "command": "",
        "config": json.loads(json.dumps(merged(PLUS.model_dump(mode="json"), settings))),
        "rows": rows,
        "tests": tests,
    }
    return Contents(**values | more)


def rated(
    figures: Mapping[str, float] = ERRORS,
    p_values: Mapping[tuple[str, str], float] = {},
    **options: Any,
) -> Contents:
    """The same of a run that predicts ratings."""
    more = {"task": "rating", "backbone": "DeepFM"} | dict(options.pop("more", {}))
    return invented(figures, p_values, metrics=("RMSE", "MAE"), more=more, **options)


def test(method: str, against: str, metric: str, difference: float, p: float) -> Test:
    return Test(
        method=method,
        against=against,
        metric=metric,
        over="users",
        difference=difference,
        low=difference - 0.01,
        high=difference + 0.01,
        p_value=p,
        n=40,
    )


test.__test__ = False  # type: ignore[attr-defined]  # not for pytest


def put_run(spec: RunSpec, contents: Contents | None = None) -> None:
    """What a finished run leaves in its folder."""
    contents = contents or invented(seeds=spec.all_seeds, llm=spec.llm)
    spec.out.mkdir(parents=True, exist_ok=True)
    (spec.out / "report.json").write_text(contents.model_dump_json(), encoding="utf-8")
    Record.of(spec).save(spec.out)


def quick() -> list[str]:
    """Settings for a run of a second on `recipes.worlds.small`."""
    pairs = (
        "training.epochs=1",
        "tune=none",
        "metric=NDCG@5",
        "renew=false",
        "prompt.passages=0",
        "preferences.passages=0",
        "preferences.pairs=2",
        "insertions.passages=0",
        "insertions.insertions=1",
        "rerank=[{way = 'likelihood', prior = 0.0}]",
        "blend.alpha1=[0.1, 0.9]",
        "blend.alpha2=[0.1, 0.9]",
    )
    return ["--llm", "fake", *(word for pair in pairs for word in ("--set", pair))]


def values_in(out: Path) -> dict[tuple[str, str], Any]:
    """The page's tables, by row and column."""
    rows = json.loads((out / "tables.json").read_text(encoding="utf-8"))
    return {(row["row"], row["column"]): row["value"] for row in rows}
