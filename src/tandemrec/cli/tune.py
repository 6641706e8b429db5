"""`tandemrec tune`: a language model learns a file of instructions, in one process or in many.

`torchrun --nproc-per-node 8 -m tandemrec tune ...`, or `accelerate launch -m tandemrec tune ...`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandemrec.cli.display import as_json, rows, say

if TYPE_CHECKING:
    from tandemrec.progress import Progress
    from tandemrec.tracking import Tracker


def tune(
    instructions: Annotated[
        Path | None, typer.Argument(help="JSONL, as `export --instructions trl` writes it.")
    ] = None,
    llm: Annotated[str, typer.Option(help="A name, folder or hub id.")] = "smollm2-135m",
    out: Annotated[Path, typer.Option(help="The folder of what is tuned.")] = Path("tuned"),
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as method=lora."),
    ] = [],  # noqa: B006  typer copies it
    track: Annotated[
        str | None, typer.Option(help="Tell a tracker: mlflow, trackio or tensorboard.")
    ] = None,
    launcher: Annotated[
        str | None,
        typer.Option(help="Print where accelerate's settings lie: ddp, fsdp2 or zero3. No more."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tune a model on a file of instructions; the same folder again goes on where it was."""
    from tandemrec import processes
    from tandemrec.tuning import launchers, ranks

    if launcher is not None:
        rows([[str(launchers.file_of(launcher))]])
        return
    if instructions is None:
        raise typer.BadParameter("Missing argument: a file of instructions.")
    from tandemrec.recipes.spec import parse_settings
    from tandemrec.tuning.files import tune_file
    from tandemrec.tuning.settings import TuneConfig

    given = parse_settings(settings)
    with _alone(), _tracked(track, out) as tracker, _bars() as progress:
        tracker.settings(TuneConfig.model_validate(given))
        told = tracker.following(progress)
        tuned = tune_file(instructions, llm, given, out, progress=told)
    if ranks.rank() == 0:
        found = {"folder": tuned.folder, "method": tuned.method, "curve": tuned.curve}
        as_json(found) if json else rows([[str(tuned.folder)]])
    if ranks.told() > 1:
        processes.quit_at_once()


def _tracked(track: str | None, out: Path) -> AbstractContextManager[Tracker]:
    """The first process tells the tracker. Its files lie beside what is tuned, which is known by
    all that is in its folder."""
    from tandemrec.tracking import tracked
    from tandemrec.tuning import ranks

    place = out.with_name(f"{out.name}-tracking")
    name = None if ranks.number_told() else track
    return tracked(name, place, out.name, warn=lambda text: say(f"warning: {text}"))


@contextmanager
def _bars() -> Iterator[Progress]:
    """Progress of the first process; the others tell nothing."""
    from tandemrec.cli.progress import bars
    from tandemrec.progress import silent
    from tandemrec.tuning import ranks

    if ranks.number_told():
        yield silent
        return
    with bars() as progress:
        yield progress


@contextmanager
def _alone() -> Iterator[None]:
    """What the first process has said of an error is not said again by the others."""
    from tandemrec import processes
    from tandemrec.errors import TandemrecError
    from tandemrec.tuning import ranks

    try:
        yield
    except TandemrecError as error:
        processes.leave()
        if ranks.number_told() == 0:
            raise
        say(f"process {ranks.number_told()} ends: {error}")
        raise typer.Exit(2) from None
