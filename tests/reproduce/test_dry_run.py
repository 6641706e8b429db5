"""What a table would ask: counted over its cells, and nothing is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.worlds import small
from reproduce.invented import quick
from tandemrec.cli import main
from tandemrec.llm.fake import FakeLLM
from tandemrec.recipes import inputs
from tandemrec.reproduce.duel import Duel
from tandemrec.reproduce.piece import Piece


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions each call asks the model; on a small world in place of all data sets."""
    counts: list[int] = []

    def note(self: FakeLLM, prompts: Any, options: Any) -> None:
        counts.append(len(prompts) if self.name == "fake" else 0)

    monkeypatch.setattr(FakeLLM, "_note", note)
    monkeypatch.setattr(inputs, "load", lambda name, **_: small().data)
    return counts


def words(out: Path, *only: str, what: str = "llama4rec/table2") -> list[str]:
    named = [word for name in only for word in ("--only", name)]
    return ["reproduce", what, "--out", str(out), "--seeds", "1", *named, *quick()]


def foretold(capsys: pytest.CaptureFixture[str], *given: str) -> Any:
    capsys.readouterr()
    assert main([*given, "--dry-run", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def questions(outlooks: Any) -> int:
    return sum(each[part]["questions"] for each in outlooks for part in ("sure", "guessed"))


def test_what_cells_ask_alike_counts_once_and_nothing_is_asked(
    asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    alone = [questions(foretold(capsys, *words(out, f"ml-100k/{n}"))) for n in ("mf", "sgl")]
    both = foretold(capsys, *words(out, "ml-100k/mf", "ml-100k/sgl"))
    assert len(both) == 1 and both[0]["llm"] == "fake"
    assert max(alone) < questions(both) < sum(alone)  # the pairs of equation 2 are alike
    assert sum(asked) == 0 and not out.exists()
    assert main(words(out, "ml-100k/mf", "ml-100k/sgl")) == 0
    assert questions(both) / 2 < sum(asked) < 2 * questions(both)


def test_data_sets_share_nothing(
    asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = questions(foretold(capsys, *words(tmp_path, "ml-100k/mf")))
    twice = questions(foretold(capsys, *words(tmp_path, "ml-100k/mf", "ml-1m/mf")))
    assert twice == 2 * once > 0  # the small world stands for both


def test_a_finished_cell_asks_nothing_and_an_unfinished_one_what_is_left(
    asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, "ml-100k/mf")) == 0
    before = (tmp_path / "reproduce.json").read_bytes()
    asked.clear()
    assert foretold(capsys, *words(tmp_path, "ml-100k/mf")) == []
    assert main([*words(tmp_path, "ml-100k/mf"), "--dry-run"]) == 0
    assert capsys.readouterr().out == "These runs are finished, and ask nothing more.\n"
    left = foretold(capsys, *words(tmp_path, "ml-100k/mf", "ml-100k/sgl"))
    fresh = foretold(capsys, *words(tmp_path / "fresh", "ml-100k/sgl"))
    assert 0 < questions(left) < questions(fresh)
    assert sum(asked) == 0 and not (tmp_path / "ml-100k" / "sgl").exists()
    assert (tmp_path / "reproduce.json").read_bytes() == before


def test_each_language_model_has_its_own_count(
    asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words(tmp_path, "ml-100k/lightgcn/*", what="llama4rec/fig5")
    found = foretold(capsys, *given, "--llm", "fake:1")
    assert [each["llm"] for each in found] == ["fake", "fake:1"]
    assert all(questions([each]) > 0 for each in found)


def test_what_is_asked_beside_the_runs_is_named(
    asked: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = words(tmp_path, "ml-100k/cl4srec", what="llama4rec/fig7")
    assert main([*given, "--rival", "fake:1", "--dry-run"]) == 0
    assert "not counted     the rival's lists" in capsys.readouterr().out
    assert main([*given, "--rival", "fake:1"]) == 0
    capsys.readouterr()
    assert main([*given, "--rival", "fake:1", "--dry-run"]) == 0
    finished = "These runs are finished, and ask nothing more; the rival's lists not counted.\n"
    assert capsys.readouterr().out == finished
    given = words(tmp_path / "other", "ml-100k/cl4srec", what="llama4rec/fig7")
    monkeypatch.setattr(Duel, "asks_besides", Piece.asks_besides)
    assert main([*given, "--rival", "fake:1", "--dry-run"]) == 0
    assert "not counted" not in capsys.readouterr().out


def test_it_is_no_run_on_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words(tmp_path), "--dry-run", "--ray", "local"]) == 2
    assert "--dry-run and --ray do not go together" in capsys.readouterr().err


def test_a_joined_report_of_other_seeds_is_refused_as_by_a_run(
    asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "o" / "ml-100k" / "mf"
    for seed in ("0", "1"):
        given = ["--seeds", "2", "--only-seed", seed]
        assert main([*words(tmp_path / seed, "ml-100k/mf"), *given]) == 0
    parts = [str(tmp_path / seed / "ml-100k" / "mf") for seed in ("0", "1")]
    assert main(["report", *parts, "--out", str(folder)]) == 0
    for more in ([], ["--dry-run"]):
        assert main([*words(tmp_path / "o", "ml-100k/mf"), "--seeds", "3", *more]) == 2
        assert "holds a report that was joined" in capsys.readouterr().err
    assert foretold(capsys, *words(tmp_path / "o", "ml-100k/mf"), "--seeds", "2") == []


def test_a_joined_report_takes_what_stands_beside_the_first_seeds_run(
    asked: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    what, cell = "llama4rec/fig7", Path("ml-100k", "cl4srec")
    rival = ["--rival", "fake:1", "--seeds", "2"]
    for seed in ("0", "1"):
        given = words(tmp_path / seed, "ml-100k/cl4srec", what=what)
        assert main([*given, *rival, "--only-seed", seed]) == 0
    folder, parts = tmp_path / "o" / cell, [str(tmp_path / seed / cell) for seed in ("0", "1")]
    assert main(["report", *parts, "--out", str(folder)]) == 0
    given = [*words(tmp_path / "o", "ml-100k/cl4srec", what=what), *rival]
    for more in ([], ["--dry-run"]):
        assert main([*given, *more]) == 2
        assert "Copy it there from the folder of seed 0." in capsys.readouterr().err
    (folder / "duel.json").write_bytes((tmp_path / "0" / cell / "duel.json").read_bytes())
    assert main(given) == 0
    rows = json.loads((tmp_path / "o" / "tables.json").read_text())
    assert rows and all("ml-100k/cl4srec" in row["row"] for row in rows)
