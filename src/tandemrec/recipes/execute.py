"""A whole run: from a spec, or from Python objects, to a table, a report and recommendations."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tandemrec import backbones
from tandemrec.data.sources import load
from tandemrec.data.split import Split, leave_last_out
from tandemrec.errors import RunError
from tandemrec.llm import llm as named_llm
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM
from tandemrec.progress import Progress, silent
from tandemrec.recipes import recommend
from tandemrec.recipes.llama4rec import SeedResult, one_seed
from tandemrec.recipes.results import contents
from tandemrec.recipes.settings import PLUS, Llama4RecConfig
from tandemrec.recipes.setup import Setup
from tandemrec.recipes.spec import RunSpec
from tandemrec.recipes.tuning import tuned
from tandemrec.report import write
from tandemrec.report.contents import Contents
from tandemrec.runs import Run

SPEC = "run.json"


@dataclass(frozen=True)
class Finished:
    """A run that is done: its table, its report, and recommendations from it."""

    setup: Setup
    seeds: Sequence[SeedResult]
    contents: Contents

    @cached_property
    def scores(self) -> pl.DataFrame:
        """A row for each method and seed: method, kind, seed, metrics, p_value."""
        from tandemrec.report.contents import scores

        return pl.DataFrame(scores(self.contents), infer_schema_length=None)

    def recommend(self, users: Sequence[Any], k: int = 5) -> pl.DataFrame:
        """A long frame (user_id, item_id, title, score, rank) for known users."""
        return recommend.for_users(self.setup, self.seeds[0], [str(user) for user in users], k)

    def recommend_new(self, items: Sequence[Any], k: int = 5) -> pl.DataFrame:
        """The same for somebody new, from the ids of his items, oldest first."""
        return recommend.for_history(self.setup, self.seeds[0], [str(item) for item in items], k)


def llama4rec(
    split: Split,
    *,
    backbone: Any,
    llm: LLM,
    config: Llama4RecConfig = PLUS,
    out: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = silent,
    preset: str = "plus",
    command: str = "",
) -> Finished:
    """Run Llama4Rec; `backbone` is a class, or an object that scores already.

    `out` is the run folder (a new temporary one if none is named); the same folder again goes on
    where it was. Raises TandemrecError for what a user can put right.
    """
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="tandemrec-"))
    run = Run(folder)
    store = AnswerStore(folder / "answers.sqlite")
    setup = Setup(split, backbone, llm, config, run, run.telling(progress))
    language_model, tuning = tuned(setup, seeds[0])
    asked = Remembering(language_model, store, progress=setup.progress)
    results = [one_seed(setup, asked, seed) for seed in seeds]
    found = contents(setup, results, tuning, preset=preset, command=command)
    write(found, folder)
    return Finished(setup, results, found)


def execute(spec: RunSpec, *, command: str = "", progress: Progress = silent) -> Finished:
    """Run what a spec asks for; every name in it is checked before anything is computed."""
    config = spec.config
    backbone = backbones.get(spec.backbone)
    language_model: Any = named_llm(spec.llm, adapter=spec.adapter, progress=progress)
    language_model.progress = silent  # fetching is told by it, asking by the store of answers
    split = leave_last_out(load(spec.data, items=spec.items, noun=spec.noun, progress=progress))
    Run(spec.out)  # an unusable folder is better known before the work than after it
    (spec.out / SPEC).write_text(spec.model_dump_json(indent=2))
    return llama4rec(
        split,
        backbone=backbone,
        llm=language_model,
        config=config,
        out=spec.out,
        seeds=spec.all_seeds,
        progress=progress,
        preset=spec.preset,
        command=command,
    )


def finished(folder: str | Path, progress: Progress = silent) -> Finished:
    """A finished run out of its folder; RunError where it was never finished."""
    contents = Contents.load(folder)
    try:
        values = json.loads((Path(folder) / SPEC).read_text())
    except FileNotFoundError:
        raise RunError(f"{folder} holds no {SPEC}; it was not made by `tandemrec run`.") from None
    spec = RunSpec.model_validate(values | {"out": str(folder)})
    return execute(spec, command=contents.command, progress=progress)
