"""Attributes that a language model or a table gave: where they came from, how many are right."""

from __future__ import annotations

from collections.abc import Sequence

from tandemrec.report.contents import Accuracy, Contents
from tandemrec.report.drawing import INK, SERIES, canvas, level_grid, styled, svg
from tandemrec.report.figures import Figure
from tandemrec.report.tables import MISSING, Cell, Table, count, share, words

KNOWN = {"model": "the language model", "table": "the table"}
NOTE = (
    "Right: the share of right values among those that were given and could be judged, with its "
    "95 % interval. Unknown and rejected: the shares of all items that were judged."
)


def source_name(source: str) -> str:
    """A source as a reader knows it."""
    return KNOWN.get(source, source)


def provenance(contents: Contents) -> Table:
    """How many values of each attribute came from where."""
    rows = [
        (*words(row.kind, source_name(row.source)), count(row.items), share(row.share))
        for row in contents.attributes
    ]
    columns = ("Attribute", "Source", "Items", "Share of items")
    return Table("attributes", "Attributes: where they came from", columns, tuple(rows), labels=2)


def accuracy(rows: Sequence[Accuracy], name: str = "accuracy", about: str = "") -> Table:
    """How many attributes are right; `about` what they are of, in the caption."""
    caption = "Attributes: how many are right"
    columns = ("Attribute", "Source", "Against", "Right", "95 % interval", "Given and judged")
    return Table(
        name,
        f"{about}: {caption}" if about else caption,
        (*columns, "Unknown", "Rejected", "Items"),
        tuple(_row(row) for row in rows),
        labels=3,
        note=NOTE,
    )


def _row(row: Accuracy) -> tuple[Cell, ...]:
    given = row.right + row.wrong
    between = f"{100 * row.low:.1f} … {100 * row.high:.1f} %"
    interval = Cell(between, f"{row.low} {row.high}") if given else Cell(MISSING)
    lost = (row.unknown, row.rejected)
    return (
        *words(row.kind, source_name(row.source), row.against),
        share(row.share if given else None),
        interval,
        count(given),
        *(share(n / row.n if row.n else None) for n in lost),
        count(row.n),
    )


@styled
def accuracy_figure(rows: Sequence[Accuracy], name: str, about: str = "") -> Figure | None:
    """The share of right values with its 95 % interval; nothing where no value was judged."""
    rows = [row for row in rows if row.right + row.wrong]
    if not rows:
        return None
    sources = list(dict.fromkeys(row.source for row in rows))
    figure, axes = canvas(9.6, 0.7 + 0.36 * len(rows))
    for place, row in enumerate(rows):
        colour = SERIES[1:][sources.index(row.source) % len(SERIES[1:])]
        axes.plot([100 * row.low, 100 * row.high], [place] * 2, color=colour, linewidth=2, zorder=2)
        axes.plot(100 * row.share, place, "o", color=colour, markersize=6, zorder=3)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], color=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 102)
    axes.set_xlabel("right, % of what was given and judged")
    level_grid(axes, "x")
    title = "Right attributes, with their 95 % intervals"
    title = f"{about}: {title}" if about else title
    said = ", ".join(f"{_label(row)} {100 * row.share:.1f} %" for row in rows)
    return Figure(title, f"{title}: {said}.", svg(figure, f"accuracy-{name}"))


def _label(row: Accuracy) -> str:
    return f"{row.kind}, {source_name(row.source)}, by {row.against}"
