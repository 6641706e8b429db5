"""`tandemrec llm-work`: answer questions that a run has written down, in shards, and put the
answers together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tandemrec.cli.display import as_json, rows
from tandemrec.errors import LLMError


class _AnswersByDefault(TyperGroup):
    """`tandemrec llm-work WORK` is `tandemrec llm-work answer WORK`; of two words the first is a
    command, well written or not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        two = len(args) > 1 and not any(word.startswith("-") for word in args[:2])
        if args and args[0] not in (*self.commands, "--help") and not two:
            args = ["answer", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_AnswersByDefault, rich_markup_mode=None)
Folder = Annotated[Path, typer.Argument(metavar="WORK", help="The folder of work.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def answer(
    work: Folder,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Which of how many shards: 1/8 to 8/8.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="All of it on a Ray cluster: local, auto, HOST:PORT."),
    ] = None,
    llm: Annotated[
        str | None, typer.Option(help="A name, folder or hub id, if not as the work names it.")
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter's folder.")] = None,
    dtype: Annotated[str, typer.Option(help="The number format, if the machines differ.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Where answers go; else WORK/answers.")] = None,
    cpus: Annotated[float, typer.Option(min=0, help="Ray: CPUs of a task.")] = 1.0,
    gpus: Annotated[float, typer.Option(min=0, help="Ray: GPUs of a task.")] = 0.0,
    json: Json = False,
) -> None:
    """Answer a shard; started again after a kill, it goes on."""
    from tandemrec.cli.progress import bars
    from tandemrec.llm import llm as named
    from tandemrec.llm.work import Shard, Work
    from tandemrec.llm.work import answer as answered
    from tandemrec.llm.work.on_ray import answer_on_ray
    from tandemrec.progress import silent

    if ray is not None and shard is not None:
        raise typer.BadParameter("a Ray cluster answers every shard. Give --shard or --ray.")
    mine, todo = Shard.read(shard or "1/1"), Work.load(work)
    model = (llm or todo.llm, adapter or (None if llm else todo.adapter))
    make = partial(named, model[0], adapter=model[1], dtype=dtype)
    with bars() as progress, _packages(model[0]):
        if ray is not None:
            found = answer_on_ray(
                todo, make, out, address=ray, cpus=cpus, gpus=gpus, progress=progress
            )
        else:
            asked: Any = make(progress=progress)
            asked.progress = silent  # it has told of fetching; from here on blocks are counted
            found = answered(todo, asked, out, mine, progress=progress)
    if json:
        as_json(found._asdict())
    else:
        rows((name, f"{number:,}") for name, number in found._asdict().items())


@contextmanager
def _packages(model: str) -> Iterator[None]:
    """A worker may have been installed with few packages; the one that it lacks is named."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise LLMError(
            f"{model} needs the package {error.name}, which is not installed here: pip install "
            f"{error.name}. What a worker needs for which model is told in docs/shards.md."
        ) from error


@app.command()
def merge(
    work: Folder,
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR]...", help="The shards' --out folders.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="The store of answers, if not the run's own.")
    ] = None,
    json: Json = False,
) -> None:
    """Put the answers of all shards together, where the run finds them."""
    from tandemrec.cli.progress import bars
    from tandemrec.llm.work import Work
    from tandemrec.llm.work import merge as merged

    with bars() as progress:
        found = merged(Work.load(work), folders or (), into=into, progress=progress)
    if json:
        as_json(found._asdict())
    else:
        rows(
            [
                ("answers", f"{found.answers:,}"),
                ("new", f"{found.new:,}"),
                ("file", str(found.file)),
                ("sha256", found.sha256),
            ]
        )
