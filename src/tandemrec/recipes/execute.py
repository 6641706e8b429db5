"""A whole run: from a spec, or from Python objects, to a table, a report and recommendations."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tandemrec.data.content import Content
from tandemrec.data.split import Split
from tandemrec.errors import ConfigError, RunError
from tandemrec.llm import llm as named
from tandemrec.llm.base import LLM
from tandemrec.llm.embedding import Embedder
from tandemrec.oneline import listed
from tandemrec.progress import Progress, silent
from tandemrec.recipes import tasks
from tandemrec.recipes.dallrec_settings import PLUS as DALLREC_PLUS
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.entrance import (
    backbone_of,
    check_config,
    check_folder,
    check_joined,
    check_likes,
    check_seeds,
    check_settings,
    check_sizes,
    check_split,
    check_task,
)
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.inputs import Inputs, inputs, model_of
from tandemrec.recipes.record import RECORD, Record
from tandemrec.recipes.settings import PLUS, Llama4RecConfig, RecipeConfig, preset_of
from tandemrec.recipes.setup import DALLRecSetup, Setup
from tandemrec.recipes.spec import RECIPES, RunSpec
from tandemrec.recipes.weights import check_model
from tandemrec.report import write
from tandemrec.report.contents import Contents
from tandemrec.runs import Run

TUNED_WITH = (
    "These are some seeds of a run whose first is {}: the LLM was made ready with that one."
)
"A note, where the first seed is made elsewhere."


def llama4rec(
    split: Split,
    *,
    backbone: Any,
    llm: LLM | str,
    config: Llama4RecConfig = PLUS,
    out: str | Path | None = None,
    shared: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    first: int | None = None,
    progress: Progress = silent,
    command: str = "",
) -> Finished:
    """Run Llama4Rec; `backbone` is a name, a class, or an object that scores already, `llm` a name
    (as `tr.llm` takes it) or an object.

    `out` is the run folder (a new temporary one if none is named); the same folder again goes on
    where it was. `shared`: a folder for the tuned model and the answers, which several runs on the
    same data may have in common; by default they are in the run folder. `first`: where other seeds
    of the same run are made elsewhere, the first of them all, with which the model is tuned
    (`join` puts their reports together). Raises TandemrecError for what a user can put right.
    """
    places = _Places(out, shared, progress)
    backbone = _usable(split, backbone, config, seeds, first)
    given = Inputs(split, _model(llm, progress))
    return _carried_out(given, backbone, config, places, seeds, first, command)


def dallrec(
    split: Split,
    *,
    backbone: Any,
    llm: LLM | str,
    embedder: Embedder | None = None,
    content: Content | None = None,
    config: DALLRecConfig = DALLREC_PLUS,
    out: str | Path | None = None,
    shared: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    first: int | None = None,
    progress: Progress = silent,
    command: str = "",
) -> Finished:
    """Run DALLRec; `backbone` is the name or the class of a direct one.

    `embedder` makes numbers of texts, for backbones that read items' content; by default `llm`
    does. `content`: further modalities, such as images. What the LLM makes hangs
    on no backbone and no seed: with `shared` several runs have it in common. The rest is as for
    `llama4rec`.
    """
    places = _Places(out, shared, progress)
    backbone = _usable(split, backbone, config, seeds, first)
    given = Inputs(split, _model(llm, progress), embedder, content)
    return _carried_out(given, backbone, config, places, seeds, first, command)


def _usable(
    split: Split, backbone: Any, config: RecipeConfig, seeds: Sequence[int], first: int | None
) -> Any:
    """The backbone, after all checks that need no language model: before one is fetched."""
    check_config(config)
    check_split(split)
    found = backbone_of(backbone)
    check_settings(found, config)
    check_seeds(seeds)
    check_seeds([seeds[0] if first is None else first])
    check_sizes(split)
    return found


def _model(given: Any, progress: Progress) -> LLM:
    """A language model by its name, or as it is. Raises ConfigError for what is none."""
    if isinstance(given, str):
        return named(given, progress=progress)
    if not isinstance(given, LLM):
        raise ConfigError(
            "llm takes a name, what tr.llm gave, or an object with name, fingerprint, generate and "
            f"choose (docs/add-an-llm.md). Received: {type(given).__name__}."
        )
    return given


class _Places(NamedTuple):
    """Where results and progress go."""

    out: str | Path | None
    shared: str | Path | None
    progress: Progress


def _carried_out(
    given: Inputs,
    backbone: Any,
    config: RecipeConfig,
    places: _Places,
    seeds: Sequence[int],
    first: int | None,
    command: str,
    record: Record | None = None,
) -> Finished:
    """Everything from the last checks to the report, with the record of a run that a spec asked
    for; of two processes in one folder the second waits, and then loads what the first made."""
    first = seeds[0] if first is None else first
    reader = given.embedder or given.llm
    check_task(given.split, backbone, config, reader, given.content)
    check_model(given.llm, config.tune)
    if isinstance(config, DALLRecConfig):
        check_likes(given.split, given.llm, config)
    folder = Path(places.out) if places.out else Path(tempfile.mkdtemp(prefix="tandemrec-"))
    check_folder(folder)
    check_joined(folder)
    run, common = _runs(folder, places.shared, places.progress)
    with run.alone():
        setup = setup_of(given, backbone, config, run, places.progress, common)
        results, made = _stages(setup, seeds, first)
        how = {"preset": preset_of(config, RECIPES[config.recipe]), "command": command}
        found, measured = tasks.of(setup).contents(setup, results, made, **how)
        if first not in seeds:
            found = found.model_copy(update={"notes": [*found.notes, TUNED_WITH.format(first)]})
        (folder / RECORD).unlink(missing_ok=True)  # it goes with the report that is replaced
        measured.save(folder)
        write(found, folder)
        if record is not None:
            record.reading(given).save(folder)
    return Finished(setup, results, found, first)


def setup_of(
    given: Inputs,
    backbone: Any,
    config: RecipeConfig,
    run: Run,
    progress: Progress,
    common: Run | None,
) -> Setup[Any]:
    """What all seeds of a run share, of the recipe whose settings these are."""
    models, places = (given.split, backbone, given.llm), (run, run.telling(progress), common)
    if isinstance(config, DALLRecConfig):
        return DALLRecSetup(*models, config, *places, given.embedder, given.content)
    return Setup(*models, config, *places)


def _runs(
    own: str | Path, shared: str | Path | None, progress: Progress, *, closed: bool = False
) -> tuple[Run, Run | None]:
    """A run's folder, and the one that it has in common with others, if any."""
    common = None if shared is None else Run(shared, closed=closed, common=True, progress=progress)
    return Run(own, closed=closed, progress=progress), common


def _stages(setup: Setup[Any], seeds: Sequence[int], first: int) -> tuple[list[Any], Any]:
    """Everything that is computed, or loaded: what all seeds share, made with the first of them
    all, and each seed with it."""
    task = tasks.of(setup)
    asked, made = task.ready(setup, first)
    return [task.one_seed(setup, asked, seed) for seed in seeds], made


def execute(spec: RunSpec, *, command: str = "", progress: Progress = silent) -> Finished:
    """Run what a spec asks for.

    The names of settings, backbone and data, one's own data, and the run folder are checked before
    anything is fetched; the model's files and the sizes of the data before anything is computed.
    """
    _checked(spec)
    return executed(spec, inputs(spec, progress), command=command, progress=progress)


def executed(spec: RunSpec, given: Inputs, *, command: str, progress: Progress) -> Finished:
    """The run of a spec whose inputs are there."""
    places, seeds = _Places(spec.out, spec.shared, progress), spec.made_seeds
    backbone = _usable(given.split, spec.backbone, spec.config, seeds, spec.seed)
    record = Record.of(spec)
    return _carried_out(given, backbone, spec.config, places, seeds, spec.seed, command, record)


def check(specs: Sequence[RunSpec], *, progress: Progress = silent) -> None:
    """What can be known to fail before anything is computed: every run's settings, names and
    folder; then the language models, which are fetched and looked at. Raises TandemrecError."""
    for spec in specs:
        _checked(spec)
    for spec in {(spec.llm, spec.adapter): spec for spec in specs}.values():
        check_model(model_of(spec, progress), spec.config.tune)


def _checked(spec: RunSpec) -> None:
    """An unusable setting or folder is better known before the work than after it."""
    check_settings(backbone_of(spec.backbone), spec.config)
    Run(spec.out)
    check_folder(spec.out)
    check_joined(spec.out)


def ask_ahead(specs: Sequence[RunSpec], *, progress: Progress = silent) -> None:
    """What several runs on the same data and language model have to ask alike, asked together.

    They share a folder (`shared`), where each finds the answers, and have one task. Fits
    every run's Base, which the run then loads.
    """
    given = inputs(specs[0], progress)
    setups = []
    for spec in specs:
        run, common = _runs(spec.out, spec.shared, progress)
        backbone = backbone_of(spec.backbone)
        setups.append(setup_of(given, backbone, spec.config, run, progress, common))
    task = tasks.of(setups[0])
    with ExitStack() as held:
        for setup in setups:
            held.enter_context(setup.run.alone())
        asked, _ = task.ready(setups[0], specs[0].seed)
        task.ask_ahead(setups, asked, specs[0].made_seeds)


def finished(folder: str | Path, progress: Progress = silent) -> Finished:
    """A finished run out of its folder, with the first seed, which recommendations come from.

    Its stages are loaded, nothing is made, and the report stays as it is. Raises RunError where
    the run was never finished, or where the folder or the data has changed since.
    """
    found, record = Contents.load(folder), Record.load(Path(folder))
    if record.parts:
        raise RunError(
            f"{folder} holds a report that was joined, and no run. Name one of the runs that it is "
            f"joined from: {listed(record.parts)}."
        )
    first = record.spec.seed
    given = inputs(record.spec, progress)
    backbone = backbone_of(record.spec.backbone)
    run, common = _runs(folder, record.spec.shared, progress, closed=True)
    setup = setup_of(given, backbone, record.config, run, progress, common)
    results, _ = _stages(setup, found.seeds[:1], first)
    return Finished(setup, results, found, first)
