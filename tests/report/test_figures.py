"""Figures are clean, repeatable SVG in the page's own colours, and leave matplotlib as it was."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from tandemrec.report import Contents, attributes, figures
from tandemrec.report.contents import Test
from tandemrec.report.figures import Figure


def every(contents: Contents) -> list[Figure]:
    drawn = [
        figures.differences(contents),
        figures.activity(contents),
        figures.position_bias(contents),
        *(figures.heatmap(grid, str(n)) for n, grid in enumerate(contents.heatmaps)),
        *figures.curves(contents),
    ]
    return [figure for figure in drawn if figure is not None]


def test_all_are_drawn_and_are_xml(contents: Contents) -> None:
    drawn = every(contents)
    assert len(drawn) == 3 + 2 + 2, "two heat maps, two pairs of axes"
    for figure in drawn:
        assert ElementTree.fromstring(figure.svg).tag.endswith("svg")
        assert figure.alt


def test_colours_are_the_pages(contents: Contents) -> None:
    for figure in every(contents):
        assert set(re.findall(r"#[0-9a-f]{6}\b", figure.svg)) == set(), figure.title
        assert "var(--ink)" in figure.svg or "var(--muted)" in figure.svg


def test_ids_are_unique_over_the_page(contents: Contents) -> None:
    ids = [name for figure in every(contents) for name in re.findall(r' id="([^"]+)"', figure.svg)]
    assert len(ids) == len(set(ids))


def test_equal_contents_give_equal_figures(contents: Contents) -> None:
    assert every(contents) == every(contents)


def test_the_users_own_settings_are_neither_used_nor_changed(contents: Contents) -> None:
    plain = every(contents)
    with matplotlib.rc_context({"font.size": 23, "axes.grid": True, "svg.fonttype": "path"}):
        assert every(contents) == plain
        assert matplotlib.rcParams["font.size"] == 23


def test_text_stays_text(contents: Contents) -> None:
    activity = figures.activity(contents)
    assert activity is not None
    assert "148–735" in activity.svg


def test_dollars_and_tags_in_a_name(contents: Contents) -> None:
    curve = contents.curves[0].model_copy(update={"name": r"$\frac{ <script> & $5"})
    [figure] = figures.curves(contents.model_copy(update={"curves": [curve, contents.curves[1]]}))
    assert "<script>" not in figure.svg
    ElementTree.fromstring(figure.svg)


@pytest.mark.parametrize("field", ["tests", "groups", "position_bias"])
def test_nothing_to_draw(contents: Contents, field: str) -> None:
    assert len(every(contents.model_copy(update={field: []}))) == 6


def test_base_is_always_grey_and_the_whole_method_the_accent() -> None:
    assert figures.colours(["Llama4Rec", "IFT", "Base"]) == figures.colours(
        ["Base", "Llama4Rec", "IFT"]
    )


def drawn(contents: Contents, low: float, high: float) -> str:
    values = {"difference": (low + high) / 2, "p_value": 0.01, "n": 9, "over": "users"}
    names = {"method": "IFT", "against": "Base", "metric": contents.primary}
    test = Test(**values, **names, low=low, high=high)
    figure = figures.differences(contents.model_copy(update={"tests": [test]}))
    assert figure is not None
    return figure.svg


def test_green_is_better_whichever_way_that_is(contents: Contents, rating: Contents) -> None:
    good, bad = "var(--good)", "var(--bad)"
    assert good in drawn(contents, 0.1, 0.2) and good in drawn(rating, -0.2, -0.1)
    assert bad in drawn(contents, -0.2, -0.1) and bad in drawn(rating, 0.1, 0.2)
    for each in (contents, rating):
        assert good not in drawn(each, -0.1, 0.2) and bad not in drawn(each, -0.1, 0.2)
    assert "less is better" in drawn(rating, 0.1, 0.2)
    assert "less is better" not in drawn(contents, 0.1, 0.2)


def strengths(svg: str) -> list[float]:
    """How dark each tile is; one that is quite opaque does not say so."""
    found = re.findall(r'style="fill: var\(--series-1\)(?:; opacity: ([0-9.]+))?', svg)
    return [float(opacity or 1) for opacity in found]


def test_the_darkest_tile_is_the_best(contents: Contents, rating: Contents) -> None:
    for each in (contents, rating):
        grid = each.heatmaps[0]
        values = [value for row in grid.values for value in row]
        tiles = strengths(figures.heatmap(grid, "x").svg)
        assert len(tiles) == len(values)
        wanted = min(values) if each is rating else max(values)
        assert values[tiles.index(max(tiles))] == wanted


def test_accuracy_is_drawn_where_something_was_judged(rating: Contents) -> None:
    figure = attributes.accuracy_figure(rating.accuracy, "x", "ml-100k")
    assert figure is not None and ElementTree.fromstring(figure.svg).tag.endswith("svg")
    assert "director, the language model, by truth 46.5 %" in figure.alt
    assert "star" not in figure.alt, "nothing of it was judged"
    assert attributes.accuracy_figure(rating.accuracy[2:], "x") is None
