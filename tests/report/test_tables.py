"""The tables hold the right numbers."""

import pytest

from tandemrec.report import attributes, scoreboard, tables
from tandemrec.report.contents import Contents, GroupRow, Row, Test
from tandemrec.report.tables import Table


def column(table: Table, name: str) -> list[str]:
    place = table.columns.index(name)
    return [row[place].full for row in table.rows]


def row(method: str, seed: int, value: float, kind: str = "main", p: float | None = None) -> Row:
    return Row(method=method, kind=kind, seed=seed, metrics={"NDCG@5": value}, p_value=p)


def test_made(method: str, over: str, p: float, difference: float = 0.01, **more: str) -> Test:
    ends = {"low": difference - 0.005, "high": difference + 0.005}
    common = {"against": "Base", "metric": "NDCG@5", "n": 5, **more}
    return Test(method=method, over=over, p_value=p, difference=difference, **ends, **common)


test_made.__test__ = False  # type: ignore[attr-defined]


def few(contents: Contents, rows: list[Row], tests: list[Test]) -> Contents:
    return contents.model_copy(update={"rows": rows, "tests": tests})


def test_mean_and_spread_by_hand(contents: Contents) -> None:
    """Of .04 and .06: mean .05, sample sd .01414; .06 is 20 % above."""
    rows = [row("Base", 0, 0.04), row("Base", 1, 0.06), row("Llama4Rec", 0, 0.06)]
    rows.append(row("Llama4Rec", 1, 0.06))
    tests = [test_made("Llama4Rec", "users", 0.04), test_made("Llama4Rec", "runs", 0.5)]
    table = scoreboard.main(few(contents, rows, tests))
    assert column(table, "NDCG@5") == ["0.0500 ± 0.0141", "0.0600* ± 0.0000"]
    assert column(table, "vs Base") == ["–", "+20.0 %"]
    assert column(table, "p (users)") == ["–", "0.040"]
    assert column(table, "p (runs)") == ["–", "0.50"]
    assert [cells[1].best for cells in table.rows] == [False, True]
    assert "over 2 seeds" in table.caption


def test_one_seed_takes_the_p_value_of_its_row(contents: Contents) -> None:
    rows = [row("Base", 0, 0.05), row("IFT", 0, 0.04, p=0.01), row("Llama4Rec", 0, 0.05, p=0.9)]
    table = scoreboard.main(few(contents, rows, []))
    assert column(table, "NDCG@5") == ["0.0500", "0.0400†", "0.0500"]
    assert "p (runs)" not in table.columns
    assert not any(cells[1].best for cells in table.rows), "a tie has no winner"


def rated_row(method: str, rmse: float, p: float | None = None) -> Row:
    metrics = {"RMSE": rmse, "MAE": rmse - 0.2}
    return Row(method=method, kind="main", seed=0, metrics=metrics, p_value=p)


def test_of_errors_less_is_better(rating: Contents) -> None:
    """0.95 is 5 % less than 1, 1.1 is 10 % more."""
    rows = [rated_row("Base", 1.0), rated_row("IFT", 1.1, 0.01), rated_row("Llama4Rec", 0.95, 0.02)]
    table = scoreboard.main(few(rating, rows, []))
    assert column(table, "RMSE") == ["1.0000", "1.1000†", "0.9500*"]
    assert column(table, "vs Base") == ["–", "−10.0 %", "+5.0 %"]
    assert [cells[1].best for cells in table.rows] == [False, False, True]
    assert [cells[2].best for cells in table.rows] == [False, False, True]
    assert "Less is better" in table.note
    equal = scoreboard.main(few(rating, [rated_row("Base", 1.0), rated_row("IFT", 1.0)], []))
    assert not any(cells[1].best for cells in equal.rows)


def test_groups_of_errors(rating: Contents) -> None:
    table = tables.groups(rating)
    assert table.columns == ("N(u)", "Users", "Base", "IFT", "Llama4Rec")
    assert [[cell.best for cell in cells[2:]] for cells in table.rows] == [[False, False, True]] * 2


def test_controls_of_ratings(rating: Contents) -> None:
    table = scoreboard.controls(rating)
    assert column(table, "Method") == ["Base", "mean", "biases"]
    assert [cell[0] for cell in column(table, "vs Base")[1:]] == ["−", "−"]


def test_where_attributes_came_from(rating: Contents) -> None:
    table = attributes.provenance(rating)
    assert [[cell.text for cell in cells] for cells in table.rows] == [
        ["director", "the language model", "1,200", "71.3 %"],
        ["director", "unknown", "482", "28.7 %"],
    ]
    assert table.caption == "Attributes: where they came from"


def test_how_many_attributes_are_right(rating: Contents) -> None:
    table = attributes.accuracy(rating.accuracy, "fig8", "ml-100k")
    assert [cell.text for cell in table.rows[0]] == [
        *("director", "the language model", "truth", "46.5 %", "32.0 … 61.0 %"),
        *("43", "10.0 %", "4.0 %", "50"),
    ]
    assert column(table, "Right")[2] == column(table, "95 % interval")[2] == "–"
    assert table.caption == "ml-100k: Attributes: how many are right"


def test_answers_of_a_rating_run(rating: Contents) -> None:
    assert "rejected rating stands the backbone's" in tables.answers(rating).note


def test_ablations_are_held_against_the_whole(contents: Contents) -> None:
    rows = [
        row("Base", 0, 0.05),
        row("Llama4Rec", 0, 0.1),
        row("w/o PA", 0, 0.08, "ablation", 0.01),
    ]
    tests = [test_made("w/o PA", "users", 0.001, -0.02, against="Llama4Rec")]
    table = scoreboard.ablations(few(contents, rows, tests))
    assert column(table, "Method") == ["Llama4Rec", "w/o PA"]
    assert column(table, "vs Llama4Rec") == ["–", "−20.0 %"]
    assert column(table, "NDCG@5") == ["0.1000", "0.0800†"]


def test_a_p_value_against_base_says_nothing_about_the_whole(contents: Contents) -> None:
    rows = [row("Llama4Rec", 0, 0.1), row("w/o PA", 0, 0.08, "ablation", p=0.01)]
    table = scoreboard.ablations(few(contents, rows, []))
    assert "p (users)" not in table.columns
    assert column(table, "NDCG@5") == ["0.1000", "0.0800"]


def test_controls_have_base_beside_them_and_no_winner(contents: Contents) -> None:
    table = scoreboard.controls(contents)
    assert column(table, "Method") == ["Base", "echo", "random", "oracle"]
    assert not any(cell.best for cells in table.rows for cell in cells)


def test_nothing_ablated_no_table(contents: Contents) -> None:
    only = few(contents, [row("Base", 0, 0.05), row("Llama4Rec", 0, 0.1)], [])
    assert scoreboard.ablations(only).rows == scoreboard.controls(only).rows == ()


def test_selection_has_a_column_for_each_seed(contents: Contents) -> None:
    table = tables.selection(contents)
    assert table.columns[3:] == tuple(f"Seed {seed}" for seed in range(5))
    assert column(table, "Option") == ["listwise", "pointwise", "likelihood"]
    assert [[cell.best for cell in cells[3:]] for cells in table.rows] == [[False] * 5] * 2 + [
        [True] * 5
    ]
    assert table.rows[0][4].value == pytest.approx(0.0376)


def test_heat_map_marks_the_chosen_pair(contents: Contents) -> None:
    grid = contents.heatmaps[0]
    table = tables.heatmap(grid, "grid")
    chosen = [
        (r, c) for r, cells in enumerate(table.rows) for c, cell in enumerate(cells) if cell.best
    ]
    assert chosen == [(3, 5)], "alpha_1 = .7 is row 3; alpha_2 = .9 is the fifth after the label"
    assert table.rows[3][5].value == grid.values[3][4]


def test_groups(contents: Contents) -> None:
    rows = [
        GroupRow(group="1–9", users=1200, method=name, metrics={"NDCG@5": value})
        for name, value in (("Base", 0.03), ("Llama4Rec", 0.04))
    ]
    table = tables.groups(contents.model_copy(update={"groups": rows}))
    assert table.columns == ("N(u)", "Users", "Base", "Llama4Rec")
    assert [cell.text for cell in table.rows[0]] == ["1–9", "1,200", "0.0300", "0.0400"]
    assert [cell.best for cell in table.rows[0]] == [False, False, False, True]


def test_answers(contents: Contents) -> None:
    listwise = tables.answers(contents).rows[1]
    assert [c.text for c in listwise] == [
        "listwise",
        "1,886",
        "44",
        "2.3 %",
        "no label 41, twice 3",
    ]


def test_what_is_rejected_of_values_is_a_share_of_them(rating: Contents) -> None:
    row = tables.answers(rating).rows[0]
    assert [cell.text for cell in row] == [
        *("attributes", "3,364", "41 of 1,682 values", "2.4 %", "not agreed 41"),
    ]


def test_position_bias(contents: Contents) -> None:
    table = tables.position_bias(contents)
    assert column(table, "Slot 1") == ["11.0 %", "31.0 %"]
    assert column(table, "p") == ["0.64", "< 0.001"]


def test_every_test_is_listed(contents: Contents) -> None:
    table = tables.tests(contents)
    assert len(table.rows) == len(contents.tests)
    assert table.rows[0][4].text == "943"
    assert table.rows[0][5].text.startswith("−")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "< 0.001"), (0.0496, "0.050"), (0.31, "0.31"), (1.0, "1.00"), (None, "–")],
)
def test_p_values(value: float | None, text: str) -> None:
    assert tables.p_value(value).text == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.42 s"),
        (7.3, "7.3 s"),
        (42.0, "42 s"),
        (59.7, "1 min 00 s"),
        (247, "4 min 07 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0504, "0.0504"), (0.0496, "0.050"), (0.05, "0.050"), (0.0504999, "0.0505"), (0.3, "0.30")],
)
def test_a_p_value_is_told_on_its_side_of_the_level(value: float, text: str) -> None:
    assert tables.p_value(value).text == text


def test_nothing_has_no_sign() -> None:
    assert (tables.signed(-1e-9), tables.signed(-0.0012)) == ("0.0000", "−0.0012")
    assert (tables.percent(-0.04).text, tables.percent(0.06).text) == ("0.0 %", "+0.1 %")


def test_hardly_any_time_is_told_as_such() -> None:
    assert (tables.duration(2.4e-5), tables.duration(0.42)) == ("< 0.01 s", "0.42 s")
