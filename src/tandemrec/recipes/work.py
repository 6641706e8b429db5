"""A run that asks nothing: what it would ask becomes a folder of work, and it stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tandemrec.llm.base import LLM
from tandemrec.llm.work.planning import Planning
from tandemrec.progress import Progress, silent
from tandemrec.recipes.execute import check, executed
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.inputs import Inputs, inputs
from tandemrec.recipes.setup import ANSWERS
from tandemrec.recipes.spec import RunSpec


def planned(
    spec: RunSpec, work: str | Path, *, command: str = "", progress: Progress = silent
) -> Finished:
    """As `execute`, but where the store of answers does not know one, all questions that are put
    with it are written to the folder `work`, and `Unanswered` is raised.

    What comes before the questions is done and kept, tuning and backbones too. Later questions hang
    on the answers to earlier ones, so a run is planned, answered and merged several times; at the
    last, it is finished here, and equal to one that asked by itself.
    """
    check([spec], progress=progress)
    given = inputs(spec, progress)
    model = Planning(given.llm, work, store=(spec.shared or spec.out) / ANSWERS)
    return executed(spec, _reading(given, model, spec), command=command, progress=progress)


def _reading(given: Inputs, model: LLM, spec: RunSpec) -> Inputs:
    """The same with that model, which makes no numbers of texts: in a run that needs them, the
    language model itself does, where no other is named."""
    embedder: Any = given.embedder or (given.llm if spec.recipe == "dallrec" else None)
    return replace(given, llm=model, embedder=embedder)
