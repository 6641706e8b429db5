"""`tandemrec export`: what a finished run tuned on, for programs that tune elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandemrec.cli.display import as_json, rows, say


def export(
    folder: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    instructions: Annotated[str, typer.Option(help="The format: llamafactory.")],
    out: Annotated[
        Path | None, typer.Option(help="Another folder than the format's name in the run's.")
    ] = None,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as layout=sharegpt."),
    ] = [],  # noqa: B006  typer copies it
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the instruction sets of a run, and the settings to tune on them."""
    from tandemrec.cli.progress import bars
    from tandemrec.recipes.instructions import export_run
    from tandemrec.recipes.spec import parse_settings

    given = parse_settings(settings)
    with bars() as progress:
        found = export_run(folder, instructions, out, settings=given, progress=progress)
    if json:
        as_json(found._asdict())
        return
    say(", ".join(f"{name}: {count:,} examples" for name, count in found.counts.items()))
    rows([str(file)] for file in found.files)
