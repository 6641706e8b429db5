"""`tandemrec doctor`: is this machine ready, and what is fast on it?"""

from __future__ import annotations

from typing import Annotated

import typer

from tandemrec.cli.display import as_json, rows, say
from tandemrec.cli.machine import facts

MARKS = {True: "ok", False: "BAD", None: ""}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether this machine is ready, and how fast; exit code 1 where something is missing."""
    found = list(facts())
    if json:
        as_json([fact._asdict() for fact in found])
    else:
        rows((fact.name, MARKS[fact.good].ljust(3), fact.value) for fact in found)
    if bad := [fact.name for fact in found if fact.good is False]:
        say(f"error: not ready: {', '.join(bad)}.")
        raise typer.Exit(1)
