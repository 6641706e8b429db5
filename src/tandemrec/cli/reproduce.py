"""`tandemrec reproduce`: a paper's table or figure, ours beside theirs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandemrec.cli.run import one_way

if TYPE_CHECKING:
    from tandemrec.recipes.spec import RunSpec
    from tandemrec.reproduce import Cell, Piece

Only = Annotated[
    list[str], typer.Option(help="Some of its runs, such as ml-100k/mf or 'ml-100k/*'.")
]
Set = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as blend.constant=0.3."),
]
Llms = Annotated[
    list[str],
    typer.Option(help="A name, folder or hub id (smollm2-135m); fig5 takes several."),
]
Truth = Annotated[list[str], typer.Option(help="fig8: what is true, FILE or movie=FILE.")]
Lookup = Annotated[list[str], typer.Option(help="fig8: where to look up, FILE or movie=FILE.")]
Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Runs and seeds in parallel on Ray: local, HOST:PORT."),
]


def reproduce(
    what: Annotated[str, typer.Argument(help="A table or figure, such as llama4rec/table2.")],
    only: Only = [],  # noqa: B006  typer copies it
    llm: Llms = [],  # noqa: B006  typer copies it
    rival: Annotated[str | None, typer.Option(help="fig7: the other language model.")] = None,
    truth: Truth = [],  # noqa: B006  typer copies it
    table: Lookup = [],  # noqa: B006  typer copies it
    embedder: Annotated[
        str | None, typer.Option(help="dallrec: what makes numbers of texts; see run.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="fig8: a language model that judges.")] = None,
    preset: Annotated[str, typer.Option(help="plus (ours) or paper.")] = "plus",
    out: Annotated[Path | None, typer.Option(help="The folder of its runs and page.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many runs of each.")] = 5,
    only_seeds: Annotated[
        list[int], typer.Option("--only-seed", help="Of these, one that is made here.")
    ] = [],  # noqa: B006  typer copies it
    settings: Set = [],  # noqa: B006  typer copies it
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count calls, tokens and cost; ask nothing.")
    ] = False,
    ray: Ray = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Make a paper's table or figure again, run by run; the same folder again goes on where it
    was."""
    from tandemrec.cli.progress import bars
    from tandemrec.recipes.spec import RunSpec, parse_settings
    from tandemrec.reproduce import chosen, files_of, made_again, piece_of

    one_way({"--dry-run": dry_run, "--ray": ray is not None})
    files = {"truth": files_of(truth, "truth"), "table": files_of(table, "table")}
    piece = piece_of(what, llm, rival, **files, judge=judge)
    spec = RunSpec(
        recipe=piece.paper,
        llm=llm[0] if llm else RunSpec().llm,
        embedder=embedder,
        preset=preset,
        out=out or Path("runs") / what,
        seed=seed,
        seeds=seeds,
        only_seeds=tuple(only_seeds),
        settings=parse_settings(settings),
    )
    cells, made = chosen(piece, only), False
    if dry_run:
        _foretell(piece, cells, spec, as_json)
        return
    command = shlex.join(["tandemrec", *sys.argv[1:]])
    try:
        with bars() as progress:
            done = made_again(piece, cells, spec, ray=ray, command=command, progress=progress)
            for cell, page in done:
                made = True
                told = sys.stderr if as_json else sys.stdout
                print(f"{cell.name}: {page}", file=told, flush=True)
    finally:  # what was made before an error is told too
        if as_json and made:
            print(json.dumps(json.loads((spec.out / "tables.json").read_text(encoding="utf-8"))))


def _foretell(piece: Piece, cells: Sequence[Cell], spec: RunSpec, as_json: bool) -> None:
    """What the runs would ask, in place of the runs."""
    from tandemrec.cli.dry_run import tell
    from tandemrec.cli.progress import bars
    from tandemrec.reproduce import foretold

    with bars() as progress:
        found = foretold(piece, cells, spec, progress=progress)
    if as_json:
        print(json.dumps([each.as_json() for each in found]))
        return
    for each in found:
        tell(each, piece.asks_besides)
    if not found:
        besides = f"; {piece.asks_besides} not counted" if piece.asks_besides else ""
        print(f"These runs are finished, and ask nothing more{besides}.")
