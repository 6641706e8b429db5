"""What a report is made from survives JSON, and refuses nonsense."""

import json
from pathlib import Path

import pytest

from tandemrec.errors import ConfigError, RunError
from tandemrec.report import Contents, scores
from tandemrec.report.contents import Heatmap, Row


def test_json_and_back(contents: Contents, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(contents.model_dump_json())
    assert Contents.load(tmp_path) == contents


def test_a_report_of_an_earlier_version_still_loads(contents: Contents, tmp_path: Path) -> None:
    """As it was before there were ratings: without task, attributes and what belongs to them."""
    old = contents.model_dump(mode="json")
    for name in ("task", "rating_stories", "attributes", "accuracy"):
        del old[name]
    (tmp_path / "report.json").write_text(json.dumps(old))
    assert Contents.load(tmp_path) == contents
    assert Contents.load(tmp_path).task == "ranking"


def test_the_primary_metric_of_ratings(rating: Contents) -> None:
    assert rating.primary == "RMSE" and rating.metrics == ["RMSE", "MAE"]


def test_scores_are_the_rows_unrounded(contents: Contents) -> None:
    found = scores(contents)
    assert len(found) == len(contents.rows)
    row = contents.rows[2]
    assert found[2] == {
        "method": "Llama4Rec",
        "kind": "main",
        "seed": 0,
        "p_value": 0.021,
        **row.metrics,
    }
    names = ["HR@3", "NDCG@3", "HR@5", "NDCG@5", "HR@10", "NDCG@10", "MRR"]
    assert list(found[2]) == ["method", "kind", "seed", *names, "p_value"]


def test_no_report_yet(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no report\.json; finish the run"):
        Contents.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"rows": 3}'])
def test_a_damaged_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(RunError, match="is damaged"):
        Contents.load(tmp_path)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="p_valu"):
        Row(method="Base", kind="main", seed=0, metrics={}, p_valu=0.1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_has_not(value: float) -> None:
    with pytest.raises(ConfigError, match="finite"):
        Row(method="Base", kind="main", seed=0, metrics={"HR@3": value})


def test_a_ragged_heat_map() -> None:
    sides = {"alpha1": [0.1, 0.3], "alpha2": [0.5], "chosen": (0.1, 0.5), "metric": "NDCG@5"}
    with pytest.raises(ConfigError, match="one row for each alpha1"):
        Heatmap(title="", values=[[1.0], [1.0, 2.0]], **sides)


def test_the_primary_metric(contents: Contents) -> None:
    assert contents.primary == "NDCG@5"
    row = Row(method="Base", kind="main", seed=0, metrics={"RMSE": 0.9})
    assert contents.model_copy(update={"rows": [row]}).primary == "RMSE"
    assert contents.model_copy(update={"rows": []}).primary == ""


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"file is a file; give the folder of a run"):
        Contents.load(tmp_path / "file")
