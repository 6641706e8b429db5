"""`tandemrec recommend`: from a finished run, for its users or for somebody new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandemrec.errors import ConfigError, DataError
from tandemrec.oneline import short

if TYPE_CHECKING:
    import polars as pl


def recommend(
    folder: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    user: Annotated[list[str], typer.Option(help="A user id; may be given several times.")] = [],  # noqa: B006
    history: Annotated[
        Path | None,
        typer.Option(
            help="A file with somebody's item ids, oldest first, and his ratings of them."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many items.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as JSON.")] = False,
) -> None:
    """Recommend items to known users, or to somebody with a history of his own."""
    _one_of(user, history)
    from tandemrec.cli.progress import bars
    from tandemrec.data.history import read_history
    from tandemrec.recipes.execute import finished

    with bars() as progress:
        run = finished(folder, progress)
        if history is None:
            frame = run.recommend(list(dict.fromkeys(user)), k)
        else:
            items, ratings = read_history(history, rated=run.reads_ratings)
            with _about(history):
                frame = run.recommend_new(items, k, ratings=ratings)
    if as_json:
        print(frame.write_json())
        return
    _print(frame)


def _one_of(user: list[str], history: Path | None) -> None:
    if not user and history is None:
        raise ConfigError("Nobody to recommend for: give --user ID, or --history FILE.")
    if user and history is not None:
        raise ConfigError(
            f"Received --user {user[0]} and --history {history}; give one of them: --user for "
            "users of the run, --history for somebody new."
        )


@contextmanager
def _about(file: Path) -> Iterator[None]:
    """Errors of data name the file."""
    try:
        yield
    except DataError as error:
        raise DataError(str(error), file=file) from error


def _print(frame: pl.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("user", "rank", "item", "title", "score")
    for name, item, title, score, place in frame.iter_rows():
        cells = (name, place, item, title, "" if score is None else f"{score:.3f}")
        table.add_row(*(Text(short(cell)) for cell in cells))  # a Text has no markup
    Console().print(table)
