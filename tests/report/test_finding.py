"""The headline tells the truth, whatever it is."""

import pytest

from tandemrec.report import Contents, scoreboard
from tandemrec.report.contents import Row, Test
from tandemrec.report.finding import Finding, finding


def found(
    contents: Contents,
    ours: float,
    users: float | None,
    runs: float | None = None,
    *,
    base: float = 0.05,
) -> Finding:
    rows = [
        Row(method=method, kind="main", seed=0, metrics={"NDCG@5": value})
        for method, value in (("Base", base), ("Llama4Rec", ours))
    ]
    common = {"method": "Llama4Rec", "against": "Base", "metric": "NDCG@5", "low": 0.0, "high": 0.0}
    tests = [
        Test(**common, over=over, p_value=p, n=n, difference=ours - base)
        for over, p, n in (("users", users, 943), ("runs", runs, 5))
        if p is not None
    ]
    return finding(contents.model_copy(update={"rows": rows, "tests": tests}))


def test_better(contents: Contents) -> None:
    said = found(contents, 0.055, 0.012)
    assert said.verdict == "better"
    assert said.sentence == (
        "Llama4Rec beats Base by 10.0 % in NDCG@5 on ML-100K: 0.0550 against 0.0500 "
        "(p = 0.012 over 943 users)."
    )


def test_better_over_users_and_runs(contents: Contents) -> None:
    said = found(contents, 0.055, 0.012, 0.0002)
    assert said.verdict == "better"
    assert "p < 0.001 over 5 runs" in said.sentence


@pytest.mark.parametrize(("users", "runs"), [(0.31, None), (0.31, 0.01), (0.01, 0.31)])
def test_not_sure(contents: Contents, users: float, runs: float | None) -> None:
    said = found(contents, 0.051, users, runs)
    assert said.verdict == "even"
    assert said.sentence.startswith(
        "Llama4Rec does not reliably beat Base on ML-100K: NDCG@5 0.0510"
    )
    assert "+2.0 %" in said.sentence
    assert "p = 0.31" in said.sentence


def test_worse(contents: Contents) -> None:
    said = found(contents, 0.04, 0.001)
    assert said.verdict == "worse"
    assert said.sentence.startswith("Llama4Rec is worse than Base by 20.0 % in NDCG@5")


def test_a_base_without_a_hit_is_beaten_by_no_percentage(contents: Contents) -> None:
    said = found(contents, 0.2, 0.001, base=0.0)
    assert said.verdict == "better"
    assert said.sentence.startswith("Llama4Rec beats Base in NDCG@5 on ML-100K: 0.2000 against 0.0")
    said = found(contents, 0.2, 0.3, base=0.0)
    assert said.verdict == "even" and "0.2000 against 0.0000 (p = 0.30 over" in said.sentence


def test_not_tested(contents: Contents) -> None:
    said = found(contents, 0.06, None)
    assert said.verdict == "unknown"
    assert "no test was made" in said.sentence


def test_nothing_to_compare(contents: Contents) -> None:
    assert finding(contents.model_copy(update={"rows": []})).verdict == "unknown"


def test_the_bounds_of_the_candidates(contents: Contents) -> None:
    said = finding(contents).context
    assert said.startswith("Of the same candidates, a random order reaches NDCG@5 0.04")


def rated(rating: Contents, ours: float, p: float) -> Finding:
    rows = [
        Row(method=method, kind=kind, seed=0, metrics={"RMSE": value})
        for method, kind, value in (
            ("Base", "main", 1.0),
            ("Llama4Rec", "main", ours),
            ("mean", "control", 1.1),
            ("biases", "control", 1.02),
        )
    ]
    common = {"method": "Llama4Rec", "against": "Base", "metric": "RMSE", "low": 0.0, "high": 0.0}
    test = Test(**common, over="users", p_value=p, n=943, difference=ours - 1)
    return finding(rating.model_copy(update={"rows": rows, "tests": [test]}))


def test_a_smaller_error_is_better(rating: Contents) -> None:
    said = rated(rating, 0.95, 0.012)
    assert said.verdict == "better"
    assert said.sentence == (
        "Llama4Rec beats Base by 5.0 % in RMSE on ML-100K: 0.9500 against 1.0000 "
        "(p = 0.012 over 943 users)."
    )
    assert "has RMSE 1.1000" in said.context and "1.0200; less is better" in said.context


def test_a_larger_error_is_worse(rating: Contents) -> None:
    said = rated(rating, 1.05, 0.001)
    assert said.verdict == "worse"
    assert said.sentence.startswith("Llama4Rec is worse than Base by 5.0 % in RMSE on ML-100K")


@pytest.mark.parametrize(("ours", "word"), [(0.99, "1.0 % less"), (1.01, "1.0 % more")])
def test_errors_that_do_not_differ_reliably(rating: Contents, ours: float, word: str) -> None:
    said = rated(rating, ours, 0.3)
    assert said.verdict == "even" and f"({word}, p = 0.30" in said.sentence


def test_a_test_that_says_the_opposite_of_the_means_proves_nothing(rating: Contents) -> None:
    """Roots of means may differ the other way round than means of roots do."""
    sized = rating.model_copy(update={"rows": [], "tests": []})
    for ours, difference in ((0.95, 0.05), (1.05, -0.05)):
        rows = [
            Row(method=name, kind="main", seed=0, metrics={"RMSE": value, "MAE": 1.0})
            for name, value in (("Base", 1.0), ("Llama4Rec", ours))
        ]
        ends = {"low": difference - 0.01, "high": difference + 0.01, "difference": difference}
        names = {"method": "Llama4Rec", "against": "Base", "metric": "RMSE", "over": "users"}
        test = Test(**names, **ends, p_value=0.001, n=9)
        made = sized.model_copy(update={"rows": rows, "tests": [test]})
        assert finding(made).verdict == "even"
        assert scoreboard.mark(made, "Llama4Rec", "Base", "RMSE") == ""


def test_no_candidates_in_a_rating_run(rating: Contents) -> None:
    assert "candidates" not in finding(rating).context
