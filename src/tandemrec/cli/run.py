"""`tandemrec run`: a recipe on data, with a backbone and a language model."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

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
    llm: Annotated[str | None, typer.Option(help="A name, folder or hub id.")] = None,
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter's folder.")] = None,
    embedder: Annotated[
        str | None, typer.Option(help="What makes numbers of texts, such as minilm-l6.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="plus (ours) or paper.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.")] = None,
    shared: Annotated[Path | None, typer.Option(help="Tuned model and answers of many.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many runs.")] = None,
    settings: Set = [],  # noqa: B006  typer copies it
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
        "settings": parse_settings(settings),
    }
    given = {key: value for key, value in given.items() if value not in (None, {}, ())}
    spec = spec_of(what, given)
    from tandemrec.recipes.execute import execute
    from tandemrec.report import console_table
    from tandemrec.report.contents import scores

    with bars() as progress:
        command = shlex.join(["tandemrec", *sys.argv[1:]])
        contents = execute(spec, command=command, progress=progress).contents
    if as_json:
        print(json.dumps(scores(contents)))
        return
    from rich.console import Console

    Console().print(console_table(contents))
    print(f"Report: {spec.out / 'index.html'}")
