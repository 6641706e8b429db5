"""Seeds that were made apart, and the one report that they are joined to."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from recipes.parity import LITTLE
from recipes.worlds import small, write_log
from tandemrec.cli import main
from tandemrec.errors import ConfigError, RunError
from tandemrec.recipes import inputs
from tandemrec.recipes.execute import execute, finished, llama4rec
from tandemrec.recipes.joining import join
from tandemrec.recipes.record import Record
from tandemrec.recipes.spec import RunSpec
from tandemrec.recipes.users import FILE, UserTable
from tandemrec.report.contents import Contents
from tandemrec.reproduce import PIECES, Cell, cells, chosen, made_again
from tandemrec.reproduce.cells import folder_of
from tiny_llm import tiny_folder

FAST = {"training": {"epochs": 3, "every": 1, "batch_size": 64}}
OF_EACH = {"command", "notes", "timings", "account"}
"What a report has of its own, however its seeds were made."


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a rated log and titles of one's own."""
    rows = write_log(tmp_path, 20).read_text().splitlines()
    rated = [f"{row},{1 + sum(map(ord, row)) % 5}" for row in rows[1:]]
    (tmp_path / "log.csv").write_text("\n".join([f"{rows[0]},rating", *rated]) + "\n")
    titles = [f"i{n},Film {n:02d}" for n in range(25)]
    (tmp_path / "items.csv").write_text("item_id,title\n" + "\n".join(titles) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec(out: str = "whole", **change: Any) -> RunSpec:
    given = {"data": "log.csv", "items": "items.csv", "backbone": "mf", "llm": "fake"}
    return RunSpec.model_validate({**given, "out": out, "settings": FAST, **change})


def apart(*groups: tuple[int, ...], seeds: int = 3, **change: Any) -> list[Path]:
    """The folders of runs that make some seeds each."""
    for group in groups:
        execute(spec(named(group), seeds=seeds, only_seeds=group, **change))
    return [Path(named(group)) for group in groups]


def named(group: tuple[int, ...]) -> str:
    return "part-" + "-".join(map(str, group))


def told(folder: str | Path) -> dict[str, Any]:
    """A report without what it has of its own."""
    return Contents.load(folder).model_dump(exclude=OF_EACH)


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        ("llama4rec", {"backbone": "mf"}),
        ("llama4rec", {"backbone": "deepfm", "settings": {"training": {"epochs": 2}}}),
        ("dallrec", {"backbone": "mf", "settings": LITTLE, "split": "ratio"}),
    ],
)
def test_joined_seeds_are_the_run_of_all_of_them(
    here: Path, recipe: str, change: dict[str, Any]
) -> None:
    execute(spec(seeds=3, recipe=recipe, **change))
    join(apart((1,), (2, 0), recipe=recipe, **change), Path("joined"))
    whole, joined = told("whole"), told("joined")
    for name in ("groups", "item_groups"):  # means of means: the last digit is rounding
        for one, other in zip(joined.pop(name), whole.pop(name), strict=True):
            assert one.pop("metrics") == pytest.approx(other.pop("metrics"), rel=1e-12)
            assert one == other
    assert joined == whole
    assert Path("joined/scores.json").read_bytes() == Path("whole/scores.json").read_bytes()
    assert pl.read_parquet(Path("joined", FILE)).equals(pl.read_parquet(Path("whole", FILE)))


def test_every_users_metrics_give_the_table_and_its_tests(here: Path) -> None:
    found = execute(spec(seeds=2)).contents
    frame = pl.read_parquet(Path("whole", FILE))
    for row in found.rows:
        mine = frame.filter(pl.col("seed") == row.seed, pl.col("method") == row.method)
        assert mine["user_id"].sort().to_list() == sorted(f"u{n}" for n in range(20))
        for name, value in row.metrics.items():
            assert mine[name].mean() == pytest.approx(value)
    assert set(frame["trained"]) == {6}  # eight interactions, of which two are held out
    means = frame.group_by("method", "user_id").agg(pl.col("NDCG@5").mean()).sort("user_id")
    base, ours = (means.filter(pl.col("method") == name)["NDCG@5"] for name in ("Base", "random"))
    test = next(
        each
        for each in found.tests
        if (each.method, each.metric, each.over) == ("random", "NDCG@5", "users")
    )
    assert test.p_value == pytest.approx(stats.ttest_rel(ours, base).pvalue)


def test_a_part_is_tuned_with_the_first_seed_of_all(here: Path) -> None:
    tiny_folder(here / "model", context=2048)
    change = {"llm": "model", "settings": FAST | {"tune": {"trainable_layers": 2, "steps": 2}}}
    whole = execute(spec(seeds=2, **change))
    (folder,) = apart((1,), seeds=2, **change)
    part = finished(folder)
    assert part.first == 0 and part.contents.seeds == [1]
    assert part.seeds[0].llm.fingerprint == whole.seeds[1].llm.fingerprint
    assert any("whose first is 0" in note for note in part.contents.notes)
    mine = [row for row in whole.contents.rows if row.seed == 1]
    assert [row.metrics for row in part.contents.rows] == [row.metrics for row in mine]


def test_a_joined_report_says_what_it_is_of_and_is_joined_further(here: Path) -> None:
    folders = apart((0,), (1,), (2,))
    join(folders[:2], Path("two"), command="tandemrec report")
    join([Path("two"), folders[2]], Path("three"))
    record, found = Record.load(Path("three")), Contents.load("three")
    assert record.parts == tuple(map(str, folders)) and record.spec.all_seeds == [0, 1, 2]
    assert found.notes[0] == "Joined from 2 reports of the same run: seeds 0, 1; seed 2."
    assert sum(note.startswith("Joined") for note in found.notes) == 1
    asked = next(note for note in found.notes if "The LLM was asked about" in note)
    assert asked.endswith(".") or "(seed" in asked
    join(folders[::2], Path("gap"))
    assert Record.load(Path("gap")).spec.made_seeds == [0, 2]
    join(folders, Path("gap"))  # what was joined may be joined again there
    assert Contents.load("gap").seeds == [0, 1, 2]


def test_what_only_some_seeds_have_to_say_is_said_of_them(here: Path) -> None:
    folders = apart((0,), (1,))
    for folder, note in zip(folders, ("One.", "Other."), strict=True):
        file = folder / "report.json"
        kept = json.loads(file.read_text()) | {"notes": [note, "Both."]}
        file.write_text(json.dumps(kept))
    notes = join(folders, Path("joined")).notes
    assert notes[1:] == ["One. (seed 0.)", "Both.", "Other. (seed 1.)"]


def test_a_model_that_is_not_tuned_is_tuned_with_no_seed(here: Path) -> None:
    folders = [execute(spec(f"seed-{n}", seed=n)).setup.run.folder for n in (0, 1)]
    notes = join(folders, Path("joined")).notes
    assert any("was not tuned" in note for note in notes)
    assert not any("tuned 2 times" in note for note in notes)


def test_every_seed_that_a_model_was_tuned_with_is_told(here: Path) -> None:
    """Also where some of them were joined before."""
    tiny_folder(here / "model", context=2048)
    change = {"llm": "model", "settings": FAST | {"tune": {"trainable_layers": 2, "steps": 2}}}
    folders = apart((1,), (2,), seeds=3, **change)
    for notes in (join(folders, Path("two")).notes, join([Path("two")], Path("one")).notes):
        assert not any("The LLM was tuned" in note for note in notes)
    other = execute(spec("other", seed=5, **change)).setup.run.folder
    for notes in (
        join([*folders, other], Path("three")).notes,
        join([Path("two"), other], Path("three")).notes,
        join([other, Path("one")], Path("three")).notes,
    ):
        assert notes[1] == "The LLM was tuned 2 times, with seeds 0 and 5."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"adapter": "/a/lora"}, "adapter is lora, not None"),
        ({"read": {"data": "x"}}, "its data or split are of another content"),
        ({"read": {"llm": "x"}}, "its language model has other weights"),
    ],
)
def test_what_was_read_must_be_the_same(here: Path, change: dict[str, Any], reason: str) -> None:
    """Not only what it is called; where an older record does not say, names decide."""
    folders = apart((0,), (1,))
    record = Record.load(folders[1])
    assert set(record.read) == {"data", "llm"}
    if "read" in change:
        other = record.model_copy(update={"read": record.read | change["read"]})
    else:
        other = record.model_copy(update={"spec": record.spec.model_copy(update=change)})
    other.save(folders[1])
    with pytest.raises(RunError, match=f"part-1 cannot be joined to part-0: .*{reason}"):
        join(folders, Path("joined"))
    record.model_copy(update={"read": {}}).save(folders[1])
    assert join(folders, Path("joined")).seeds == [0, 1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"settings": FAST | {"candidates": 12}}, "settings.candidates is 12, not 10"),
        ({"backbone": "lightgcn"}, "backbone is LightGCN, not MF"),
        ({"core": 1}, "core is 1, not 0"),
        ({"settings": FAST | {"prompt": {"passages": 0}}}, "rows is"),
    ],
)
def test_runs_that_differ_in_more_than_seeds_are_not_joined(
    here: Path, change: dict[str, Any], reason: str
) -> None:
    folders = apart((0,)) + apart((1,), **change)
    with pytest.raises(RunError, match=f"part-1 cannot be joined to part-0: .*{reason}"):
        join(folders, Path("joined"))
    assert not Path("joined").exists()


def test_what_changes_no_result_may_differ(here: Path) -> None:
    rare = FAST | {"training": FAST["training"] | {"checkpoint_every": 3}}
    parts = [*apart((0,)), *apart((1,), settings=rare)]
    assert join(parts, Path("joined")).seeds == [0, 1]


def test_states_of_the_code_that_differ_are_told(here: Path) -> None:
    parts, text = apart((0,), (1,)), "They were made by 2 states of tandemrec's code."
    assert text not in join(parts, Path("joined")).notes
    record = Record.load(parts[1])
    record.model_copy(update={"code": "another"}).save(parts[1])
    assert text in join(parts, Path("joined")).notes
    record.model_copy(update={"code": ""}).save(parts[1])  # as older ones are
    assert text not in join(parts, Path("joined")).notes


def test_other_users_are_not_joined(here: Path) -> None:
    folders = apart((0,))
    log = Path("log.csv").read_text()
    Path("log.csv").write_text(log.replace("u3,", "u99,"))
    folders += apart((1,))
    with pytest.raises(RunError, match="it was measured on other users"):
        join(folders, Path("joined"))


def test_a_seed_is_joined_once_and_no_run_is_replaced(here: Path) -> None:
    folders = apart((0,), (1,))
    with pytest.raises(RunError, match=r"Seed 0 is in part-0 and in part-0\."):
        join([folders[0], folders[0]], Path("joined"))
    with pytest.raises(RunError, match="part-1 holds a run of its own"):
        join(folders, folders[1])
    before = Path("part-1/report.json").read_bytes()
    execute(spec("other"))
    with pytest.raises(RunError, match="other holds a run of its own"):
        join(folders, Path("other"))
    Path("other/run.json").unlink()  # as of a run that was stopped, or made from Python
    with pytest.raises(RunError, match="other holds a run of its own"):
        join(folders, Path("other"))
    Path("mine").mkdir()
    Path("mine/index.html").write_text("mine")
    with pytest.raises(ConfigError, match="no run has made"):
        join(folders, Path("mine"))
    assert Path("part-1/report.json").read_bytes() == before


def test_what_cannot_be_joined_is_named(here: Path) -> None:
    folders = apart((0,), (1,))
    file = folders[1] / FILE
    kept = pl.read_parquet(file)
    fewer = kept.head(len(kept) - 7)
    for other in (fewer, kept.drop("user_id"), kept.sort("user_id"), kept.head(0)):
        other.write_parquet(file)
        with pytest.raises(RunError, match=r"users\.parquet is damaged"):
            join(folders, Path("joined"))
    for other in (kept.filter(pl.col("method") == "Base"), kept.with_columns(seed=2)):
        other.write_parquet(file)
        with pytest.raises(RunError, match=r"users\.parquet is not of the report beside it"):
            join(folders, Path("joined"))
    kept.with_columns(pl.col("HR@5") / 2).write_parquet(file)
    with pytest.raises(RunError, match=r"users\.parquet is not of the report beside it"):
        join(folders, Path("joined"))
    file.write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"users\.parquet is damaged"):
        join(folders, Path("joined"))
    file.unlink()
    with pytest.raises(RunError, match=r"holds no users\.parquet.*Do its run again"):
        join(folders, Path("joined"))
    assert execute(spec("part-1", seeds=3, only_seeds=(1,))).setup.run.made == []
    assert join(folders, Path("joined")).seeds == [0, 1]


def test_a_joined_report_is_no_run(here: Path) -> None:
    join(apart((0,), (1,)), Path("joined"))
    with pytest.raises(RunError, match="Name one of the runs that it is joined from: part-0 and"):
        finished("joined")
    before = Path("joined/report.json").read_bytes()
    record = Path("joined/run.json").read_text()
    for version in (Record.load(Path("joined")).tandemrec, "0.0.0"):
        Path("joined/run.json").write_text(json.dumps(json.loads(record) | {"tandemrec": version}))
        with pytest.raises(ConfigError, match="joined holds a report that was joined"):
            execute(spec("joined"))
        with pytest.raises(ConfigError, match="joined holds a report that was joined"):
            llama4rec(small(), backbone="mf", llm="fake", out="joined")
    assert Path("joined/report.json").read_bytes() == before


def test_a_joined_report_is_a_cell_of_a_table(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece, cell = PIECES["llama4rec/table2"], Cell("ml-100k", "mf")
    asked = RunSpec(llm="fake", out="table", seeds=2, settings=FAST)
    join(of_a_table(monkeypatch), folder_of(Path("table"), cell))

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be made")

    for name in ("execute", "ask_ahead"):
        monkeypatch.setattr(cells, name, refused)
    wanted = chosen(piece, ["ml-100k/mf"])
    (made,) = made_again(piece, wanted, asked)
    assert made[0] == cell and "ml-100k/mf/index.html" in made[1].read_text()
    with pytest.raises(RunError, match="of seeds 0 and 1, not of 0, 1 and 2"):
        list(made_again(piece, wanted, asked.model_copy(update={"seeds": 3})))


def of_a_table(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two seeds of table II's MF, on a small world in place of ML-100K."""
    monkeypatch.setattr(inputs, "load", lambda name, **_: small().data)
    taught = FAST | {"examples": {"backbone": "lightgcn"}}
    return apart((0,), (1,), data="ml-100k", items=None, seeds=2, settings=taught)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"llm": "fake:1"}, "llm is fake, not fake:1"),
        ({"settings": FAST | {"candidates": 12}}, "settings.candidates is 10, not 12"),
    ],
)
def test_a_joined_report_of_other_runs_is_no_cell(
    here: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], reason: str
) -> None:
    piece, wanted = PIECES["llama4rec/table2"], [Cell("ml-100k", "mf")]
    join(of_a_table(monkeypatch), folder_of(Path("table"), wanted[0]))
    asked = RunSpec.model_validate(
        {"llm": "fake", "out": "table", "seeds": 2, "settings": FAST, **change}
    )
    with pytest.raises(
        RunError, match=f"mf holds a report that was joined of other runs: {reason}"
    ):
        list(made_again(piece, wanted, asked))


def test_another_backbones_run_is_no_cell(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another cell is asked for."""
    piece, asked = PIECES["llama4rec/table2"], [Cell("ml-100k", "mf")]
    join(of_a_table(monkeypatch), folder_of(Path("table"), Cell("ml-100k", "sgl")))
    with pytest.raises(RunError, match="sgl holds a run of ml-100k/mf"):
        list(made_again(piece, asked, RunSpec(llm="fake", out="table", seeds=2, settings=FAST)))


@pytest.mark.parametrize("some", [(3,), (0, 0), (-1,)])
def test_only_seeds_are_some_of_the_runs(some: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="only_seeds"):
        spec(seeds=3, only_seeds=some)
    assert spec(seeds=3, only_seeds=(2, 0)).made_seeds == [0, 2]
    assert spec(seed=4, seeds=2, only_seeds=(5,)).made_seeds == [5]


def test_the_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--data", "log.csv", "--items", "items.csv", "--backbone", "mf", "--llm", "fake"]
    quick = ["--set", "training.epochs=3", "--seeds", "2"]
    for seed in ("0", "1"):
        asked = ["--only-seed", seed, "--out", f"part-{seed}"]
        assert main(["run", "llama4rec", *own, *quick, *asked]) == 0
    capsys.readouterr()
    assert main(["report", "part-0", "part-1", "--out", "joined", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(Path("joined/scores.json").read_text())
    assert main(["report", "joined"]) == 0
    assert "joined/index.html" in capsys.readouterr().out
    assert main(["report", "part-0", "part-1"]) == 2 and "--out" in capsys.readouterr().err
    assert main(["report", "part-0", "--out", "x"]) == 2
    assert main(["recommend", "joined", "--user", "u3"]) == 2
    assert "Name one of the runs" in capsys.readouterr().err


def test_tables_of_attributes_may_lie_anywhere(here: Path) -> None:
    """By name, and by how much they told."""
    titles = [f"Film {n:02d}" for n in range(25)]
    made = {"backbone": "deepfm", "noun": "movie"}
    for place, n in (("one", 25), ("two", 25), ("three", 9)):
        rows = "".join(f"{title},Ann {k % 2}\n" for k, title in enumerate(titles[:n]))
        Path(place).mkdir()
        Path(place, "films.csv").write_text(f"title,director\n{rows}")

    def part(seed: int, place: str) -> Path:
        told = {"source": "table", "table": f"{place}/films.csv", "kinds": ["director"]}
        return apart((seed,), settings=FAST | {"attributes": told}, **made)[0]

    first = part(0, "one")
    assert join([first, part(1, "two")], Path("joined")).seeds == [0, 1]
    with pytest.raises(RunError, match="attributes is"):
        join([first, part(2, "three")], Path("others"))


def test_ratings_users_have_a_row_for_each_rating(here: Path) -> None:
    change: dict[str, Any] = {"backbone": "deepfm", "settings": {"training": {"epochs": 2}}}
    found = execute(spec(**change)).contents
    table = UserTable.load(Path("whole"))
    base = next(row for row in found.rows if row.method == "Base")
    squared = table.measured["Base"][0].values["RMSE"]
    assert np.sqrt(squared.mean()) == pytest.approx(base.metrics["RMSE"])
