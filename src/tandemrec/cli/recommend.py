"""`tandemrec recommend`: from a finished run, for its users or for somebody new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandemrec.errors import ConfigError


def recommend(
    folder: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    user: Annotated[list[str], typer.Option(help="A user id; may be given several times.")] = [],  # noqa: B006
    history: Annotated[
        Path | None, typer.Option(help="A file with somebody's item ids, oldest first.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many items.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as JSON.")] = False,
) -> None:
    """Recommend items to known users, or to somebody with a history of his own."""
    if not user and history is None:
        raise ConfigError("Nobody to recommend for: give --user ID, or --history FILE.")
    from tandemrec.cli.progress import bars
    from tandemrec.data.history import read_history
    from tandemrec.recipes.execute import finished

    with bars() as progress:
        run = finished(folder, progress)
        if history is None:
            frame = run.recommend(user, k)
        else:
            frame = run.recommend_new(read_history(history), k)
    if as_json:
        print(frame.write_json())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("user", "rank", "item", "title", "score")
    for name, item, title, score, place in frame.iter_rows():
        table.add_row(name, str(place), item, title, "" if score is None else f"{score:.3f}")
    Console().print(table)
