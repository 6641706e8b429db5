"""Trackers are told of a run, and whatever becomes of them, the run goes on."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from recipes.worlds import write_log
from tandemrec import tracking
from tandemrec.cli import main
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.progress import silent
from tandemrec.recipes.spec import RunSpec
from tandemrec.tracking import SINKS, Known, Tracker, figures, tracked
from tandemrec.training import TrainConfig

ROWS = [
    {"method": "Base", "kind": "main", "seed": 3, "NDCG@10": 0.25, "p_value": None},
    {"method": "Ours", "kind": "main", "seed": 3, "NDCG@10": 0.5, "p_value": 0.01},
]


class Noted:
    """A sink that notes what it is told, and fails at one thing."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.told = fails, list[tuple[Any, ...]]()

    def note(self, what: str, *given: Any) -> None:
        self.told.append((what, *given))
        print("from the tracker")
        if what == self.fails:
            raise ConnectionError(f"no route for {what}\nto host.")

    def settings(self, values: Mapping[str, str]) -> None:
        self.note("settings", values)

    def figures(self, values: Mapping[str, float], step: int) -> None:
        self.note("figures", values, step)

    def file(self, path: Path) -> None:
        self.note("file", path)

    def close(self, *, failed: bool) -> None:
        self.note("close", failed)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Noted]:
    """Make `noted` a tracker that fails at one thing."""

    def made(fails: str = "") -> Noted:
        sink = Noted(fails)

        def opened(folder: Path, run: str) -> Noted:
            sink.note("open", folder.name, run)
            return sink

        monkeypatch.setitem(SINKS, "noted", Known(opened, ()))
        return sink

    return made


@pytest.mark.parametrize(
    ("note", "found"),
    [
        ("loss 0.412, 590 tokens/s", {"loss": 0.412, "tokens/s": 590}),
        ("loss 1.5e-05, NDCG@10 0.03", {"loss": 1.5e-5, "NDCG@10": 0.03}),
        ("loss -2", {"loss": -2}),
        ("from the hub", {}),
        ("MB", {}),
        ("tandemrec 1.2.3, loss nan", {}),
        ("", {}),
    ],
)
def test_figures_of_a_note(note: str, found: dict[str, float]) -> None:
    assert figures(note) == found


def work(tracker: Tracker, page: Path) -> list[tuple[Any, ...]]:
    """A run as the command line tells of it; what its progress was told."""
    heard: list[tuple[Any, ...]] = []
    tracker.settings(TrainConfig(epochs=7))
    progress = tracker.following(lambda *call: heard.append(call))
    progress("reading", 1, 2)
    for step in (1, 2, 1):  # the third begins the stage again
        progress("MF", step, 2, f"loss 0.{step}")
    tracker.results(ROWS, page)
    return heard


def test_a_tracker_is_told_all_in_order(
    tmp_path: Path, known: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sink, page = known(), tmp_path / "index.html"
    page.write_text("")
    with tracked("noted", tmp_path / "run", "first", warn=pytest.fail) as tracker:
        heard = work(tracker, page)
    assert [call[0] for call in heard] == ["reading", "MF", "MF", "MF"]
    opened, settings, *rest = sink.told
    assert opened == ("open", "run", "first")
    assert settings[1]["epochs"] == "7" and "None" not in settings[1].values()
    assert rest == [
        ("figures", {"MF/loss": 0.1}, 1),
        ("figures", {"MF/loss": 0.2}, 2),
        ("figures", {"MF 2/loss": 0.1}, 1),
        ("figures", {"test/Base/NDCG@10": 0.25}, 3),
        ("figures", {"test/Ours/NDCG@10": 0.5, "test/Ours/p_value": 0.01}, 3),
        ("file", page),
        ("close", False),
    ]
    out, err = capsys.readouterr()
    assert out == "" and "from the tracker" in err


def test_a_backbones_settings_do_not_hide_its_name(tmp_path: Path, known: Any) -> None:
    spec = RunSpec(backbone="lightgcn", settings={"backbone": {"layers": 2}})
    sink = known()
    with tracked("noted", tmp_path / "run", "first", warn=pytest.fail) as tracker:
        tracker.settings(spec, spec.config)
        tracker.results(ROWS)
    told = sink.told[1][1]
    assert told["backbone"] == "lightgcn" and told["settings.backbone"] == "{'layers': 2}"


@pytest.mark.parametrize("fails", ["open", "settings", "figures", "file", "close"])
def test_one_that_fails_is_one_warning_and_is_told_no_more(
    tmp_path: Path, known: Any, fails: str
) -> None:
    sink, page, warned = known(fails), tmp_path / "index.html", list[str]()
    page.write_text("")
    with tracked("noted", tmp_path, "first", warn=warned.append) as tracker:
        heard = work(tracker, page)
    assert len(heard) == 4
    assert warned == [
        "noted is told nothing more of this run, which goes on: "
        f"ConnectionError: no route for {fails} to host."
    ]
    assert sink.told[-1][0] == fails
    assert [what for what, *_ in sink.told].count(fails) == 1


def test_a_library_warns_as_libraries_do(tmp_path: Path, known: Any) -> None:
    known("figures")
    with (
        pytest.warns(UserWarning, match="noted is told nothing more") as found,
        tracked("noted", tmp_path, "first") as tracker,
    ):
        work(tracker, tmp_path / "missing.html")
    assert len(found) == 1


@pytest.mark.parametrize("fails", ["", "close"])
def test_an_error_of_the_work_is_raised_and_told(tmp_path: Path, known: Any, fails: str) -> None:
    sink, warned = known(fails), list[str]()
    with (
        pytest.raises(KeyboardInterrupt),
        tracked("noted", tmp_path, "first", warn=warned.append) as tracker,
    ):
        tracker.following(silent)("MF", 1, 2, "loss 1")
        raise KeyboardInterrupt
    assert sink.told[-1] == ("close", True)
    assert len(warned) == bool(fails)


def test_nothing_to_tell_opens_nothing(tmp_path: Path, known: Any) -> None:
    sink = known()
    with pytest.raises(ConfigError), tracked("noted", tmp_path / "run", "first") as tracker:
        tracker.settings(TrainConfig())
        raise ConfigError("misspelt")
    assert sink.told == [] and not (tmp_path / "run").exists()


def test_an_unknown_one_and_one_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(UnknownName, match="Did you mean 'mlflow'"),
        tracked("mlfow", tmp_path, "x"),
    ):
        pytest.fail("it began")
    for name in SINKS:
        monkeypatch.setitem(sys.modules, name, None)
        with (
            pytest.raises(
                ConfigError, match=rf"--track {name} needs the package {name}.*pip install {name}\."
            ),
            tracked(name, tmp_path / "run", "x"),
        ):
            pytest.fail("it began")
    assert not (tmp_path / "run").exists()


def told(folder: Path, name: str) -> None:
    with tracked(name, folder, "first", warn=pytest.fail) as tracker:
        work(tracker, folder / "index.html")


def test_mlflow_has_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "index.html").write_text("page")
    told(tmp_path, "mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name(tracking.PROJECT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params["epochs"] == "7"
    assert run.data.metrics["test/Ours/NDCG_10"] == 0.5
    curve = client.get_metric_history(run.info.run_id, "MF/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.1), (2, 0.2)]
    page = client.download_artifacts(run.info.run_id, "index.html", str(tmp_path / ""))
    assert Path(page).read_text() == "page"


def test_trackio_has_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read as it is imported
    pytest.importorskip("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    told(tmp_path, "trackio")
    assert SQLiteStorage.get_runs(tracking.PROJECT) == ["first"]
    assert SQLiteStorage.get_run_config(tracking.PROJECT, "first")["epochs"] == "7"
    rows = SQLiteStorage.get_logs(tracking.PROJECT, "first")
    assert [row["MF/loss"] for row in rows if "MF/loss" in row] == [0.1, 0.2]
    assert rows[-1]["failed"] == 0.0


def test_tensorboard_has_it_all(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told(tmp_path, "tensorboard")
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    curve = [(point.step, round(point.value, 6)) for point in read.Scalars("MF/loss")]
    assert curve == [(1, 0.1), (2, 0.2)]
    assert [point.value for point in read.Scalars("test/Ours/NDCG@10")] == [0.5]
    (table,) = read.Tensors("settings/text_summary")
    assert b"| epochs | 7 |" in table.tensor_proto.string_val[0]


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """A run on a log of one's own, with the language model that needs no weights."""
    titles = "\n".join(f"i{n},Film {n:02d}" for n in range(25))
    (tmp_path / "items.csv").write_text(f"item_id,title\n{titles}\n")
    words = ["--data", str(write_log(tmp_path, 20)), "--items", str(tmp_path / "items.csv")]
    quick = ["--set", "training.epochs=3", "--set", "training.batch_size=64"]
    return ["run", "llama4rec", *words, *quick, "--backbone", "mf", "--llm", "fake", "--json"]


@pytest.mark.parametrize("fails", ["", "open", "figures", "file"])
def test_a_run_gives_the_same_with_a_tracker_that_fails(
    own: list[str], tmp_path: Path, known: Any, capsys: pytest.CaptureFixture[str], fails: str
) -> None:
    sink = known(fails)
    assert main([*own, "--out", str(tmp_path / "run"), "--track", "noted"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert rows == json.loads((tmp_path / "run" / "scores.json").read_text())
    assert err.count("warning: noted is told nothing more of this run") == bool(fails)
    if not fails:
        at = [given[0] for what, *given in sink.told if what == "figures"]
        assert {"test/Base/NDCG@5", "test/Llama4Rec/NDCG@5"} <= set().union(*at)
        assert any(name.endswith("MF/loss") for each in at for name in each)
        assert sink.told[-2:] == [("file", tmp_path / "run" / "index.html"), ("close", False)]


def test_a_run_without_its_tracker_is_not_begun(
    own: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert main([*own, "--out", str(tmp_path / "run"), "--track", "mlflow"]) == 2
    assert "pip install mlflow." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
