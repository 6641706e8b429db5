"""The figures of a report, as SVG that takes its colours and font from the page around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from tandemrec.evaluation.metrics import LOWER
from tandemrec.report import tables
from tandemrec.report.contents import (
    BASE,
    DALLREC,
    FULL,
    Bias,
    Contents,
    Curve,
    GroupRow,
    Heatmap,
    Test,
)
from tandemrec.report.drawing import (
    BAD,
    GOOD,
    INK,
    MUTED,
    ON_ACCENT,
    SERIES,
    canvas,
    legend,
    level_grid,
    styled,
    svg,
)


@dataclass(frozen=True)
class Figure:
    """One picture: what stands above it, what a screen reader says, and the SVG."""

    title: str
    alt: str
    svg: str
    wide: bool = True
    "Whether it takes the page's whole width; else two stand side by side."


def colours(methods: Sequence[str]) -> dict[str, str]:
    """Base is grey, the whole method the accent, in every figure."""
    fixed = {BASE: SERIES[0], FULL: SERIES[1], DALLREC: SERIES[1]}
    rest = [method for method in dict.fromkeys(methods) if method not in fixed]
    others = SERIES[2:]
    return fixed | {method: others[n % len(others)] for n, method in enumerate(rest)}


@styled
def differences(contents: Contents) -> Figure | None:
    """Each method's difference to Base with its 95 % interval over users."""
    metric = contents.primary
    tests = [
        test
        for test in contents.tests
        if (test.against, test.metric, test.over) == (BASE, metric, "users")
    ]
    if not tests:
        return None
    figure, axes = canvas(9.6, 0.7 + 0.36 * len(tests))
    for row, test in enumerate(tests):
        _interval(axes, row, test)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(tests)), [test.method for test in tests], color=INK)
    axes.set_ylim(len(tests) - 0.4, -0.6)
    axes.set_xlabel(f"difference to {BASE} in {read(metric)}")
    axes.xaxis.set_major_formatter(lambda value, _: tables.signed(value, 3) if value else "0")
    level_grid(axes, "x")
    said = ", ".join(
        f"{t.method} {t.difference:+.4f} ({t.low:+.4f} to {t.high:+.4f})" for t in tests
    )
    title = f"Difference to {BASE} in {metric}, with its 95 % interval over users"
    return Figure(title, f"{title}: {said}.", svg(figure, "differences"))


def read(metric: str) -> str:
    """A metric's name, and how it is read where less is better."""
    return f"{metric} (less is better)" if metric in LOWER else metric


def _interval(axes: Axes, row: int, test: Test) -> None:
    above, below = (BAD, GOOD) if test.metric in LOWER else (GOOD, BAD)
    colour = above if test.low > 0 else below if test.high < 0 else MUTED
    axes.plot([test.low, test.high], [row, row], color=colour, linewidth=2, zorder=2)
    axes.plot(test.difference, row, "o", color=colour, markersize=6, zorder=3)


def activity(contents: Contents) -> Figure | None:
    """The primary metric of each method in each group of users, as bars side by side."""
    title = f"{contents.primary} by how active the users are"
    axis = "training interactions of the user"
    return _grouped(title, contents.groups, contents.primary, axis, "activity")


def popularity(contents: Contents) -> Figure | None:
    """The same of held-out items, by how often they were met in training."""
    title = f"{contents.primary} by how often held-out items were met"
    axis = "training interactions of the item"
    return _grouped(title, contents.item_groups, contents.primary, axis, "popularity")


def _grouped(
    title: str, rows: Sequence[GroupRow], metric: str, axis: str, salt: str
) -> Figure | None:
    if not rows:
        return None
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        mine = values.setdefault(f"{row.group}\n{row.users:,} users", {})
        if metric in row.metrics:
            mine[row.method] = row.metrics[metric]
    return bars(title, values, (axis, read(metric)), salt)


@styled
def bars(
    title: str, values: Mapping[str, Mapping[str, float]], labels: tuple[str, str], salt: str
) -> Figure:
    """A bar for each name in each group, side by side; `values` are group, name, height, `labels`
    those of the axes."""
    names = list(dict.fromkeys(name for each in values.values() for name in each))
    figure, axes = canvas(9.6, 3.5)
    width = 0.8 / max(len(names), 1)
    for n, name in enumerate(names):
        mine = [(place, each[name]) for place, each in enumerate(values.values()) if name in each]
        where = [place + (n - (len(names) - 1) / 2) * width for place, _ in mine]
        heights = [height for _, height in mine]
        axes.bar(where, heights, width * 0.9, color=colours(names)[name], label=name, zorder=2)
    axes.set_xticks(range(len(values)), list(values))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    level_grid(axes, "y")
    legend(axes, len(names))
    groups = ", ".join(group.partition("\n")[0] for group in values)
    alt = f"{title}: bars of {', '.join(names)} for {groups} {labels[0]}."
    return Figure(title, alt, svg(figure, salt))


@styled
def heatmap(grid: Heatmap, name: str) -> Figure:
    """The metric on validation for each alpha_1 (rows) and alpha_2 (columns); the chosen framed."""
    figure, axes = canvas(4.7, 0.9 + 0.5 * len(grid.alpha1))
    flat = [value for row in grid.values for value in row]
    low, span = min(flat), (max(flat) - min(flat)) or 1.0
    for row, values in enumerate(grid.values):
        for column, value in enumerate(values):
            chosen = (grid.alpha1[row], grid.alpha2[column]) == grid.chosen
            level = (value - low) / span
            level = 1 - level if grid.metric in LOWER else level  # the darker, the better
            _tile(axes, column, row, value, level, chosen)
    axes.set_xlim(-0.52, len(grid.alpha2) - 0.48)
    axes.set_ylim(-0.52, len(grid.alpha1) - 0.48)
    axes.set_xticks(range(len(grid.alpha2)), [f"{value:g}" for value in grid.alpha2])
    axes.set_yticks(range(len(grid.alpha1)), [f"{value:g}" for value in grid.alpha1])
    axes.set_xlabel("α₂")
    axes.set_ylabel("α₁", rotation=0, labelpad=12)
    axes.spines[:].set_visible(False)
    first, second = grid.chosen
    alt = (
        f"{grid.title}: {grid.metric} from {min(flat):.4f} to {max(flat):.4f}; "
        f"chosen: alpha 1 = {first:g}, alpha 2 = {second:g}."
    )
    return Figure(grid.title, alt, svg(figure, f"heatmap-{name}"), wide=False)


def _tile(axes: Axes, x: int, y: int, value: float, level: float, chosen: bool) -> None:
    shape: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.06"}
    box = FancyBboxPatch((x - 0.47, y - 0.46), 0.94, 0.92, **shape, linewidth=0)
    strength = 0.06 + 0.94 * level**1.5
    box.set(facecolor=SERIES[1], alpha=strength)
    axes.add_patch(box)
    if chosen:
        ring = FancyBboxPatch((x - 0.47, y - 0.46), 0.94, 0.92, **shape, linewidth=2)
        axes.add_patch(ring)
        ring.set(facecolor="none", edgecolor=INK, zorder=3)
    colour = ON_ACCENT if strength > 0.6 else INK
    weight = "bold" if chosen else "normal"
    axes.text(x, y, f"{value:.4f}", color=colour, ha="center", va="center", weight=weight, size=9)


def curves(contents: Contents) -> list[Figure]:
    """Learning curves; those with the same axes share a picture."""
    drawn = sorted(contents.curves, key=_axes_of)
    return [lines(list(same)) for _, same in groupby(drawn, key=_axes_of)]


def _axes_of(curve: Curve) -> tuple[str, str]:
    return curve.y_label, curve.x_label


@styled
def lines(same: Sequence[Curve], about: str = "") -> Figure:
    """Curves with the same axes in one picture; `about` what they are curves of, in its title."""
    figure, axes = canvas(4.7, 3.1)
    for n, curve in enumerate(same):
        colour = SERIES[1:][n % len(SERIES[1:])]
        marker = "o" if len(curve.x) == 1 else None
        axes.plot(curve.x, curve.y, color=colour, label=curve.name, linewidth=1.8, marker=marker)
    first = same[0]
    axes.set_xlabel(first.x_label)
    axes.set_ylabel(first.y_label)
    level_grid(axes, "y")
    if len(same) > 1:
        legend(axes, 3)
    names = ", ".join(curve.name for curve in same)
    title = names if len(same) == 1 else f"{first.y_label} by {first.x_label}"
    title = f"{about}: {title}" if about else title
    ends = "; ".join(f"{c.name} ends at {c.y[-1]:.4g}" for c in same if c.y)
    salt = f"curve-{about}-{first.y_label}-{first.x_label}"
    alt = f"{first.y_label} by {first.x_label}: {ends}."
    return Figure(title, alt, svg(figure, salt), wide=False)


@styled
def position_bias(contents: Contents) -> Figure | None:
    """The share of first places by slot, against the even share."""
    if not contents.position_bias:
        return None
    slots = sorted({bias.slot for bias in contents.position_bias})
    methods = list(dict.fromkeys(bias.method for bias in contents.position_bias))
    figure, axes = canvas(9.6, 2.9)
    width = 0.8 / len(methods)
    for n, method in enumerate(methods):
        mine = [bias for bias in contents.position_bias if bias.method == method]
        where = [bias.slot + (n - (len(methods) - 1) / 2) * width for bias in mine]
        shares = [100 * bias.share for bias in mine]
        label = f"{method} ({_p(mine[0])})"
        axes.bar(where, shares, width * 0.9, color=colours(methods)[method], label=label, zorder=2)
    even = 100 / len(slots)
    axes.axhline(even, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="no bias", zorder=3)
    axes.set_xticks(slots)
    axes.set_xlabel("slot at which the item was shown")
    axes.set_ylabel("first places, %")
    level_grid(axes, "y")
    legend(axes, len(methods) + 1)
    title = "First places by slot"
    alt = f"{title}: {', '.join(methods)}; without bias each slot would have {even:.0f} %."
    return Figure(title, alt, svg(figure, "position-bias"))


def _p(bias: Bias) -> str:
    text = tables.p_value(bias.p_value).text
    return f"p {text}" if text.startswith("<") else f"p = {text}"
