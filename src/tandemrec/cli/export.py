"""`tandemrec export`: what a finished run tuned on, fitted and tuned, for programs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tandemrec.cli.display import as_json, rows, say


def export(
    folder: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    instructions: Annotated[
        str | None,
        typer.Option(help="Its instruction sets: llamafactory, trl, openai-batch, openai-tuning."),
    ] = None,
    backbone: Annotated[
        Path | None, typer.Option(help="A folder for its backbone: safetensors, ids, a card.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="A folder for its LoRA adapter: PEFT's form, a card.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Another folder for instructions than one in the run's.")
    ] = None,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as layout=sharegpt."),
    ] = [],  # noqa: B006  typer copies it
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the instruction sets of a run, its backbone or its adapter."""
    if instructions is None and backbone is None and adapter is None:
        raise typer.BadParameter("Missing option: --instructions, --backbone or --adapter.")
    if instructions is None and (out is not None or settings):
        given = "--out" if out is not None else "--set"
        raise typer.BadParameter(f"{given} is of --instructions, which is not given.")
    from tandemrec.cli.progress import bars
    from tandemrec.recipes.exports import export_adapter, export_backbone
    from tandemrec.recipes.instructions import export_run
    from tandemrec.recipes.spec import parse_settings

    chosen = parse_settings(settings)
    files: list[Path] = []
    counts: Mapping[str, int] = {}
    with bars() as progress:
        if instructions is not None:
            found = export_run(folder, instructions, out, settings=chosen, progress=progress)
            files, counts = [*found.files], found.counts
        if backbone is not None:
            files += export_backbone(folder, backbone, progress=progress)
        if adapter is not None:
            files += export_adapter(folder, adapter, progress=progress)
    _tell(files, counts, json)


def _tell(files: Sequence[Path], counts: Mapping[str, int], json: bool) -> None:
    if json:
        told: dict[str, Any] = {"files": files, "counts": counts}
        as_json(told)
        return
    if counts:
        say(", ".join(f"{name}: {count:,} examples" for name, count in counts.items()))
    rows([str(file)] for file in files)
