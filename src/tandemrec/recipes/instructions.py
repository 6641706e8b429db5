"""The instruction sets of a finished run, for programs that tune elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandemrec.errors import RunError
from tandemrec.llm import embedded, known
from tandemrec.progress import Progress, silent
from tandemrec.recipes import dallrec_tuning
from tandemrec.recipes.dallrec import reaching
from tandemrec.recipes.execute import finished
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.record import Record
from tandemrec.recipes.setup import DALLRecSetup
from tandemrec.recipes.tuning import instruction_set
from tandemrec.tuning.examples import Example
from tandemrec.tuning.export import Exported, export, format_of


def export_run(
    folder: str | Path,
    name: str,
    out: str | Path | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Exported:
    """Write what a finished run tuned on, in the format of that name, below its folder or in `out`.

    `settings` are the format's own, on top of those nearest to the run's tuning; its model is named
    as anybody can fetch it. Raises RunError for a run that tuned nothing or was never finished.
    """
    form, run = format_of(name), finished(folder, progress)
    tune, weights = run.setup.config.tune, getattr(run.setup.llm, "folder", None)
    if tune is None or weights is None:
        raise RunError(
            f"{folder} tuned no language model, so it has no instructions to export. Run it with a "
            "model that has weights, such as --llm smollm2-135m, and with tuning."
        )
    tune = tune.model_copy(update={"seed": run.first})
    model = model_name(Record.load(Path(folder)).spec.llm, weights)
    config = form.config(model, tune, settings or {})
    return export(sets(run), Path(folder) / name if out is None else out, name, config)


def sets(run: Finished) -> dict[str, Sequence[Example]]:
    """What a run tuned its language model on, by name: a Llama4Rec run has one set, a DALLRec run
    one for each strategy that reaches its backbone, and an adapter for each."""
    setup, seed = run.setup, run.first
    if isinstance(setup, DALLRecSetup):
        return {
            name: dallrec_tuning.instruction_set(name, setup, seed).examples
            for name in reaching(setup)
        }
    return {"instructions": instruction_set(setup, seed).examples}


def model_name(llm: str, folder: Path) -> str:
    """A model's hub id or folder; other names are ours alone."""
    if llm == embedded.NAME:
        return embedded.HUB
    return str(folder) if llm.partition(":")[0] in known() else llm
