"""A run that only tells what it would ask: nothing is asked, and its folder stays as it is."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from recipes.worlds import write_log
from scripted_server import serving
from tandemrec.cli import main
from tandemrec.errors import UnknownName
from tandemrec.llm import probing
from tandemrec.llm.fake import FakeLLM
from tandemrec.recipes.dry_run import dry_run
from tandemrec.recipes.execute import execute
from tandemrec.recipes.spec import RunSpec
from tiny_llm import tiny_folder

QUICK = {"training": {"epochs": 2, "batch_size": 64}}
KINDS: dict[str, dict[str, Any]] = {
    "llama4rec": {"backbone": "mf"},
    "ratings, shared": {"backbone": "deepfm"},
    "dallrec": {"recipe": "dallrec", "backbone": "mf"},
}


def spec_of(tmp_path: Path, kind: str) -> RunSpec:
    head, *rows = write_log(tmp_path, 24).read_text().split()
    rated = [f"{row},{1 + n * 7 % 11 % 5}" for n, row in enumerate(rows)]
    (tmp_path / "log.csv").write_text("\n".join([f"{head},rating", *rated]) + "\n")
    given = KINDS[kind] | ({"shared": tmp_path / "common"} if "shared" in kind else {})
    files = {"data": str(tmp_path / "log.csv"), "out": tmp_path / "run"}
    return RunSpec(llm="fake", settings=QUICK, **files, **given)


def test_tokens_of_a_model_in_this_process_are_counted(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    found = dry_run(spec_of(tmp_path, "llama4rec").model_copy(update={"llm": str(folder)}))
    assert found.counted and found.tuned and found.all.questions > 0


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those that SQLite keeps for readers."""
    found = [file for file in folder.rglob("*") if file.is_file()]
    return {str(f): f.read_bytes() for f in found if not f.name.endswith(("-wal", "-shm"))}


@pytest.mark.parametrize("kind", list(KINDS))
def test_it_foretells_the_first_questions_and_after_the_run_none(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tmp_path, kind)
    before = contents(tmp_path)
    found = dry_run(spec)
    assert contents(tmp_path) == before and not spec.out.exists()
    assert found.sure.questions > 0 and found.guessed.questions > 0
    assert found.all.usage.calls == found.all.questions and found.cost is None
    assert found.all.usage.tokens_in > 10 * found.all.questions and not found.counted
    asked = counted(monkeypatch)
    execute(spec)
    assert asked[0] == found.sure.questions
    assert found.all.questions / 2 < sum(asked) < 2 * found.all.questions
    gc.collect()  # the run's store is closed, and its log written into the file
    made = contents(tmp_path)
    again = dry_run(spec)
    assert again.all.questions == again.all.usage.calls == 0
    assert contents(tmp_path) == made


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions the model is asked in each call; the control that counts is none."""
    asked: list[int] = []

    def note(self: FakeLLM, prompts: Any, options: Any) -> None:
        asked.extend([len(prompts)] * (self.name == "fake" and len(prompts) > 0))

    monkeypatch.setattr(FakeLLM, "_note", note)
    return asked


def test_what_is_answered_already_is_not_counted(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "dallrec")
    whole = dry_run(spec)
    execute(spec)
    for stage in ("interactions", "threshold"):
        for file in (spec.out / stage).glob("*"):
            file.unlink()
    (spec.out / "answers.sqlite").rename(tmp_path / "kept.sqlite")
    assert dry_run(spec).sure == whole.sure
    (tmp_path / "kept.sqlite").rename(spec.out / "answers.sqlite")
    assert dry_run(spec).all.questions == 0


@pytest.mark.parametrize("recipe", ["llama4rec", "dallrec"])
def test_a_server_is_asked_what_it_can_do_and_no_question(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("httpx")
    probing.forget()
    spec = spec_of(tmp_path, recipe)
    with serving({"chat", "logprobs", "structured_outputs"}) as server:
        address = f"{server.url}?backoff=0.01&price_in=1000&price_out=2000#tiny"
        words = ["run", recipe, "--data", spec.data, "--backbone", "mf", "--llm", address]
        words += ["--set", "training.epochs=2", "--out", str(spec.out), "--dry-run"]
        assert main(words) == 0
        told = capsys.readouterr().out
        assert main([*words, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        bodies = json.dumps(server.bodies)
    assert "hello" in bodies and "item i" not in bodies and not spec.out.exists()
    used = [found[part]["usage"] for part in ("sure", "guessed")]
    read, written = (sum(each[name] for each in used) for name in ("tokens_in", "tokens_out"))
    assert found["cost"] == pytest.approx((1000 * read + 2000 * written) / 1e6) != 0
    for line in (
        r"tiny: top-20, constraint structured_outputs",
        f"{sum(each['calls'] for each in used):,}, and retries",
        f"{read:,} (estimated, 4 letters a token)",
        f"{written:,} at most",
        f"{found['cost']:,.2f}",
    ):
        assert line in told


def test_without_prices_it_says_where_they_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_of(tmp_path, "dallrec")
    words = ["run", "dallrec", "--data", spec.data, "--backbone", "mf", "--llm", "fake"]
    assert main([*words, "--out", str(spec.out), "--dry-run"]) == 0
    assert "?price_in=0.15&price_out=0.6" in capsys.readouterr().out


def test_a_wrong_name_is_told_as_by_a_run(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "dallrec").model_copy(update={"backbone": "lightgnc"})
    with pytest.raises(UnknownName, match="Did you mean 'lightgcn'"):
        dry_run(spec)
