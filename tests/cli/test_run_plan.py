"""`tandemrec run --plan`: the loop of docs/shards.md, and what does not go with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.worlds import write_log
from tandemrec.cli import main
from tandemrec.cli.run import PLANNED
from tandemrec.llm.fake import CountingLLM, FakeLLM
from tandemrec.llm.local import LocalLLM
from tiny_llm import tiny_folder

QUICK = ["--set", "training.epochs=2", "--set", "training.batch_size=64"]
DIRECT = ["--backbone", "mf", *QUICK]
TUNED = ["--set", "tune.trainable_layers=2"]
TUNED += ["--set", "tune.steps=3", "--set", "tune.learning_rate=0.01"]


def refusing(way: Any) -> Any:
    """A question to a model that ends the test; the control that counts may be asked."""

    def asked(self: Any, *given: Any, **options: Any) -> Any:
        assert isinstance(self, CountingLLM), "the run asked by itself"
        return way(self, *given, **options)

    return asked


class Loop:
    """Plan, answer in two shards, merge, until the run is done: what it printed, and each work."""

    def __init__(self, words: list[str], work: Path, capsys: Any, monkeypatch: Any) -> None:
        self.words, self.work = words, work
        self.capsys, self.monkeypatch = capsys, monkeypatch
        self.works: list[dict[str, Any]] = []

    def run(self) -> str:
        while (code := self.planned()) == PLANNED and len(self.works) < 40:
            shown = self.capsys.readouterr()
            assert f"are written to {self.work}" in shown.err and not shown.out
            self.works.append(json.loads((self.work / "work.json").read_text()))
            for shard in ("2/2", "1/2"):
                assert main(["llm-work", str(self.work), "--shard", shard]) == 0
            assert main(["llm-work", "merge", str(self.work)]) == 0
            self.capsys.readouterr()
        shown = self.capsys.readouterr()
        assert code == 0, shown.err
        return str(shown.out)

    def planned(self) -> int:
        """The run, which fails where it asks a model itself."""
        with self.monkeypatch.context() as alone:
            for model in (LocalLLM, FakeLLM):
                alone.setattr(model, "choose", refusing(model.choose))
                alone.setattr(model, "generate", refusing(model.generate))
            return main([*self.words, "--plan", str(self.work), "--json"])


def test_a_run_that_asks_nothing_equals_a_plain_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["run", "llama4rec", "--data", str(write_log(tmp_path, 24)), "--llm", "fake", *DIRECT]
    plain, out = tmp_path / "plain", tmp_path / "planned"
    assert main([*words, "--out", str(plain), "--json"]) == 0
    expected = capsys.readouterr().out
    loop = Loop([*words, "--out", str(out)], tmp_path / "work", capsys, monkeypatch)
    assert loop.run() == expected
    assert (out / "scores.json").read_bytes() == (plain / "scores.json").read_bytes()
    names = {work["name"] for work in loop.works}
    assert len(names) == len(loop.works) > 1  # no work was written twice: the answers were found
    assert {work["store"] for work in loop.works} == {str(out / "answers.sqlite")}


def test_a_plan_that_is_not_answered_is_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "llama4rec", "--data", str(write_log(tmp_path, 24)), "--llm", "fake", *DIRECT]
    words += ["--out", str(tmp_path / "out"), "--plan", str(tmp_path / "work")]
    found = []
    for _ in range(2):
        assert main(words) == PLANNED
        found.append((tmp_path / "work" / "work.json").read_bytes())
    assert found[0] == found[1] and not (tmp_path / "out" / "scores.json").exists()
    assert "Have them answered" in capsys.readouterr().err


@pytest.mark.parametrize(("recipe", "backbone"), [("llama4rec", "deepfm"), ("dallrec", "mf")])
def test_a_model_that_the_run_tunes_is_asked_in_shards_too(
    recipe: str,
    backbone: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, *rows = write_log(tmp_path, 16).read_text().split()
    rated = [f"{row},{1 + n * 7 % 11 % 5}" for n, row in enumerate(rows)]
    (tmp_path / "log.csv").write_text("\n".join([f"{head},rating", *rated]) + "\n")
    model = tiny_folder(tmp_path / "model", context=2048)
    words = ["run", recipe, "--data", str(tmp_path / "log.csv"), "--llm", str(model), *QUICK]
    words += [*TUNED, "--backbone", backbone, "--out", str(tmp_path / "out")]
    loop = Loop(words, tmp_path / "work", capsys, monkeypatch)
    assert json.loads(loop.run())[0]["method"] == "Base"
    assert "model, tuned" in {work["model"] for work in loop.works}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--plan", "work", "--dry-run"], "--dry-run and --plan do not go together"),
        (["--plan", "work", "--ray", "local"], "--plan and --ray do not go together"),
        (["--plan", "work", "--llm", "smolm2-135m"], "Did you mean 'smollm2-135m'"),
    ],
)
def test_a_mistake_is_no_plan(
    words: list[str], says: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["run", "llama4rec", "--data", str(write_log(tmp_path, 24)), "--out", "out", *DIRECT]
    assert main([*given, *words]) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "work").exists()
