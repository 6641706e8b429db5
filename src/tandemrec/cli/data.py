"""`tandemrec data`: what there is by name, its download, and the diagnosis of one's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandemrec.cli.display import as_json, rows, say
from tandemrec.cli.progress import bars

app = typer.Typer(rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """List the data sets that are known by name."""
    from tandemrec.data.download import present
    from tandemrec.data.sources import SOURCES

    known = {name: (source.about, present(source)) for name, source in SOURCES.items()}
    if json:
        as_json([{"name": n, "about": about, "at": at} for n, (about, at) in known.items()])
    else:
        rows((n, "here" if at else "not downloaded", about) for n, (about, at) in known.items())


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="The data set's name.")],
    archive: Annotated[
        Path | None, typer.Option("--from", help="The official zip, already downloaded.")
    ] = None,
    json: Json = False,
) -> None:
    """Download a data set into the cache."""
    from tandemrec.data.sources import get as obtained

    with bars() as progress:
        found = obtained(name, archive=archive, progress=progress)
    if json:
        as_json({"name": name, "route": found.route, "files": list(found.files)})
    else:
        say(f"{name}: {', '.join(found.files)}; SHA-256 as expected")
        rows([(name, found.route)])


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="A file of interactions, or a data set's name.")],
    items: Annotated[Path | None, typer.Option(help="A file of items: id, title.")] = None,
    users: Annotated[Path | None, typer.Option(help="A file of users: id, anything else.")] = None,
    context: Annotated[
        list[str], typer.Option(help="A column of your interactions that rating backbones read.")
    ] = [],  # noqa: B006  typer copies it
    json: Json = False,
) -> None:
    """Say what a file holds, and what is odd about it."""
    from tandemrec.data.diagnosis import check as diagnosed

    with bars() as progress:
        diagnosis = diagnosed(data, items=items, users=users, context=context, progress=progress)
    for warning in diagnosis.warnings:
        say(f"warning: {warning}")
    as_json(diagnosis.to_dict()) if json else rows(diagnosis.facts)
