"""How figures are drawn: our axes, colours that the page decides, and clean, repeatable SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

P = ParamSpec("P")
R = TypeVar("R")

# Stand-ins: `svg` puts the page's own colours, which follow light and dark, in their place.
INK, MUTED, GRID, ON_ACCENT = "#010101", "#020202", "#030303", "#040404"
GOOD, BAD = "#010102", "#010103"
SERIES = ("#050505", "#060606", "#070707", "#080808", "#090909", "#0a0a0a")
"The colours of lines and bars; the first is grey, the second the accent."
NAMES = {INK: "ink", MUTED: "muted", GRID: "line", ON_ACCENT: "on-accent"}
NAMES |= {GOOD: "good", BAD: "bad"}
NAMES |= {stand_in: f"series-{number}" for number, stand_in in enumerate(SERIES)}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, and readable aloud
    "text.parse_math": False,  # a dollar in a title is a dollar
    "axes.unicode_minus": True,
    "font.size": 10,
}


def canvas(width: float, height: float) -> tuple[Drawing, Axes]:
    """An empty figure of that many inches, with our axes."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.tick_params(length=0, colors=MUTED, labelsize=9.5, pad=6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    return figure, axes


def level_grid(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Quiet lines behind the data, across one axis."""
    axes.grid(axis=axis, color=GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)


def legend(axes: Axes, columns: int) -> None:
    """Above the axes, at the left."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "ncols": columns}
    shape: dict[str, Any] = {"frameon": False, "borderaxespad": 0.2, "handlelength": 1.2}
    axes.legend(**place, **shape, labelcolor=INK, fontsize=9.5, columnspacing=1.6)


def svg(figure: Drawing, salt: str) -> str:
    """The figure as an SVG element for an HTML page; equal figures give equal text."""
    text = io.StringIO()
    figure.patch.set_alpha(0)
    page: Any = FigureCanvasSVG(figure)
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        page.print_svg(text, metadata={"Date": None})
    return _cleaned(text.getvalue())


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw with our settings, whatever the user's own matplotlib settings are; they come back."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(_settings()):
            return draw(*args, **kwargs)

    return inside


def _settings() -> Any:
    untouched = ("backend", "date.", "_internal")
    plain = matplotlib.rcParamsDefault.items()
    return {name: value for name, value in plain if not name.startswith(untouched)} | STYLE


def _cleaned(text: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"#0[1-9a]0[1-9a]0[1-9a]", lambda m: f"var(--{NAMES[m[0]]})", text)
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).strip()
