"""A whole run: from a spec, or from Python objects, to a table, a report and recommendations."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tandemrec.data.sources import SOURCES, load
from tandemrec.data.split import Split, leave_last_out
from tandemrec.llm import llm as named_llm
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM
from tandemrec.progress import Progress, silent
from tandemrec.recipes import tasks
from tandemrec.recipes.entrance import (
    backbone_of,
    check_seeds,
    check_settings,
    check_sizes,
    check_task,
)
from tandemrec.recipes.record import RECORD, Record
from tandemrec.recipes.settings import PLUS, Llama4RecConfig, preset_of
from tandemrec.recipes.setup import ANSWERS, Setup
from tandemrec.recipes.spec import RunSpec
from tandemrec.recipes.tuning import tuned
from tandemrec.recipes.weights import check_model
from tandemrec.report import write
from tandemrec.report.contents import Contents
from tandemrec.runs import Run
from tandemrec.tuning.tune import Tuned


@dataclass(frozen=True)
class Finished:
    """A run that is done: its table, its report, and recommendations from it."""

    setup: Setup
    seeds: Sequence[Any]
    """What its task gives for each (`llama4rec.SeedResult`, `rating.RatedSeed`): all of them; of a
    run that was loaded again, the first."""
    contents: Contents

    @cached_property
    def scores(self) -> pl.DataFrame:
        """A row for each method and seed: method, kind, seed, metrics, p_value."""
        from tandemrec.report.contents import scores

        return pl.DataFrame(scores(self.contents), infer_schema_length=None)

    def recommend(self, users: Sequence[Any], k: int = 5) -> pl.DataFrame:
        """A long frame (user_id, item_id, title, score, rank) for known users."""
        names = [str(user) for user in users]
        return tasks.of(self.setup).for_users(self.setup, self.seeds[0], names, k)

    def recommend_new(self, items: Sequence[Any], k: int = 5) -> pl.DataFrame:
        """The same for somebody new, from the ids of his items, oldest first."""
        names = [str(item) for item in items]
        return tasks.of(self.setup).for_history(self.setup, self.seeds[0], names, k)


def llama4rec(
    split: Split,
    *,
    backbone: Any,
    llm: LLM,
    config: Llama4RecConfig = PLUS,
    out: str | Path | None = None,
    shared: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = silent,
    command: str = "",
) -> Finished:
    """Run Llama4Rec; `backbone` is a name, a class, or an object that scores already.

    `out` is the run folder (a new temporary one if none is named); the same folder again goes on
    where it was. `shared`: a folder for the tuned model and the answers, which several runs on the
    same data may have in common; by default they are in the run folder. Raises TandemrecError for
    what a user can put right.
    """
    backbone = backbone_of(backbone)
    check_settings(backbone, config)
    check_seeds(seeds)
    check_sizes(split)
    check_task(split, backbone, config)
    check_model(llm, config.tune)
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="tandemrec-"))
    run, common = _runs(folder, shared)
    setup = Setup(split, backbone, llm, config, run, run.telling(progress), common)
    results, tuning = _stages(setup, seeds)
    found = tasks.of(setup).contents(
        setup, results, tuning, preset=preset_of(config), command=command
    )
    (folder / RECORD).unlink(missing_ok=True)  # it goes with the report that is replaced
    write(found, folder)
    return Finished(setup, results, found)


def _runs(
    own: str | Path, shared: str | Path | None, *, closed: bool = False
) -> tuple[Run, Run | None]:
    """A run's folder, and the one that it has in common with others, if any."""
    common = None if shared is None else Run(shared, closed=closed, common=True)
    return Run(own, closed=closed), common


def _stages(setup: Setup, seeds: Sequence[int]) -> tuple[list[Any], Tuned | None]:
    """Everything that is computed, or loaded: the tuned model, and each seed with it."""
    asked, tuning = _asking(setup, seeds[0])
    return [tasks.of(setup).one_seed(setup, asked, seed) for seed in seeds], tuning


def _asking(setup: Setup, seed: int) -> tuple[Remembering, Tuned | None]:
    """The tuned model, which looks its answers up first."""
    model, tuning = tuned(setup, seed)
    store = AnswerStore(setup.common.folder / ANSWERS)
    return Remembering(model, store, progress=setup.progress), tuning


def execute(spec: RunSpec, *, command: str = "", progress: Progress = silent) -> Finished:
    """Run what a spec asks for.

    The names of settings, backbone and data, one's own data, and the run folder are checked before
    anything is fetched; the model's files and the sizes of the data before anything is computed.
    """
    record = _checked(spec)
    split, model = _inputs(spec, progress)
    found = llama4rec(
        split,
        backbone=spec.backbone,
        llm=model,
        config=spec.config,
        out=spec.out,
        shared=spec.shared,
        seeds=spec.all_seeds,
        progress=progress,
        command=command,
    )
    record.save(spec.out)
    return found


def check(specs: Sequence[RunSpec], *, progress: Progress = silent) -> None:
    """What can be known to fail before anything is computed: every run's settings, names and
    folder; then the language models, which are fetched and looked at. Raises TandemrecError."""
    for spec in specs:
        _checked(spec)
    for spec in {(spec.llm, spec.adapter): spec for spec in specs}.values():
        check_model(_model(spec, progress), spec.config.tune)


def _checked(spec: RunSpec) -> Record:
    """An unusable setting or folder is better known before the work than after it."""
    check_settings(backbone_of(spec.backbone), spec.config)
    Run(spec.out)
    return Record.of(spec)


def ask_ahead(specs: Sequence[RunSpec], *, progress: Progress = silent) -> None:
    """What several runs on the same data and language model have to ask alike, asked together.

    They share a folder (`shared`), where each finds the answers, and have one task. Fits
    every run's Base, which the run then loads.
    """
    split, model = _inputs(specs[0], progress)
    setups = []
    for spec in specs:
        run, common = _runs(spec.out, spec.shared)
        backbone, told = backbone_of(spec.backbone), run.telling(progress)
        setups.append(Setup(split, backbone, model, spec.config, run, told, common))
    asking, _ = _asking(setups[0], specs[0].seed)
    tasks.of(setups[0]).ask_ahead(setups, asking, specs[0].all_seeds)


def _inputs(spec: RunSpec, progress: Progress) -> tuple[Split, LLM]:
    """The data and the language model; files of one's own are read before anything is fetched."""
    fetched = spec.data in SOURCES and not (spec.items or spec.users or spec.context)
    split = None if fetched else _split(spec, progress)
    model = _model(spec, progress)
    return split or _split(spec, progress), model


def _model(spec: RunSpec, progress: Progress) -> LLM:
    model: Any = named_llm(spec.llm, adapter=spec.adapter, progress=progress)
    model.progress = silent  # fetching is told by it, asking by the store of answers
    found: LLM = model
    return found


def _split(spec: RunSpec, progress: Progress) -> Split:
    data = load(
        spec.data,
        items=spec.items,
        users=spec.users,
        context=spec.context,
        noun=spec.noun,
        progress=progress,
    )
    split = leave_last_out(data)
    check_sizes(split)
    return split


def finished(folder: str | Path, progress: Progress = silent) -> Finished:
    """A finished run out of its folder, with the first seed, which recommendations come from.

    Its stages are loaded, nothing is made, and the report stays as it is. Raises RunError where
    the run was never finished, or where the folder or the data has changed since.
    """
    found, record = Contents.load(folder), Record.load(Path(folder))
    split, model = _inputs(record.spec, progress)
    backbone = backbone_of(record.spec.backbone)
    run, common = _runs(folder, record.spec.shared, closed=True)
    setup = Setup(split, backbone, model, record.config, run, run.telling(progress), common)
    results, _ = _stages(setup, found.seeds[:1])
    return Finished(setup, results, found)
