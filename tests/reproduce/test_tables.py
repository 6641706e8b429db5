"""A paper's table from its runs: cells, sharing, and the page beside the paper's figures."""

import json
from pathlib import Path

import pytest

from recipes.worlds import small
from tandemrec.backbones import BACKBONES
from tandemrec.cli import main
from tandemrec.data.sources import SOURCES
from tandemrec.errors import UnknownName
from tandemrec.recipes import execute
from tandemrec.reproduce import PIECES, chosen
from tandemrec.reproduce.tables import PaperTable

TABLES = {name: piece for name, piece in PIECES.items() if isinstance(piece, PaperTable)}
TABLE = TABLES["llama4rec/table2"]
QUICK = ["--llm", "fake", "--seeds", "2", "--set", "training.epochs=2", "--set", "tune=none"]


@pytest.mark.parametrize("name", PIECES)
def test_every_cell_can_be_run(name: str) -> None:
    for data, backbone, _ in PIECES[name].cells:
        assert data in SOURCES and backbone in BACKBONES
    assert PIECES[name].teacher in BACKBONES


def test_the_papers_figures_are_its_own() -> None:
    """Read off tables II, IV and VI by eye."""
    assert TABLE.methods == ["Base", "IFT", "Llama4Rec"]
    assert TABLE.metrics == ["HR@3", "NDCG@3", "HR@5", "NDCG@5"]
    assert TABLE.published["ml-100k"]["mf"]["Llama4Rec"]["NDCG@5"] == 0.0588
    assert TABLE.published["book-crossing"]["sgl"]["Base"]["HR@3"] == 0.0419
    four = TABLES["llama4rec/table4"].published
    assert four["ml-1m"]["bert4rec"]["IFT"]["HR@5"] == 0.0188
    six = TABLES["llama4rec/table6"].published
    assert six["ml-1m"]["lightgcn"]["w/o PA"] == {"HR@3": 0.0277, "NDCG@3": 0.0199}


def test_some_cells_are_chosen_by_pattern() -> None:
    assert [cell.name for cell in chosen(TABLE, ["ml-100k/*", "*/sgl"])] == [
        *(f"ml-100k/{name}" for name in ("mf", "lightgcn", "mixgcf", "sgl")),
        "ml-1m/sgl",
        "book-crossing/sgl",
    ]
    assert len(chosen(TABLE, [])) == 12
    with pytest.raises(UnknownName, match="ml-100k/mf"):
        chosen(TABLE, ["ml-100k/fm"])


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(execute, "load", lambda name, **_: small().data)

    def run(*only: str) -> int:
        words = [word for pattern in only for word in ("--only", pattern)]
        return main(["reproduce", "llama4rec/table2", "--out", str(tmp_path), *words, *QUICK])

    return run


def test_a_page_beside_the_papers_figures(called, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert called("ml-100k/mf") == 0
    assert called("ml-100k/lightgcn") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("index.html")
    values = {
        (row["row"], row["column"]): row["value"]
        for row in json.loads((tmp_path / "tables.json").read_text())
    }
    own = json.loads((tmp_path / "ml-100k" / "mf" / "scores.json").read_text())
    mean = {
        method: sum(row["NDCG@5"] for row in own if row["method"] == method) / 2
        for method in ("Base", "IFT", "Llama4Rec")
    }
    for method, value in mean.items():
        assert values[f"mf / {method}", "NDCG@5"] == pytest.approx(value)
    assert values["mf / Base", "NDCG@5, paper"] == 0.0420
    gain = "mf / Llama4Rec over the better baseline"
    best = max(mean["Base"], mean["IFT"])
    assert values[gain, "NDCG@5"] == pytest.approx(100 * (mean["Llama4Rec"] / best - 1))
    assert round(values[gain, "NDCG@5, paper"], 2) == 20.49  # as the paper prints it
    assert values["sgl / Base", "HR@3"] is None
    text = (tmp_path / "tables.md").read_text()
    assert f"{mean['Base']:.4f}" in text and "0.0420" in text
    page = (tmp_path / "index.html").read_text()
    assert "LLaMA-2 7B" in page and "Not run: ml-100k/mixgcf" in page
    assert 'href="ml-100k/lightgcn/index.html"' in page


def test_cells_of_a_data_set_share_answers(called, tmp_path: Path) -> None:
    assert called("ml-100k/mf") == 0
    assert (tmp_path / "ml-100k" / "shared" / "answers.sqlite").exists()
    assert not (tmp_path / "ml-100k" / "mf" / "answers.sqlite").exists()
    before = (tmp_path / "ml-100k" / "mf" / "scores.json").read_bytes()
    assert called("ml-100k/mf") == 0  # loaded
    assert (tmp_path / "ml-100k" / "mf" / "scores.json").read_bytes() == before


def test_an_unknown_table_is_one_line(capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["reproduce", "llama4rec/tabel2"]) == 2
    assert "Did you mean 'llama4rec/table2'" in capsys.readouterr().err
