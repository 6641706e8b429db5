"""`tandemrec run`: a recipe on data, with a backbone and a language model."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tandemrec.progress import Progress
    from tandemrec.recipes.finished import Finished
    from tandemrec.recipes.spec import RunSpec

PLANNED = 3
"The exit code of a run that has written its questions down and waits for their answers."

Set = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as blend.constant=0.3."),
]


def run(
    what: Annotated[str, typer.Argument(help="A recipe (llama4rec, dallrec), or a TOML file.")],
    data: Annotated[str | None, typer.Option(help="A data set's name, or your own file.")] = None,
    items: Annotated[str | None, typer.Option(help="Your items: id and title.")] = None,
    users: Annotated[str | None, typer.Option(help="Your users: id, what describes them.")] = None,
    context: Annotated[
        list[str], typer.Option(help="A column of your interactions that rating backbones read.")
    ] = [],  # noqa: B006  typer copies it
    noun: Annotated[str | None, typer.Option(help="What one of them is called: book.")] = None,
    content: Annotated[
        list[str], typer.Option(help="Your arrays of items: .npz or Parquet, by item id.")
    ] = [],  # noqa: B006  typer copies it
    split: Annotated[str | None, typer.Option(help="last, ratio or released.")] = None,
    core: Annotated[int | None, typer.Option(help="Drop what is met less often.")] = None,
    backbone: Annotated[str | None, typer.Option(help="See `tandemrec list backbones`.")] = None,
    llm: Annotated[
        str | None, typer.Option(help="A name, folder, hub id or http://HOST/v1#MODEL.")
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter's folder.")] = None,
    embedder: Annotated[
        str | None, typer.Option(help="What makes numbers of texts, such as minilm-l6.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="plus (ours) or paper.")] = None,
    out: Annotated[str | None, typer.Option(help="The run folder.")] = None,
    shared: Annotated[str | None, typer.Option(help="Tuned model and answers of many.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many runs.")] = None,
    only_seeds: Annotated[
        list[int], typer.Option("--only-seed", help="Of these, one that is made here.")
    ] = [],  # noqa: B006  typer copies it
    settings: Set = [],  # noqa: B006  typer copies it
    track: Annotated[
        str | None, typer.Option(help="Tell a tracker: mlflow, trackio or tensorboard.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count calls, tokens and cost; ask nothing.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="WORK", help="Ask nothing: write the questions there, exit with 3."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Seeds in parallel on Ray: local, auto, HOST:PORT."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Run a recipe; the same folder again goes on where it was."""
    from tandemrec.cli.progress import bars
    from tandemrec.recipes.spec import parse_settings, spec_of

    given = {
        "data": data,
        "items": items,
        "users": users,
        "context": tuple(context),
        "noun": noun,
        "content": tuple(content),
        "split": split,
        "core": core,
        "backbone": backbone,
        "llm": llm,
        "adapter": adapter,
        "embedder": embedder,
        "preset": preset,
        "out": out,
        "shared": shared,
        "seed": seed,
        "seeds": seeds,
        "only_seeds": tuple(only_seeds),
        "settings": parse_settings(settings),
    }
    given = {key: value for key, value in given.items() if value not in (None, {}, ())}
    spec = spec_of(what, given)
    one_way({"--dry-run": dry_run, "--plan": plan is not None, "--ray": ray is not None})
    if dry_run:
        _foretell(spec, as_json)
        return
    from tandemrec.report import console_table
    from tandemrec.report.contents import scores
    from tandemrec.tracking import tracked

    _one_process()
    with bars() as progress, tracked(track, spec.out, spec.out.name, warn=_warn) as tracker:
        tracker.settings(spec, spec.config)
        command = shlex.join(["tandemrec", *sys.argv[1:]])
        told = tracker.following(progress)
        contents = _made(spec, plan, ray, command, told).contents
        tracker.results(scores(contents), spec.out / "index.html")
    if as_json:
        print(json.dumps(scores(contents)))
        return
    from rich.console import Console

    Console().print(console_table(contents))
    print(f"Report: {spec.out / 'index.html'}")


def _one_process() -> None:
    """Several that a launcher has started would all write into one folder."""
    from tandemrec.errors import ConfigError
    from tandemrec.tuning import ranks

    if ranks.told() > 1:
        raise ConfigError(
            f"A launcher has started {ranks.told()} processes; a run is one. Tuning alone is for "
            "many: `tandemrec export RUN --instructions trl`, then `tandemrec tune` under the "
            "launcher, then a run with --adapter (docs/many-gpus.md)."
        )


def _warn(text: str) -> None:
    from tandemrec.cli.display import say

    say(f"warning: {text}")


def one_way(ways: Mapping[str, bool]) -> None:
    """Of options that are ways of their own to be run, one. Raises typer.BadParameter."""
    given = [name for name, there in ways.items() if there]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} do not go together. Give one of them.")


def _made(
    spec: RunSpec, plan: Path | None, ray: str | None, command: str, progress: Progress
) -> Finished:
    """The run, with the seeds' stages made on a cluster where one is named. Where it only plans and
    something is to be asked, the command ends with PLANNED."""
    from tandemrec.cli.display import say
    from tandemrec.llm.work import Unanswered
    from tandemrec.recipes.execute import execute
    from tandemrec.recipes.ray import parallel
    from tandemrec.recipes.work import planned

    if ray is not None:
        parallel([spec], address=ray, progress=progress)
    if plan is None:
        return execute(spec, command=command, progress=progress)
    try:
        return planned(spec, plan, command=command, progress=progress)
    except Unanswered as stop:
        say(str(stop))
        raise typer.Exit(PLANNED) from None


def _foretell(spec: RunSpec, as_json: bool) -> None:
    """What the run would ask, in place of the run."""
    from tandemrec.cli.dry_run import tell
    from tandemrec.cli.progress import bars
    from tandemrec.recipes.dry_run import dry_run

    with bars() as progress:
        found = dry_run(spec, progress)
    print(json.dumps(found.as_json())) if as_json else tell(found)
