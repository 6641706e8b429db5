"""The paper's table of ratings: its printed figures, and ours beside them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reproduce.invented import quick, rated, values_in
from tandemrec.cli import main
from tandemrec.data.worlds import tastes
from tandemrec.recipes import inputs
from tandemrec.report.contents import Contents
from tandemrec.report.tables import Cell as Value
from tandemrec.report.tables import Table
from tandemrec.reproduce import PIECES, Cell
from tandemrec.reproduce.found import Made
from tandemrec.reproduce.ratings import RatingTable

TABLE = PIECES["llama4rec/table5"]
assert isinstance(TABLE, RatingTable)
DATA = ("ml-100k", "ml-1m", "book-crossing")
GAIN = "Llama4Rec over the better baseline"
PRINTED = Path(__file__).parent / "printed" / "table5.txt"
"""The paper's lines: ML-100K, ML-1M, BookCrossing; RMSE, MAE."""
ERRORS = ("RMSE", "MAE")


def printed_ratings() -> Iterator[tuple[str, str, str, str, str]]:
    """Data set, backbone, row, metric, what is printed; IFT's one line belongs to all backbones."""
    for line in PRINTED.read_text().splitlines():
        backbone, row, *texts = line.split()
        places = [(data, metric) for data in DATA for metric in ERRORS]
        names = TABLE.published["ml-1m"] if backbone == "LLaMA" else [backbone.lower()]
        for name in names:
            for (data, metric), text in zip(places, texts, strict=True):
                yield data, name, row, metric, text


def by_place(table: Table) -> dict[tuple[str, str, str], Value]:
    return {
        (row[0].text, row[1].text, column): value
        for row in table.rows
        for column, value in zip(table.columns[2:], row[2:], strict=True)
    }


def by_place_in(tables: list[Table]) -> dict[tuple[str, str, str, str], Value]:
    return {
        (table.caption, *place): value
        for table in tables
        for place, value in by_place(table).items()
    }


def shown_ratings(contents: Contents | None = None) -> dict[tuple[str, str, str, str], Value]:
    found = {cell: Made(Path("x"), contents or rated()) for cell in TABLE.cells}
    return by_place_in(TABLE.tables(found))


def test_table_5_is_as_printed() -> None:
    """All figures and stars, digit by digit; and what the paper calls improvement is over Base."""
    values, seen = shown_ratings(), set()
    for data, backbone, row, metric, text in printed_ratings():
        seen.add((data, backbone, row, metric))
        if row == "Impro.":
            base, ours = (
                values[data, backbone, name, f"{metric}, paper"].value
                for name in ("Base", "Llama4Rec")
            )
            assert 100 * (base - ours) / base == pytest.approx(float(text[:-1]), abs=0.011)
            continue
        value = values[data, backbone, row, f"{metric}, paper"]
        assert value.value == float(text.removesuffix("*")), (data, backbone, row, metric)
        assert value.mark == "*" * text.endswith("*"), (data, backbone, row, metric)
    assert len(seen) == 3 * 6 * 4 * 2
    assert sum(value.mark == "*" for value in values.values()) == 36 - 3


def test_where_the_papers_ift_is_the_better_baseline_its_improvement_is_remarked() -> None:
    values = shown_ratings()
    remarked = {
        (place[1], place[3].partition(",")[0]): value.value
        for place, value in values.items()
        if place[2] == GAIN and "(" in value.text
    }
    assert remarked == pytest.approx(
        {
            ("nfm", "RMSE"): 4.46,
            ("nfm", "MAE"): -5.01,
            ("dcn", "RMSE"): 8.11,
            ("dcn", "MAE"): 1.57,
            ("xdeepfm", "RMSE"): 2.69,
            ("xdeepfm", "MAE"): -7.63,
            ("autoint", "MAE"): 2.10,
        },
        abs=0.006,
    )
    found = {cell: Made(Path("x"), rated()) for cell in TABLE.cells}
    notes = {table.caption: table.note for table in TABLE.tables(found)}
    assert "The paper prints 9.45 %, which is over Base" in notes["book-crossing"]
    assert "Less is better" in notes["ml-1m"] and "(a)" not in notes["ml-1m"]


@pytest.mark.parametrize(
    ("figures", "p_base", "p_ift", "sign"),
    [
        ((1.0, 1.2, 0.9), 0.05, 0.5, "*"),  # Base is the better one
        ((1.0, 1.2, 0.9), 0.06, 0.01, ""),
        ((1.2, 1.0, 0.9), 0.5, 0.04, "*"),  # IFT is
        ((1.2, 1.0, 0.9), 0.01, 0.06, ""),
        ((1.2, 1.0, 1.1), 0.01, 0.04, "†"),
        ((1.0, 1.2, 1.1), 0.04, 0.01, "†"),
    ],
)
def test_of_errors_the_smaller_one_is_the_better_baseline(
    figures: tuple[float, ...], p_base: float, p_ift: float, sign: str
) -> None:
    named = dict(zip(("Base", "IFT", "Llama4Rec"), figures, strict=True))
    tests = {("Llama4Rec", "Base"): p_base, ("Llama4Rec", "IFT"): p_ift, ("IFT", "Base"): 0.001}
    values = shown_ratings(rated(named, tests))
    least = min(named, key=lambda name: named[name])
    for metric in ERRORS:
        assert values["ml-1m", "dcn", "Llama4Rec", metric].mark == sign
        assert values["ml-1m", "dcn", "IFT", metric].mark == ""
        gain = 100 * (1 - figures[2] / min(figures[:2]))
        assert values["ml-1m", "dcn", GAIN, metric].value == pytest.approx(gain)
        bold = [name for name in named if values["ml-1m", "dcn", name, metric].best]
        assert bold == [least]


def test_all_rows_of_ours_stand_below_with_ablations_and_controls() -> None:
    figures = {"Base": 1.0, "IFT": 1.25, "Llama4Rec": 0.95, "w/o DA": 0.97, "biases": 1.02}
    contents = rated(figures, {("w/o DA", "Base"): 0.03, ("biases", "Base"): 0.01})
    found = {Cell("ml-1m", "afm"): Made(Path("x"), contents)}
    beside, rows = TABLE.tables(found)
    assert (beside.caption, rows.caption) == ("ml-1m", "ml-1m: all rows of ours")
    assert rows.name == "table5_rows_ml_1m"
    assert [row[1].text for row in rows.rows] == list(figures)
    values = {key[1:]: value for key, value in by_place(rows).items()}
    assert values["w/o DA", "RMSE"].full == "0.9700*" and values["biases", "MAE"].full == "1.0200†"
    assert values["Llama4Rec", "RMSE"].full == "0.9500" and values["Llama4Rec", "RMSE"].best
    assert values["w/o DA", "vs Base"].text == "+3.0 %"
    assert values["w/o DA", "p"].text == "0.030" and values["Base", "p"].text == "–"
    notes = list(TABLE.notes(found))
    assert "Our Base is below the paper's in 0 of 1 runs (RMSE)." in notes
    assert any("over Base alone" in note and "no ablation" in note for note in notes)


def test_a_page_of_a_real_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = replace(tastes(60, 40, 8), name="ml-100k", noun="movie")
    monkeypatch.setattr(inputs, "load", lambda name, **_: data)
    words = ["reproduce", "llama4rec/table5", "--out", str(tmp_path), "--only", "ml-100k/deepfm"]
    assert main([*words, "--seeds", "2", *quick()]) == 0
    values = values_in(tmp_path)
    own = json.loads((tmp_path / "ml-100k" / "deepfm" / "scores.json").read_text())
    methods = list(dict.fromkeys(row["method"] for row in own))
    assert {"Base", "IFT", "Llama4Rec", "mean", "biases"} < set(methods)
    for method in methods:
        found = [row["RMSE"] for row in own if row["method"] == method]
        assert values[f"deepfm / {method}", "RMSE"] == pytest.approx(sum(found) / 2)
    assert values["deepfm / Base", "RMSE, paper"] == 1.0487
    assert values["nfm / Base", "RMSE"] is None
    text = (tmp_path / "tables.md").read_text()
    assert "less is better" in text.lower() and "Not run: ml-100k/nfm" in text
    assert "echo" not in text and "NDCG" not in text and "candidates" not in text
