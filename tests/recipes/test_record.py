"""A finished run's folder: what it describes, and what later runs in it cannot break."""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest

import tandemrec as tr
from recipes.worlds import small, write_log
from tandemrec.errors import DataError, RunError, TandemrecError
from tandemrec.llm.fake import FakeLLM
from tandemrec.recipes import execute as executing
from tandemrec.recipes import inputs, tasks
from tandemrec.recipes import record as recording
from tandemrec.recipes.execute import execute, finished
from tandemrec.recipes.record import RECORD, Record
from tandemrec.recipes.settings import PLUS, PRESETS
from tandemrec.recipes.spec import RunSpec
from tiny_llm import tiny_folder

FAST = {"training": {"epochs": 3, "every": 1, "batch_size": 64}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a log and titles of one's own."""
    write_log(tmp_path, 20)
    titles = [f"i{n},Film {n:02d}" for n in range(25)]
    (tmp_path / "items.csv").write_text("item_id,title\n" + "\n".join(titles) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec(**change: Any) -> RunSpec:
    given = {"data": "log.csv", "items": "items.csv", "backbone": "mf", "llm": "fake"}
    return RunSpec.model_validate({**given, "out": "runs/one", "settings": FAST, **change})


def state(folder: Path, *, stages: bool = True) -> dict[str, tuple[int, bytes]]:
    """Every file of a run, but for the answers, with its time and content."""
    files = [file for file in folder.rglob("*" if stages else "*.*") if file.is_file()]
    kept = [file for file in files if not file.name.startswith("answers.sqlite")]
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in kept}


def test_recommending_writes_nothing_and_asks_about_the_asked_user_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = execute(spec(seeds=2))
    before, llm = state(here / "runs/one"), FakeLLM()
    monkeypatch.setattr(inputs, "named_llm", lambda *_, **__: llm)
    loaded = finished("runs/one")
    assert llm.asked == 0 and loaded.setup.run.made == []
    frame = loaded.recommend(["u3"], k=4)
    assert 0 < llm.asked <= 2  # the user's own prompt, and at most one of titles alone
    assert frame.equals(whole.recommend(["u3"], k=4))
    assert loaded.recommend_new(["i1"]).equals(whole.recommend_new(["i1"]))
    assert loaded.scores.equals(whole.scores)
    assert [seed.seed for seed in loaded.seeds] == [0]
    assert state(here / "runs/one") == before


def test_a_run_is_found_from_anywhere_and_moved_anywhere(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_folder(here / "model", context=2048)
    tune = {"trainable_layers": 2, "steps": 2}
    whole = execute(spec(llm="model", settings=FAST | {"tune": tune}))
    wanted = whole.recommend(["u3"])
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert finished("../runs/one").recommend(["u3"]).equals(wanted)
    os.rename(here / "runs", here / "moved")
    loaded = finished(here / "moved" / "one")
    assert loaded.recommend(["u3"]).equals(wanted)
    assert loaded.setup.run.made == []


def test_names_stay_names_and_paths_become_whole(here: Path) -> None:
    (here / "adapter").mkdir()
    (here / "ml-100k").mkdir()  # a name wins over a folder of that name
    (here / "fake").mkdir()
    (here / "words").mkdir()
    (here / "encoder").mkdir()
    (here / "image.npz").touch()
    kept = Record.of(spec(adapter="adapter")).spec
    paths = (kept.data, kept.items, kept.adapter)
    assert paths == tuple(str(here / n) for n in ("log.csv", "items.csv", "adapter"))
    assert kept.llm == "fake"
    more = {"recipe": "dallrec", "content": ["image.npz"]}
    kept = Record.of(spec(embedder="encoder", **more)).spec
    assert (*kept.content, kept.embedder) == (str(here / "image.npz"), str(here / "encoder"))
    assert Record.of(spec(embedder="words", **more)).spec.embedder == "words"
    named = Record.of(RunSpec(data="ml-100k", llm="fake:7")).spec
    assert (named.data, named.llm) == ("ml-100k", "fake:7")
    assert Record.of(RunSpec(llm="org/name")).spec.llm == "org/name"


def test_a_preset_that_changes_later_does_not_change_a_finished_run(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = execute(spec())
    changed = PLUS.model_copy(update={"candidates": 20, "trusted": (1.0,)})
    monkeypatch.setitem(PRESETS, "plus", changed)
    loaded = finished("runs/one")
    assert loaded.setup.config == whole.setup.config
    assert loaded.recommend(["u3"]).equals(whole.recommend(["u3"]))


def test_another_version_is_refused_by_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(spec())
    monkeypatch.setattr(recording, "version", lambda: "9.9")
    with pytest.raises(RunError, match=r"made by tandemrec 0\.\S+; this is 9\.9.*the run again"):
        finished("runs/one")


def wrong_data() -> None:
    execute(spec(data="lgo.csv"))


def wrong_setting() -> None:
    execute(spec(settings=FAST | {"backbone": {"widht": 3}}))


@pytest.mark.parametrize("mistake", [wrong_data, wrong_setting])
def test_a_mistyped_run_leaves_the_finished_one(here: Path, mistake: Callable[[], None]) -> None:
    wanted = execute(spec()).recommend(["u3"])
    before = state(here / "runs/one")
    with pytest.raises(TandemrecError, match=r"Did you mean|no such file"):
        mistake()
    assert state(here / "runs/one") == before
    assert finished("runs/one").recommend(["u3"]).equals(wanted)


class Stopped(Exception):
    """The machine went away."""


def stopped_at(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise Stopped

    if where == "contents":
        monkeypatch.setattr(tasks, "RANKING", tasks.RANKING._replace(contents=stop))
    else:
        monkeypatch.setattr(executing, where, stop)


def test_a_later_run_that_was_stopped_is_told_with_what_it_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stages stand where the finished run's stood: neither trained again nor mixed."""
    wanted = execute(spec()).recommend(["u3"])
    page = state(here / "runs/one", stages=False)
    with monkeypatch.context() as patch:
        stopped_at(patch, "contents")
        with pytest.raises(Stopped):
            execute(spec(settings=FAST | {"backbone": {"width": 7}}))
    kept = Record.load(here / "runs/one")
    assert kept.config.backbone == {}
    report = str(here / "runs/one" / "index.html")
    assert state(here / "runs/one", stages=False)[report] == page[report]
    with pytest.raises(RunError, match=r"another hyper\. Another run was begun.*the run again"):
        finished("runs/one")
    execute(spec())
    assert finished("runs/one").recommend(["u3"]).equals(wanted)


def test_more_seeds_that_were_stopped_do_not_disturb_the_finished_run(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = execute(spec()).recommend(["u3"])
    with monkeypatch.context() as patch:
        stopped_at(patch, "contents")
        with pytest.raises(Stopped):
            execute(spec(seeds=2))
    assert (here / "runs/one/seed-1/base").is_dir()
    assert finished("runs/one").recommend(["u3"]).equals(wanted)


@pytest.mark.parametrize("where", ["write", "contents"])
def test_an_unfinished_run_says_so(here: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_at(monkeypatch, where)
    with pytest.raises(Stopped):
        execute(spec())
    assert not (here / "runs/one" / RECORD).exists()
    with pytest.raises(RunError, match="finish the run first"):
        finished("runs/one")


def test_stopped_between_the_report_and_its_record(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old record goes before the new report comes, so that the two are never mixed."""
    execute(spec())
    with monkeypatch.context() as patch:
        patch.setattr(Record, "save", lambda *_: (_ for _ in ()).throw(Stopped()))
        with pytest.raises(Stopped):
            execute(spec(seed=5))
    with pytest.raises(RunError, match=r"no run\.json: its run was stopped before its end"):
        finished("runs/one")
    assert execute(spec(seed=5)).setup.run.made == []
    assert finished("runs/one").seeds[0].seed == 5


def test_a_run_from_python_takes_the_record_of_the_report_it_replaces(here: Path) -> None:
    execute(spec())
    config = PLUS.model_copy(update=FAST)
    tr.llama4rec(small(), backbone="mf", llm=FakeLLM(), config=config, out="runs/one")
    with pytest.raises(RunError, match="or was made from Python"):
        finished("runs/one")


@pytest.mark.parametrize("content", ["", "[]", '{"data": "ml-100k", "preset": "plus"}'])
def test_a_record_that_cannot_be_read_says_what_to_do(here: Path, content: str) -> None:
    execute(spec())
    (here / "runs/one" / RECORD).write_text(content)
    with pytest.raises(RunError, match=r"run\.json cannot be read by tandemrec .*the run again"):
        finished("runs/one")


@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_data_that_changed_since_is_told(here: Path) -> None:
    execute(spec())
    with (here / "log.csv").open("a") as log:
        log.write("u0,i24,99\nu0,i23,98\nu0,i22,97\n")
    with pytest.raises(RunError, match=r"seed-0/base is not what .* another data and another val"):
        finished("runs/one")
    (here / "log.csv").unlink()
    with pytest.raises(DataError, match="no such file"):
        finished("runs/one")


def test_a_record_is_read_as_it_was_written(here: Path) -> None:
    execute(spec(seeds=2, settings=FAST | {"trusted": [0.25, 1], "tune": None}))
    kept = Record.load(here / "runs/one")
    asked = Record.of(spec(seeds=2, settings=FAST | {"trusted": [0.25, 1], "tune": None}))
    assert kept == asked.model_copy(update={"read": kept.read})
    assert set(kept.read) == {"data", "llm"} and all(kept.read.values())
    assert kept.config.trusted == (0.25, 1.0) and kept.config.tune is None
    values = json.loads((here / "runs/one" / RECORD).read_text())
    assert values["config"]["candidates"] == 10  # the preset's too


MINE = """
from tandemrec.backbones import MF

class Mine(MF):
    def loss(self, batch):
        return super().loss(batch) * {weight}
"""


def mine(folder: Path, weight: float) -> Any:
    (folder / "mine_of_a_run.py").write_text(MINE.format(weight=weight))
    sys.modules.pop("mine_of_a_run", None)
    invalidate_caches()
    return import_module("mine_of_a_run").Mine


def test_a_class_whose_loss_changed_is_fitted_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    config = PLUS.model_copy(update=FAST)

    def run(weight: float) -> list[str]:
        done = tr.llama4rec(
            small(), backbone=mine(here, weight), llm=FakeLLM(), config=config, out="runs/mine"
        )
        return done.setup.run.made

    assert "seed-0/base" in run(1.0)
    assert run(1.0) == []
    assert "seed-0/base" in run(-1.0)
