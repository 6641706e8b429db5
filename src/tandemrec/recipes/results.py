"""From the seeds of a run to what its report shows."""

from __future__ import annotations

from collections.abc import Sequence

from tandemrec.data.split import Split
from tandemrec.evaluation import controls
from tandemrec.evaluation.metrics import UserMetrics, per_user
from tandemrec.rankings import Rankings
from tandemrec.recipes.arms import Choice
from tandemrec.recipes.augmenting import on_validation, valid_metric
from tandemrec.recipes.llama4rec import SeedResult
from tandemrec.recipes.measuring import closing, heatmaps, llama4rec_kinds, shared_by_tasks
from tandemrec.recipes.setup import Setup
from tandemrec.recipes.telling import answers, curves, notes, stories
from tandemrec.recipes.users import UserTable
from tandemrec.report.contents import (
    FULL,
    PRIMARY,
    Bias,
    Contents,
    Selection,
)
from tandemrec.tuning.tune import Tuned

CONTROLS = ("refit", "echo", "random", "oracle")
"Those that need no choice on validation."


def contents(
    setup: Setup,
    seeds: Sequence[SeedResult],
    tuning: Tuned | None,
    *,
    preset: str,
    command: str,
) -> tuple[Contents, UserTable]:
    """Everything that the page, the tables and `scores.json` show, and every user's metrics."""
    measured = measure(setup.split, seeds)
    table, full = UserTable.of(setup.split, [each.seed for each in seeds], measured), seeds[0]
    kinds, how = llama4rec_kinds(measured, CONTROLS), {"preset": preset, "command": command}
    found = Contents(
        **shared_by_tasks(setup, table, kinds, PRIMARY, **how),
        selection=[row for each in seeds for row in _selection(setup, each)],
        heatmaps=heatmaps(full.choices[FULL].grid, full.seed, setup.config.metric),
        curves=curves(full, tuning),
        stories=stories(setup, full),
        position_bias=_bias(setup, full),
        answers=answers(setup, seeds),
        notes=[*notes(setup, seeds, tuning), *closing(setup, table, PRIMARY)],
    )
    return found, table


def measure(split: Split, seeds: Sequence[SeedResult]) -> dict[str, list[UserMetrics]]:
    """Every method's metrics on test: Base, the arms, and the control rows."""
    measured: dict[str, list[UserMetrics]] = {}
    for each in seeds:
        for name, lists in {**each.lists, **_controls(split, each)}.items():
            measured.setdefault(name, []).append(per_user(lists, split.test))
    return measured


def _controls(split: Split, seed: SeedResult) -> dict[str, Rankings]:
    """Base fitted again; Llama4Rec's candidates repeated, shuffled, and sorted by the truth."""
    candidates = seed.view.candidates
    again = {} if seed.refit is None else {"refit": seed.refit}
    return again | {
        "echo": controls.echo(candidates),
        "random": controls.random_order(candidates, seed.seed),
        "oracle": controls.oracle(candidates, split.test),
    }


def _selection(setup: Setup, seed: SeedResult) -> list[Selection]:
    rows = _trust(seed) if len(seed.augmentation.trials) > 1 else []
    for name, choice in seed.choices.items():
        rows += _augmented(name, choice, seed.seed)
        for way, value in enumerate(choice.tried):
            rows.append(
                Selection(
                    what=f"ranking way of {name}",
                    option=setup.config.rerank[way].name,
                    metric=setup.config.metric,
                    value=value,
                    chosen=way == choice.way,
                    seed=seed.seed,
                )
            )
    return rows


def _augmented(name: str, choice: Choice, seed: int) -> list[Selection]:
    """Whether an arm was better with data augmentation or without."""
    return [
        Selection(
            what=f"data augmentation in {name}",
            option=option,
            metric=PRIMARY,
            value=value,
            chosen=choice.arm.augmented is (option == "with"),
            seed=seed,
        )
        for option, value in zip(("with", "without"), choice.compared or (), strict=False)
    ]


def _trust(seed: SeedResult) -> list[Selection]:
    """How many of the LLM's preferences the backbone learns."""
    return [
        Selection(
            what="share of the LLM's preferences",
            option=f"{100 * share:g}%",
            metric=valid_metric(model),
            value=on_validation(model),
            chosen=share == seed.augmentation.share,
            seed=seed.seed,
        )
        for share, model in seed.augmentation.trials.items()
    ]


def _bias(setup: Setup, seed: SeedResult) -> list[Bias]:
    rows = []
    view = seed.view
    for way, reranked in enumerate(view.reranked):
        if not reranked.used.any():
            continue
        answered = reranked.rankings.of(reranked.used)
        bias = controls.position_bias(reranked.shown[reranked.used], answered)
        for slot, share in enumerate(bias.shares, 1):
            name = setup.config.rerank[way].name
            rows.append(Bias(method=name, slot=slot, share=float(share), p_value=bias.p_value))
    return rows
