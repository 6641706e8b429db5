"""A paper's table: its printed figures, and ours beside them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.worlds import small
from reproduce.invented import invented, quick, values_in
from tandemrec.backbones import BACKBONES
from tandemrec.cli import main
from tandemrec.data.sources import SOURCES
from tandemrec.recipes import inputs
from tandemrec.report.contents import Contents
from tandemrec.report.tables import Cell as Value
from tandemrec.report.tables import Table
from tandemrec.reproduce import PIECES, Cell
from tandemrec.reproduce.found import Made
from tandemrec.reproduce.tables import PaperTable

TABLES = {piece.key: piece for piece in PIECES.values() if isinstance(piece, PaperTable)}
DATA = ("ml-100k", "ml-1m", "book-crossing")
METRICS = ("HR@3", "NDCG@3", "HR@5", "NDCG@5")
GAIN = "Llama4Rec over the better baseline"
PRINTED = Path(__file__).parent / "printed"
"""The tables' lines as the paper prints them: ML-100K (not in table VI), ML-1M, BookCrossing; H@3,
N@3, H@5, N@5. Table VI has two of them, each with its change against Base."""


def printed(key: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Data set, backbone, row, metric, what is printed."""
    for line in (PRINTED / f"{key}.txt").read_text().splitlines():
        backbone, row, *texts = line.split()
        places = [(data, metric) for data in DATA for metric in METRICS]
        for (data, metric), text in zip(places, texts, strict=True):
            yield data, backbone.lower(), row, metric, text


def shown(key: str, contents: Contents | None = None) -> dict[tuple[str, str, str, str], Value]:
    """Every value of a table by data set, backbone, row and column; each cell with `contents`."""
    piece = TABLES[key]
    found = {cell: Made(Path("x"), contents or invented()) for cell in piece.cells}
    return {
        (table.caption, row[0].text, row[1].text, column): value
        for table in piece.tables(found)
        for row in table.rows
        for column, value in zip(table.columns[2:], row[2:], strict=True)
    }


@pytest.mark.parametrize("name", PIECES)
def test_every_cell_can_be_run(name: str) -> None:
    for data, backbone, _ in PIECES[name].cells:
        assert data in SOURCES and backbone in BACKBONES
    assert PIECES[name].teacher in BACKBONES or "examples" not in PIECES[name].settings
    assert PIECES[name].settings == {"refit": True} or not name.startswith("dallrec")


@pytest.mark.parametrize("key", ["table2", "table4"])
def test_figures_stars_and_gains_are_as_the_paper_prints_them(key: str) -> None:
    values, gains = shown(key), 0
    for data, backbone, row, metric, text in printed(key):
        if row == "Impro.":
            gains += 1
            theirs = values[data, backbone, GAIN, f"{metric}, paper"].value
            if (data, backbone, metric) == ("book-crossing", "mf", "NDCG@3"):
                assert text == "25.55%" and theirs == pytest.approx(25.11, abs=0.006)
            else:
                assert theirs == pytest.approx(float(text[:-1]), abs=0.011)
            continue
        value = values[data, backbone, row, f"{metric}, paper"]
        assert value.value == float(text.removesuffix("*")), (data, backbone, row, metric)
        assert value.mark == "*" * text.endswith("*")
    assert gains == 12 * len(TABLES[key].published["ml-1m"])


def test_table_6_is_as_printed_with_its_changes_against_base() -> None:
    values = shown("table6")
    places = [(data, metric) for data in DATA[1:] for metric in METRICS[:2]]
    for line in (PRINTED / "table6.txt").read_text().splitlines():
        row, _, texts = line.partition("; ")
        numbers = texts.split()
        pairs = zip(places, numbers[::2], numbers[1::2], strict=True)
        for (data, metric), figure, change in pairs:
            value = values[data, "lightgcn", row, f"{metric}, paper"]
            assert (value.value, value.mark) == (float(figure), "")
            theirs = values[data, "lightgcn", row, f"{metric} vs Base, paper"].value
            assert theirs == (None if change == "-" else pytest.approx(float(change), abs=0.011))
    for data in DATA:
        ours = values[data, "lightgcn", "Llama4Rec", "HR@3 vs Base"]
        assert ours.value == pytest.approx(50) and ours.text == "+50.0 %"
    for row in ("Base", "Llama4Rec", "w/o PA"):
        for column in ("HR@3, paper", "NDCG@3 vs Base, paper"):
            assert values["ml-100k", "lightgcn", row, column].value is None


def note(key: str, data: str) -> str:
    piece = TABLES[key]
    found = {cell: Made(Path("x"), invented()) for cell in piece.cells if cell.data == data}
    (table,) = piece.tables(found)
    return table.note


def test_odd_figures_have_a_footnote() -> None:
    assert shown("table4")["ml-100k", "bert4rec", "IFT", "NDCG@5, paper"].text == "0.0100 (a)"
    assert "(a) As printed; it cannot be below NDCG@3 (0.0119)." in note("table4", "ml-100k")
    assert shown("table2")["book-crossing", "mf", GAIN, "NDCG@3, paper"].text == "+25.1 % (a)"
    assert "(a) The paper prints 25.55 %" in note("table2", "book-crossing")
    assert "(a)" not in note("table2", "ml-100k")
    assert "computed from its figures" in note("table2", "ml-100k")
    mine = [key for key, table in TABLES.items() if table.paper == "llama4rec"]
    texts = [value.text for key in mine for value in shown(key).values()]
    assert sum("(" in text for text in texts) == 2 + 9


@pytest.mark.parametrize(
    ("figures", "p_base", "p_ift", "sign"),
    [
        ((0.04, 0.05, 0.06), 0.5, 0.05, "*"),  # IFT is the better one
        ((0.04, 0.05, 0.06), 0.01, 0.06, ""),
        ((0.05, 0.04, 0.06), 0.04, 0.5, "*"),  # Base is
        ((0.05, 0.04, 0.06), 0.06, 0.01, ""),
        ((0.05, 0.04, 0.03), 0.04, 0.5, "†"),
        ((0.05, 0.04, 0.045), 0.04, 0.01, "†"),
        ((0.05, 0.04, 0.03), 0.3, 0.01, ""),
    ],
)
def test_a_star_is_for_what_is_better_than_the_better_baseline(
    figures: tuple[float, ...], p_base: float, p_ift: float, sign: str
) -> None:
    named = dict(zip(("Base", "IFT", "Llama4Rec"), figures, strict=True))
    tests = {("Llama4Rec", "Base"): p_base, ("Llama4Rec", "IFT"): p_ift, ("IFT", "Base"): 0.001}
    values = shown("table2", invented(named, tests))
    for metric in METRICS:
        assert values["ml-1m", "sgl", "Llama4Rec", metric].mark == sign
        assert values["ml-1m", "sgl", "IFT", metric].mark == ""
        gain = 100 * (figures[2] / max(figures[:2]) - 1)
        assert values["ml-1m", "sgl", GAIN, metric].value == pytest.approx(gain)


def bold(figures: dict[str, float]) -> list[str]:
    values = shown("table2", invented(figures))
    return [m for m in figures if values["ml-1m", "mf", m, "NDCG@5"].best]


def test_our_best_is_bold_where_there_is_one() -> None:
    assert bold({"Base": 0.04, "IFT": 0.06, "Llama4Rec": 0.05}) == ["IFT"]
    assert bold({"Base": 0.04, "IFT": 0.05, "Llama4Rec": 0.06}) == ["Llama4Rec"]
    assert bold({"Base": 0.06, "IFT": 0.05, "Llama4Rec": 0.06}) == []


def test_means_are_over_seeds_and_what_is_not_run_is_a_dash() -> None:
    rows = invented(seeds=(0, 1)).rows
    rows = [row.model_copy(update={"metrics": {"NDCG@5": 0.01 * n}}) for n, row in enumerate(rows)]
    piece = TABLES["table2"]
    contents = invented(seeds=(0, 1), more={"rows": rows})
    (table,) = piece.tables({Cell("ml-100k", "mf"): Made(Path("x"), contents)})
    values = by_place(table)
    base = values["mf", "Base", "NDCG@5"]
    assert base.value == pytest.approx(0.015) and base.sd == pytest.approx(0.0212, abs=1e-4)
    assert values["mf", "Base", "HR@3"].text == values["sgl", "Base", "NDCG@5"].text == "–"
    notes = list(piece.notes({Cell("ml-100k", "mf"): Made(Path("x"), contents)}))
    assert "Our Base is above the paper's in 0 of 1 runs (NDCG@5)." in notes


def by_place(table: Table) -> dict[tuple[str, str, str], Value]:
    return {
        (row[0].text, row[1].text, column): value
        for row in table.rows
        for column, value in zip(table.columns[2:], row[2:], strict=True)
    }


def test_a_page_of_a_real_run(tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(inputs, "load", lambda name, **_: small().data)
    words = ["reproduce", "llama4rec/table2", "--out", str(tmp_path), "--only", "ml-100k/mf"]
    assert main([*words, "--seeds", "1", "--json", *quick()]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == json.loads((tmp_path / "tables.json").read_text())
    assert f"ml-100k/mf: {tmp_path / 'index.html'}" in printed.err
    values = values_in(tmp_path)
    own = json.loads((tmp_path / "ml-100k" / "mf" / "scores.json").read_text())
    for row in own:
        if row["kind"] == "main":
            assert values[f"mf / {row['method']}", "NDCG@5"] == row["NDCG@5"]
    assert values["mf / Base", "NDCG@5, paper"] == 0.0420
    assert values["sgl / Base", "HR@3"] is None
    assert (tmp_path / "ml-100k" / "shared" / "answers.sqlite").exists()
    assert not (tmp_path / "ml-100k" / "mf" / "answers.sqlite").exists()
    page = (tmp_path / "index.html").read_text()
    assert 'href="ml-100k/mf/index.html"' in page and "Not run: ml-100k/lightgcn" in page
    assert "The language model is not tuned" in page
    for name, sign in (("tables.md", "- "), ("tables.tex", "% - ")):
        text = (tmp_path / name).read_text()
        assert f"{sign}The language model is fake; the paper's is LLaMA-2 7B." in text
        assert f"{sign}Seed 0; the paper has five runs of each." in text
