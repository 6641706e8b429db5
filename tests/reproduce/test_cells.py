"""The runs of a table: their folders, their order, what is finished, and what stops them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recipes.worlds import small
from reproduce.invented import invented, put_run, quick
from tandemrec.cli import main
from tandemrec.errors import ConfigError, DataError, RunError, UnknownName
from tandemrec.recipes import execute, inputs
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.contents import Contents
from tandemrec.reproduce import PIECES, Cell, cells, chosen, made_again, piece_of
from tandemrec.reproduce.cells import folder_of, found, spec_of
from tandemrec.reproduce.piece import Piece

TABLE, SWEEP = PIECES["llama4rec/table2"], PIECES["llama4rec/fig4"]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs are only pretended; what is done stands here, in order."""
    done: list[str] = []

    def pretended(spec: RunSpec, **_: Any) -> Any:
        done.append(f"run {spec.out.parent.name}/{spec.out.name}")
        put_run(spec)
        return SimpleNamespace()

    def asked(specs: Sequence[RunSpec], **_: Any) -> None:
        done.append(f"ask {' '.join(f'{spec.data}/{spec.backbone}' for spec in specs)}")

    monkeypatch.setattr(cells, "execute", pretended)
    monkeypatch.setattr(cells, "ask_ahead", asked)
    return done


def make(piece: Piece, out: Path, *only: str, seeds: int = 1, **more: Any) -> list[str]:
    spec = RunSpec(llm="fake", out=out, seeds=seeds, **more)
    return [cell.name for cell, _ in made_again(piece, chosen(piece, only), spec)]


def test_some_cells_are_chosen_by_pattern() -> None:
    assert [cell.name for cell in chosen(TABLE, ["ml-100k/*", "*/sgl"])] == [
        *(f"ml-100k/{name}" for name in ("mf", "lightgcn", "mixgcf", "sgl")),
        "ml-1m/sgl",
        "book-crossing/sgl",
    ]
    assert len(chosen(TABLE, [])) == 12
    with pytest.raises(UnknownName, match="ml-100k/mf"):
        chosen(TABLE, ["ml-100k/fm"])


def test_a_run_is_taught_by_the_tables_backbone_unless_another_is_named(tmp_path: Path) -> None:
    cell = Cell("ml-1m", "sgl")
    mine = spec_of(TABLE, cell, RunSpec(out=tmp_path, settings={"blend": {"constant": 0.3}}))
    assert (mine.data, mine.backbone) == ("ml-1m", "sgl")
    assert mine.config.examples.backbone == "lightgcn" and mine.config.blend.constant == 0.3
    assert mine.out == tmp_path / "ml-1m" / "sgl" and mine.shared == tmp_path / "ml-1m" / "shared"
    own = spec_of(TABLE, cell, RunSpec(settings={"examples": {"backbone": "mf"}}))
    assert own.config.examples.backbone == "mf"
    four = spec_of(PIECES["llama4rec/table4"], Cell("ml-1m", "cl4srec"), RunSpec())
    assert four.config.examples.backbone == "sasrec"


def test_folders_of_names_that_a_file_system_does_not_take() -> None:
    def folder(variant: str) -> Path:
        return folder_of(Path("x"), Cell("ml-100k", "sasrec", variant))

    assert folder("smollm2-135m") == Path("x/ml-100k/sasrec/smollm2-135m")
    assert folder("smollm2-135m:15").name.startswith("smollm2-135m-15-")
    names = ["fake:1", "fake-1", "fake/1", "a" * 300, "b" * 300 + "a" * 300, "a" * 80]
    assert len({folder(name) for name in names}) == len(names)
    assert all(len(folder(name).parts) == 4 and len(folder(name).name) < 100 for name in names)
    for name in (".", ".."):
        with pytest.raises(ConfigError, match="cannot be called"):
            folder(name)


def test_what_cells_ask_alike_is_asked_right_before_them(log: list[str], tmp_path: Path) -> None:
    made = make(TABLE, tmp_path, "ml-100k/mf", "ml-1m/mf", "ml-1m/sgl", "ml-100k/sgl")
    assert made == ["ml-100k/mf", "ml-100k/sgl", "ml-1m/mf", "ml-1m/sgl"]
    assert log == [
        *("ask ml-100k/mf ml-100k/sgl", "run ml-100k/mf", "run ml-100k/sgl"),
        *("ask ml-1m/mf ml-1m/sgl", "run ml-1m/mf", "run ml-1m/sgl"),
    ]
    log.clear()
    make(TABLE, tmp_path, "ml-100k/mf", "ml-100k/sgl", "ml-100k/mixgcf")
    assert not any(line.startswith("ask") for line in log)  # one is left


def test_on_a_cluster_what_is_left_of_a_data_set_goes_in_parallel(
    log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parallel(specs: Sequence[RunSpec], *, address: str, **_: Any) -> None:
        log.append(f"{address} {' '.join(f'{s.data}/{s.backbone} {s.seeds}' for s in specs)}")

    monkeypatch.setattr(cells, "parallel", parallel)
    make(TABLE, tmp_path, "ml-100k/mf")
    log.clear()
    spec = RunSpec(llm="fake", out=tmp_path, seeds=1)
    wanted = chosen(TABLE, ["ml-100k/*", "ml-1m/mf"])
    assert len(list(made_again(TABLE, wanted, spec, ray="local"))) == 5
    assert [line for line in log if line.startswith(("local", "ask"))] == [
        "local ml-100k/lightgcn 1 ml-100k/mixgcf 1 ml-100k/sgl 1",
        "local ml-1m/mf 1",
    ]
    assert log[0].startswith("local") and log.index("local ml-1m/mf 1") == 5


def test_data_that_cannot_be_had_stop_nothing_else(
    log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(specs: Sequence[RunSpec], **_: Any) -> None:
        log.append(f"ask {specs[0].data}")
        if specs[0].data != "ml-1m":
            raise DataError(f"{specs[0].data} cannot be downloaded.")

    monkeypatch.setattr(cells, "ask_ahead", asked)
    with pytest.raises(DataError, match=r"ml-100k can.* downloaded\. .*book-crossing can") as told:
        make(TABLE, tmp_path, "*/mf", "*/sgl")
    assert log == ["ask ml-100k", "ask ml-1m", "run ml-1m/mf", "run ml-1m/sgl", "ask book-crossing"]
    assert "\n" not in str(told.value) and (tmp_path / "index.html").exists()


def test_variants_on_data_that_cannot_be_had_are_not_tried(
    log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(spec: RunSpec, **_: Any) -> None:
        log.append("tried")
        raise DataError("No data.")

    monkeypatch.setattr(cells, "execute", missing)
    piece = piece_of("llama4rec/fig5", ["fake", "fake:1"])
    with pytest.raises(DataError, match=r"^ml-100k: No data\.$"):
        make(piece, tmp_path, "ml-100k/sasrec/*")
    assert log == ["tried"]


@pytest.mark.parametrize(
    ("what", "more", "said"),
    [
        ("llama4rec/table2", ["--llm", "nosuch"], "language model named 'nosuch'"),
        ("llama4rec/table2", ["--set", "training.epochz=2"], "epochz"),
        ("llama4rec/table2", ["--set", "backbone.layers=2"], "layers"),  # sgl has it, mf not
        ("llama4rec/table2", ["--preset", "papr"], "Did you mean 'paper'"),
        ("llama4rec/table2", ["--seeds", "0"], "--seeds"),
        ("llama4rec/table2", ["--seed", "-1"], "--seed"),
        ("llama4rec/tabel2", [], "Did you mean 'llama4rec/table2'"),
        ("llama4rec/fig4", ["--rival", "fake"], "fig7 takes --rival"),
        ("llama4rec/fig4", ["--llm", "a", "--llm", "b"], "takes one language model"),
        ("llama4rec/fig5", ["--llm", "fake", "--llm", "nosuch"], "language model named 'nosuch'"),
        ("llama4rec/fig5", ["--llm", "fake", "--llm", ".."], "cannot be called '..'"),
        ("llama4rec/fig7", ["--llm", "fake", "--rival", "nosuch"], "language model named 'nosuch'"),
        ("llama4rec/fig8", ["--judge", "nosuch"], "language model named 'nosuch'"),
        ("llama4rec/fig8", ["--truth", "nosuch.csv"], "no file 'nosuch.csv'; --truth takes"),
        ("llama4rec/fig8", ["--table", "a.csv", "--table", "b.csv"], "each kind of items"),
        ("llama4rec/fig8", ["--only", "*/table"], "Give one with --table FILE"),
        ("llama4rec/table5", ["--truth", "a.csv"], "llama4rec/fig8 takes --truth"),
    ],
)
def test_what_can_be_known_is_told_before_anything_is_made(  # type: ignore[no-untyped-def]
    log: list[str], tmp_path: Path, capsys, what: str, more: list[str], said: str
) -> None:
    fake = [] if "--llm" in more else ["--llm", "fake"]
    assert main(["reproduce", what, "--out", str(tmp_path / "o"), *fake, *more]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and error.startswith("error: ") and "\n" not in error
    assert log == [] and not (tmp_path / "o" / "reproduce.json").exists()


def finish(monkeypatch: pytest.MonkeyPatch, *, stop: bool) -> None:
    def written(self: Piece, run: Any, folder: Path, progress: Any) -> None:
        if stop:
            raise KeyboardInterrupt
        one = {"name": "HR@3", "x": [0.1], "y": [0.5], "y_label": "on test"}
        curves = [one | {"x_label": label} for label in ("α₁", "α₂")]
        (folder / "sweep.json").write_text(json.dumps({"seeds": [0], "curves": curves}))

    monkeypatch.setattr(type(SWEEP), "finish", written)


def test_a_cell_without_its_curves_counts_as_not_run(
    log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(monkeypatch, stop=True)
    with pytest.raises(KeyboardInterrupt):
        make(SWEEP, tmp_path, "ml-100k/*")
    assert (tmp_path / "ml-100k" / "lightgcn" / "run.json").exists()
    assert found(SWEEP, tmp_path) == {}
    finish(monkeypatch, stop=False)
    make(SWEEP, tmp_path, "ml-1m/*")
    assert "Not run: ml-100k/lightgcn" in (tmp_path / "tables.md").read_text()
    make(SWEEP, tmp_path, "ml-100k/*")
    assert "Not run" not in (tmp_path / "tables.md").read_text()


def test_curves_of_fewer_seeds_do_not_stay(
    log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(monkeypatch, stop=False)
    make(SWEEP, tmp_path, "ml-100k/*")
    finish(monkeypatch, stop=True)
    with pytest.raises(KeyboardInterrupt):
        make(SWEEP, tmp_path, "ml-100k/*")
    assert len(found(SWEEP, tmp_path)) == 1  # equal seeds: what stood there is right
    with pytest.raises(KeyboardInterrupt):
        make(SWEEP, tmp_path, "ml-100k/*", seeds=2)
    assert found(SWEEP, tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"seeds": [0], "curves": []}', '{"seeds": [0], "curves": [{"name": 1}]}']
)
def test_a_damaged_file_is_named_with_a_remedy(
    log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    finish(monkeypatch, stop=False)
    make(SWEEP, tmp_path, "ml-100k/*")
    log.clear()
    file = tmp_path / "ml-100k" / "lightgcn" / "sweep.json"
    file.write_text(text)
    with pytest.raises(RunError, match=r"sweep\.json is damaged .*Delete it"):
        make(SWEEP, tmp_path, "ml-1m/*")
    assert log == []
    file.unlink()
    make(SWEEP, tmp_path, "ml-1m/*")


def test_a_damaged_report_is_told_before_anything_is_made(log: list[str], tmp_path: Path) -> None:
    make(TABLE, tmp_path, "ml-100k/mf")
    log.clear()
    report = tmp_path / "ml-100k" / "mf" / "report.json"
    report.write_text("{")
    with pytest.raises(RunError, match=r"report\.json is damaged .* Delete it first"):
        make(TABLE, tmp_path, "ml-100k/sgl")
    assert log == []
    report.unlink()
    assert make(TABLE, tmp_path, "ml-100k/sgl", "ml-100k/mf") == ["ml-100k/mf", "ml-100k/sgl"]


def test_a_report_alone_is_no_finished_run(tmp_path: Path) -> None:
    folder = tmp_path / "ml-100k" / "mf"
    put_run(RunSpec(out=folder, backbone="mf"))
    assert [cell.name for cell in found(TABLE, tmp_path)] == ["ml-100k/mf"]
    (folder / "run.json").unlink()
    assert found(TABLE, tmp_path) == {}


def test_runs_of_an_older_folder_without_a_note_are_shown(log: list[str], tmp_path: Path) -> None:
    put_run(RunSpec(out=tmp_path / "ml-100k" / "mf", backbone="mf"), invented(seeds=(0, 1)))
    make(TABLE, tmp_path, "ml-100k/sgl", seeds=2)
    assert [cell.name for cell in found(TABLE, tmp_path)] == ["ml-100k/mf", "ml-100k/sgl"]
    assert (tmp_path / "reproduce.json").exists()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The stages that each real run made, on a small world in place of all data sets."""
    monkeypatch.setattr(inputs, "load", lambda name, **_: small().data)
    stages: list[list[str]] = []

    def watched(*args: Any, **more: Any) -> Any:
        done = execute.execute(*args, **more)
        stages.append(done.setup.run.made)
        return done

    monkeypatch.setattr(cells, "execute", watched)
    return stages


def test_a_real_run_is_not_made_twice(made: list[list[str]], tmp_path: Path) -> None:
    """Nor when it was stopped before its curves were written."""
    words = ["reproduce", "llama4rec/fig4", "--out", str(tmp_path), "--only", "ml-100k/*"]
    words += ["--seeds", "1", *quick()]
    assert main(words) == 0 and made[0]
    folder = tmp_path / "ml-100k" / "lightgcn"
    curves, before = (folder / "sweep.json").read_bytes(), Contents.load(folder).rows
    (folder / "sweep.json").unlink()
    assert main(words) == 0 and made[1] == []
    assert (folder / "sweep.json").read_bytes() == curves
    assert Contents.load(folder).rows == before
    # the curves go through what validation chose
    assert json.loads(curves)["seeds"] == [0]
    for curve in json.loads(curves)["curves"]:
        first, second = Contents.load(folder).heatmaps[0].chosen
        at = curve["x"].index(first if curve["x_label"] == "α₁" else second)
        (own,) = (row for row in before if row.method == "Llama4Rec")
        assert curve["y"][at] == pytest.approx(own.metrics[curve["name"]])


def test_what_was_made_is_printed_where_another_data_set_is_missing(
    log: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pretended = cells.execute

    def some(spec: RunSpec, **given: Any) -> Any:
        if spec.data != "ml-100k":
            raise DataError("No data.")
        return pretended(spec, **given)

    monkeypatch.setattr(cells, "execute", some)
    words = ["reproduce", "llama4rec/table2", "--out", str(tmp_path), "--llm", "fake", "--json"]
    assert main([*words, "--only", "*/mf"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out) == json.loads((tmp_path / "tables.json").read_text())
    assert "No data." in told.err
    assert main([*words, "--only", "*/mf", "--seeds", "1"]) == 2  # fewer seeds: nothing is made
    assert capsys.readouterr().out == ""


def test_runs_that_a_command_does_not_ask_for_are_named(log: list[str], tmp_path: Path) -> None:
    for llm in ("fake", "fake:1"):
        piece = piece_of("llama4rec/fig5", [llm])
        (cell,) = chosen(piece, ["ml-100k/lightgcn/*"])
        list(made_again(piece, [cell], RunSpec(llm=llm, out=tmp_path, seeds=1)))
    text = (tmp_path / "tables.md").read_text()
    assert "Finished in this folder too, and not shown here: ml-100k/lightgcn/fake." in text


@pytest.mark.parametrize("note", ["{", '{"tandemrec": "0.0", "spec": {}}'])
def test_a_run_that_cannot_be_read_is_made_again(note: str, log: list[str], tmp_path: Path) -> None:
    """Of another version, or damaged: it is no joined report, and nothing else is lost by it."""
    make(TABLE, tmp_path, "ml-100k/mf", seeds=1)
    (tmp_path / "ml-100k" / "mf" / "run.json").write_text(note)
    assert make(TABLE, tmp_path, "ml-100k/mf", seeds=1) == ["ml-100k/mf"]
    assert log == ["run ml-100k/mf", "run ml-100k/mf"]


def test_a_run_copied_from_another_table_is_loaded(made: list[list[str]], tmp_path: Path) -> None:
    """As docs/papers.md says of tables II and VI and figure 4."""
    words = ["--only", "ml-100k/lightgcn", "--seeds", "1", *quick()]
    assert main(["reproduce", "llama4rec/table2", "--out", str(tmp_path / "table2"), *words]) == 0
    assert made.pop()
    for other in ("fig4", "table6"):
        shutil.copytree(tmp_path / "table2" / "ml-100k", tmp_path / other / "ml-100k")
        there = ["--out", str(tmp_path / other)]
        assert main(["reproduce", f"llama4rec/{other}", *there, *words]) == 0
        assert made.pop() == []
        assert (tmp_path / other / "tables.md").exists()
