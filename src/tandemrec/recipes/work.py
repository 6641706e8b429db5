"""A run that asks nothing: what it would ask becomes a folder of work, and it stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tandemrec.llm.base import LLM
from tandemrec.llm.work.planning import Planning
from tandemrec.progress import Progress, silent
from tandemrec.recipes.execute import check, dallrec, llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.inputs import Inputs, inputs
from tandemrec.recipes.record import Record
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
    record, given = Record.of(spec), inputs(spec, progress)
    model = Planning(given.llm, work, store=(spec.shared or spec.out) / ANSWERS)
    how: dict[str, Any] = {
        "backbone": spec.backbone,
        "config": spec.config,
        "out": spec.out,
        "shared": spec.shared,
        "seeds": spec.made_seeds,
        "first": spec.seed,
        "command": command,
        "progress": progress,
    }
    finished = _dallrec(given, model, how) if spec.recipe == "dallrec" else None
    finished = finished or llama4rec(given.split, llm=model, **how)
    record.save(spec.out)
    return finished


def _dallrec(given: Inputs, model: LLM, how: dict[str, Any]) -> Finished:
    """Texts are made to numbers here, by the model itself where no other is named."""
    embedder: Any = given.embedder or given.llm
    return dallrec(given.split, llm=model, embedder=embedder, content=given.content, **how)
