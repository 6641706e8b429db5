"""Work on a Ray cluster: each block is a task, done again where a machine is lost.

Questions go to the tasks and answers come back, so the machines need no disk in common. Ray: Moritz
et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandemrec.errors import LLMError
from tandemrec.llm.answers import AnswerStore
from tandemrec.llm.base import LLM
from tandemrec.llm.work import parts
from tandemrec.llm.work.answering import Answered, Incomplete, check_model, lines_of, note
from tandemrec.llm.work.questions import Block, Question, Work
from tandemrec.oneline import counted, short
from tandemrec.progress import Progress, silent

RETRIES = 20
"How often one task is done again whose machine or process was lost."
LOCAL = "local"
"The address of a cluster that is begun on this machine and ends with the command."

_models: dict[str, LLM] = {}
"A worker process's models by fingerprint: weights are read once, not for every block."


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """The `ray` module, connected to "local", to "auto" (the cluster of this machine), or to
    HOST:PORT. A connection that is there already is used and left as it is. Raises LLMError."""
    try:
        import ray
    except ImportError:
        raise LLMError("Ray is not installed: pip install ray.") from None
    if ray.is_initialized():
        yield ray
        return
    try:
        _connect(ray, address)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise LLMError(
            f"The Ray cluster {address!r} cannot be reached: {short(error, 200)} Start one with "
            f"`ray start --head`, or take {LOCAL}."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        ray.init(address=LOCAL, include_dashboard=False, log_to_driver=False)
    else:
        ray.init(address=address, log_to_driver=False)


def answer_on_ray(
    work: Work,
    make: Callable[[], LLM],
    out: str | Path | None = None,
    *,
    address: str = LOCAL,
    cpus: float = 1.0,
    gpus: float = 0.0,
    progress: Progress = silent,
) -> Answered:
    """Answer all blocks that have no part in `out` yet, each in a task with so many CPUs and GPUs.

    `make` gives the model, in the worker's process; it is called once for each process. A part is
    written here as soon as its answers are: whoever is killed loses what was in flight, two blocks
    for each task that the cluster has room for. Raises LLMError where a task fails by itself, or
    RETRIES times by the loss of its machine;
    Incomplete, after all blocks, where questions were left unanswered.
    """
    folder = Path(out or work.answers)
    known = {block.name: parts.load(folder, work, block) for block in work.blocks}
    sums = {name: part.sha256 for name, part in known.items() if part}
    missing = [block for block in work.blocks if block.name not in sums]
    unanswered = 0
    with cluster(address) as ray:
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_task)
        most = 2 * _room(ray, cpus, gpus)
        for block, ready in _finished(ray, task, make, work, missing, most):
            try:
                sums[block.name] = parts.save(folder, work, block, _got(ray, ready)).sha256
            except Incomplete as some:
                unanswered += some.missing
            progress("ray", len(sums), len(work.blocks))
    if unanswered:
        raise Incomplete(unanswered, work.model)
    note(folder, work, sums, "ray")
    questions = sum(block.questions for block in missing)
    return Answered(len(missing), questions, len(sums) - len(missing))


def _task(make: Callable[[], LLM], work: Work, questions: Sequence[Question]) -> list[str]:
    """In a worker's process: a block's answers."""
    if work.fingerprint not in _models:
        _models[work.fingerprint] = make()
    check_model(work, _models[work.fingerprint])
    with AnswerStore(":memory:") as store:
        return lines_of(_models[work.fingerprint], questions, store)


def _room(ray: Any, cpus: float, gpus: float) -> int:
    """How many tasks the cluster does at a time. Raises LLMError where it does none."""
    has = ray.cluster_resources()
    wanted = {"CPU": cpus, "GPU": gpus}
    room = min(int(has.get(kind, 0) / number) for kind, number in wanted.items() if number)
    if room < 1:
        there = {kind: has.get(kind, 0) for kind in wanted}
        raise LLMError(f"The Ray cluster has {there}; a task wants {wanted}. Ask for less.")
    return room


def _finished(
    ray: Any,
    task: Any,
    make: Callable[[], LLM],
    work: Work,
    blocks: Sequence[Block],
    most: int,
) -> Iterator[tuple[Block, Any]]:
    """Each block with its task as they end; at most so many are under way."""
    waiting = list(reversed(blocks))
    under_way: dict[Any, Block] = {}
    shared = ray.put(Work(work.folder, work.model, work.fingerprint, (), work.llm))
    while waiting or under_way:
        while waiting and len(under_way) < most:
            block = waiting.pop()
            under_way[task.remote(make, shared, work.read(block))] = block
        (ready, *_), _ = ray.wait(list(under_way))
        yield under_way.pop(ready), ready


def _got(ray: Any, ready: Any) -> list[str]:
    try:
        lines: list[str] = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, LLMError):
            raise cause from error
        raise
    except ray.exceptions.RayError as error:
        raise LLMError(
            f"A task was lost {counted(RETRIES, 'time')} on the Ray cluster: {short(error, 200)} "
            "Start again: what is answered is kept.",
            retryable=True,
        ) from error
    return lines
