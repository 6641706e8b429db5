"""A run as one self-contained page, and as files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tandemrec.oneline import short
from tandemrec.report import attributes, figures, formats, scoreboard, tables, wording
from tandemrec.report.contents import FILE, Contents, RatingStory, Story, scores
from tandemrec.report.finding import finding
from tandemrec.report.tables import Table
from tandemrec.writing import explained, whole

HISTORY = 12
"So many of a user's last items are shown."


def write(contents: Contents, folder: str | Path) -> Path:
    """Write the report into the folder and give back the page's path.

    Makes index.html, tables.md, tables.tex, tables.csv, tables.json, report.json and scores.json;
    each is replaced whole or not at all. Raises RunError if the folder cannot be written.
    """
    files = {
        "scores.json": formats.as_json(scores(contents)),
        FILE: formats.as_json(contents.model_dump(mode="json")),
        **files_of(all_tables(contents), contents.notes),
        "index.html": html(contents),
    }
    return put(files, Path(folder))


def files_of(
    tables: Sequence[Table], notes: Sequence[str] = (), heading: str = "Notes"
) -> dict[str, str]:
    """The tables as tables.md, tables.tex, tables.csv and tables.json: each file's text. What a
    reader must know stands below them in the first, and as a comment in the second."""
    return {
        "tables.md": formats.markdown(tables) + formats.as_list(notes, heading),
        "tables.tex": formats.latex(tables) + formats.as_comment(notes, heading),
        "tables.csv": formats.as_csv(tables),
        "tables.json": formats.as_json(formats.tidy(tables)),
    }


def put(files: Mapping[str, str], folder: Path) -> Path:
    """Write the files, each whole or not at all; gives the path of index.html. Raises RunError."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with whole(folder / name) as fresh:
                fresh.write_text(text, encoding="utf-8", newline="\n")
    return folder / "index.html"


def all_tables(contents: Contents) -> list[Table]:
    """Every table that has rows, in the order of the page."""
    return [table for table in _with_empty(contents) if table.rows]


def _with_empty(contents: Contents) -> list[Table]:
    grids = enumerate(contents.heatmaps, 1)
    return [
        scoreboard.main(contents),
        scoreboard.ablations(contents),
        scoreboard.controls(contents),
        tables.tests(contents),
        tables.groups(contents),
        tables.item_groups(contents),
        tables.position_bias(contents),
        attributes.provenance(contents),
        attributes.accuracy(contents.accuracy),
        tables.answers(contents),
        tables.selection(contents),
        *(tables.heatmap(grid, f"heatmap_{number}") for number, grid in grids),
        tables.timings(contents),
    ]


def html(contents: Contents) -> str:
    """The page: no scripts, nothing fetched; equal contents give equal pages."""
    template = environment().get_template("page.html.j2")
    return template.render(
        contents=contents,
        finding=finding(contents),
        tables={t.name: t if t.rows else None for t in _with_empty(contents)},
        differences=figures.differences(contents),
        activity=figures.activity(contents),
        popularity=figures.popularity(contents),
        heatmaps=[figures.heatmap(g, f"{n}") for n, g in enumerate(contents.heatmaps)],
        curves=figures.curves(contents),
        position_bias=figures.position_bias(contents),
        accuracy=attributes.accuracy_figure(contents.accuracy, "run"),
        words=wording.of(contents),
        rating_stories=[_rating_story(story) for story in contents.rating_stories],
        stories=[_story(story) for story in contents.stories],
        settings=list(_flat(contents.config)),
        facts=[(name, _fact(name, value)) for name, value in contents.what.items()],
        total=tables.duration(sum(contents.timings.values())),
    )


def environment() -> Environment:
    """The pages' templates, with their style sheet."""
    folder = Path(__file__).parent / "templates"
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, **options
    )
    environment.filters["short"] = short
    environment.globals["css"] = Markup((folder / "page.css").read_text(encoding="utf-8"))
    return environment


def _story(story: Story) -> dict[str, Any]:
    lists = (("backbone", story.backbone), ("llm", story.llm), ("final", story.final))
    before = {title: place for place, title in enumerate(story.backbone)}
    return {
        "user_id": story.user_id,
        "history": story.history[-HISTORY:],
        "earlier": max(len(story.history) - HISTORY, 0),
        "alpha": story.alpha,
        "target": story.target,
        "moves": [_move(before.get(title), place) for place, title in enumerate(story.final)],
        "places": {name: _place(titles, story.target) for name, titles in lists},
        "lists": dict(lists),
    }


def _rating_story(story: RatingStory) -> dict[str, Any]:
    said = (("Backbone", story.backbone), ("Language model", story.llm), ("Final", story.final))
    return {
        "user_id": story.user_id,
        "history": [(title, f"{rating:g}") for title, rating in story.history[-HISTORY:]],
        "earlier": max(len(story.history) - HISTORY, 0),
        "alpha": story.alpha,
        "item": story.item,
        "rating": f"{story.rating:g}",
        "said": [(name, f"{value:.2f}", _off(value, story.rating)) for name, value in said],
    }


def _off(value: float, rating: float) -> str:
    """How far a prediction is from the rating: 0.25 too high."""
    text = f"{abs(value - rating):.2f}"
    if text == "0.00":
        return "right"
    return f"{text} too {'high' if value > rating else 'low'}"


def _place(titles: list[str], target: str) -> int | None:
    return titles.index(target) + 1 if target in titles else None


def _move(before: int | None, after: int) -> int:
    """How many places up an item came; 0 for one that was not there."""
    return 0 if before is None else before - after


def _flat(settings: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines of dotted names and values."""
    lines: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            lines += _flat(value, f"{path}{name}.")
        else:
            lines.append((f"{path}{name}", short(_plain(value), 300)))
    return lines


def _plain(value: object) -> str:
    """As TOML writes it; "none" for a setting that is not set."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _fact(name: str, value: object) -> str:
    """A fact of the data: thousands apart, a density in percent."""
    if name == "density" and isinstance(value, float):
        return f"{100 * value:.2f} %"
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if whole else short(_plain(value))
