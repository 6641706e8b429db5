"""Runs in parallel on a Ray cluster: a task for every seed of every run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tandemrec.errors import ConfigError, LLMError, TandemrecError
from tandemrec.llm.work.on_ray import LOCAL, RETRIES, cluster
from tandemrec.oneline import counted, short
from tandemrec.progress import Progress, silent
from tandemrec.recipes import tasks
from tandemrec.recipes.entrance import backbone_of
from tandemrec.recipes.execute import check, setup_of
from tandemrec.recipes.inputs import inputs
from tandemrec.recipes.record import rooted
from tandemrec.recipes.spec import RunSpec
from tandemrec.runs import Run


def parallel(
    specs: Sequence[RunSpec],
    *,
    address: str = LOCAL,
    cpus: float = 1.0,
    gpus: float = 0.0,
    progress: Progress = silent,
) -> None:
    """Do the stages of every seed of every run (backbones, data sets, a sweep of settings), each in
    a task with so many CPUs and GPUs; `execute` then loads them and writes each report.

    The folders lie on a disk that all machines share. Of the runs that share a folder, all on one
    machine, the first seed goes before the others: what they have in common is made once. A task
    whose machine is lost is done again, and goes on where it was. Raises ConfigError for what
    cannot go in parallel, and what a run raises.
    """
    check(specs, progress=progress)
    _apart(specs)
    pairs = [(_absolute(spec), seed) for spec in specs for seed in spec.made_seeds]
    with ExitStack() as held:
        for spec in specs:
            held.enter_context(Run(spec.out, progress=progress).alone())
        ray = held.enter_context(cluster(address))
        _on_one_machine(
            specs, {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
        )
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_one_seed)
        waiting = list(_begun(task, pairs))
        while waiting:
            (ready, *_), waiting = ray.wait(waiting)
            _done(ray, ready)
            progress("ray", len(pairs) - len(waiting), len(pairs))


def _apart(specs: Sequence[RunSpec]) -> None:
    """No two tasks make stages in one folder, but in a shared one, where one waits for another."""
    for spec in specs:
        n = len(spec.made_seeds)
        if n > 1 and spec.shared is None:
            raise ConfigError(
                f"{spec.out}: {n} seeds in parallel have the tuned model and the answers in "
                "common, and need a folder for them. Name it with --shared."
            )
    folders = [Path(spec.out).absolute() for spec in specs]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise ConfigError(f"Two runs have the folder {twice[0]}. Name one for each.")


def _on_one_machine(specs: Sequence[RunSpec], machines: Collection[str]) -> None:
    """A store of answers is for the processes of one machine: SQLite's log of writes, which lets
    many read while one writes, does not go over a network (https://sqlite.org/wal.html)."""
    shared = [spec.shared for spec in specs if spec.shared is not None]
    if shared and len(machines) > 1:
        raise ConfigError(
            f"{shared[0]} is to be shared by runs on {len(machines)} machines, and its store of "
            "answers is for one. Take a cluster of one machine, or give each run a folder of its "
            "own, without --shared and with one seed."
        )


def _absolute(spec: RunSpec) -> RunSpec:
    """A worker's process has another working directory."""
    return rooted(spec).model_copy(update={"out": spec.out.absolute()})


def _begun(task: Any, pairs: Sequence[tuple[RunSpec, int]]) -> Iterator[Any]:
    """The tasks, each after the first that has its shared folder."""
    first: dict[Path, Any] = {}
    for spec, seed in pairs:
        begun = task.remote(spec, seed, first.get(spec.shared) if spec.shared else None)
        if spec.shared is not None:
            first.setdefault(spec.shared, begun)
        yield begun


def _one_seed(spec: RunSpec, seed: int, before: Any) -> None:
    """In a worker's process: all stages of one seed; Ray calls it when `before` is there."""
    given = inputs(spec, silent)
    common = None if spec.shared is None else Run(spec.shared, common=True)
    setup = setup_of(given, backbone_of(spec.backbone), spec.config, Run(spec.out), silent, common)
    task = tasks.of(setup)
    asked, _ = task.ready(setup, spec.seed)
    task.one_seed(setup, asked, seed)


def _done(ray: Any, ready: Any) -> None:
    try:
        ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, TandemrecError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise LLMError(
            f"A task was lost {counted(RETRIES, 'time')} on the Ray cluster: {short(error, 200)} "
            "Start again: what is made is kept."
        ) from error
