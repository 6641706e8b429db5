"""Attributes: how many are right, where they came from, and what they do to errors (figure 8)."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from reproduce.invented import quick, rated, values_in
from tandemrec.cli import main
from tandemrec.data.attributes import DISAGREE, MODEL, TABLE, UNKNOWN, Attributes, Found, Kind
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import tastes
from tandemrec.errors import ConfigError, DataError, UnknownName
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FollowingLLM
from tandemrec.progress import silent
from tandemrec.recipes import inputs
from tandemrec.recipes.spec import RunSpec
from tandemrec.recipes.users import FILE as USERS
from tandemrec.report.contents import AttributeRow
from tandemrec.report.tables import MISSING
from tandemrec.reproduce import Cell, attributes, chosen, files_of, piece_of
from tandemrec.reproduce.attributes import Attributed, Measured
from tandemrec.reproduce.cells import spec_of
from tandemrec.reproduce.found import Made
from tandemrec.reproduce.judging import by_judge, by_truth, drawn

DIRECTOR = Kind(name="director", about="the director", person=True)
STAR = Kind(name="star", about="the leading actor", form="list", person=True)


BOTH = ("model", "table")


def films(n: int = 4) -> Dataset:
    titles = [f"Film {number} (199{number % 10})" for number in range(n)]
    catalogue = Catalogue([0], list(range(1, n + 1)), titles)
    rows = Interactions.sorted(np.array([0]), np.array([0]), n_users=1, n_items=n)
    return Dataset("ml-100k", rows, catalogue, "movie")


def said(n: int = 4) -> Attributes:
    """Of the director: right, wrong, unknown, rejected; of the star, one, by a table."""
    nothing = [Found((), UNKNOWN)] * (n - 4)
    directors = [
        Found(("Ann Lee",), MODEL),
        Found(("Bob Ray",), MODEL),
        Found((), UNKNOWN),
        Found((), DISAGREE),
    ]
    stars = [Found(("Eve Fox",), TABLE), *[Found((), UNKNOWN)] * 3]
    values = {"director": directors + nothing, "star": stars + nothing}
    return Attributes((DIRECTOR, STAR), values)


def truth_file(folder: Path) -> Path:
    file = folder / "truth.csv"
    table = {
        "item_id": [1, 2, 3, 4, 9],
        "director": ["Lee, Ann", "Cat Sly", "Dan Orr", "Eli Poe", "Nobody"],
        "stars": ["Max Roe|Eve Fox", "", "", "", ""],
    }
    pl.DataFrame(table).write_csv(file)
    return file


def by_place(rows: list[Any]) -> dict[tuple[str, str], Any]:
    return {(row.kind, row.source): row for row in rows}


def test_against_what_is_true_by_hand(tmp_path: Path) -> None:
    found = by_place(by_truth(said(), films(), truth_file(tmp_path), BOTH))
    director = found["director", "model"]
    assert (director.right, director.wrong, director.unknown, director.rejected) == (1, 1, 1, 1)
    assert director.n == 4 and director.share == 0.5 and director.against == "truth"
    # Wilson: (k + z^2 / 2 -+ z sqrt(k (n - k) / n + z^2 / 4)) / (n + z^2) with k = 1, n = 2
    z = 1.959964
    half = z * np.sqrt(0.5 + z**2 / 4)
    assert director.low == pytest.approx((1 + z**2 / 2 - half) / (2 + z**2), abs=1e-5)
    assert director.high == pytest.approx((1 + z**2 / 2 + half) / (2 + z**2), abs=1e-5)
    star = found["star", "table"]
    assert (star.right, star.wrong, star.n) == (1, 0, 1)  # the truth of others is not known


def test_a_second_model_is_asked_about_a_sample() -> None:
    n = 120
    names = [Found((f"Ann {number}",), MODEL) for number in range(n)]
    known = Attributes((DIRECTOR,), {"director": names})
    even = {f"Ann {number}" for number in range(0, n, 2)}

    def yes(prompt: Prompt, option: str) -> float:
        told = prompt.user.rpartition(" is ")[2].removesuffix("?")
        return -1.0 if (option == "Yes") == (told in even) else -9.0

    judge = FollowingLLM(yes)
    (row,) = by_judge(known, films(n), judge, ("model",))
    sample = drawn(n, 0)
    assert len(sample) == len(set(sample.tolist())) == 50 == row.n
    assert (row.right, row.wrong) == ((sample % 2 == 0).sum(), (sample % 2 == 1).sum())
    assert row.against == judge.name and judge.asked == 50
    assert all(f"Film {number}" in judge.log[k][0].user for k, number in enumerate(sample))
    assert not np.array_equal(drawn(n, 1), sample) and drawn(3, 0).tolist() == [0, 1, 2]


def piece(**given: Any) -> Attributed:
    found = piece_of("llama4rec/fig8", **given)
    assert isinstance(found, Attributed)
    return found


def test_runs_differ_in_where_attributes_come_from(tmp_path: Path) -> None:
    mine = piece(table={"movie": tmp_path / "movies.csv"})
    specs = {
        cell.variant: spec_of(mine, cell, RunSpec(out=tmp_path))
        for cell in mine.cells
        if cell.data == "ml-1m"
    }
    assert {name: each.config.attributes.source for name, each in specs.items()} == {
        name: name for name in ("none", "model", "table")
    }
    assert specs["table"].config.attributes.table == str(tmp_path / "movies.csv")
    assert len({each.out for each in specs.values()}) == 3
    assert all(each.config.examples.backbone == "deepfm" for each in specs.values())
    assert all(each.config.augment == "always" for each in specs.values())
    own = RunSpec(out=tmp_path, settings={"augment": "validated"})
    assert spec_of(mine, mine.cells[0], own).config.augment == "validated"


def test_what_is_true_is_looked_at_before_anything_is_computed(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("title,director\nHeat,Michael Mann\n")
    with pytest.raises(DataError, match=r"truth\.csv.*item"):
        piece(truth={"": file}).check(silent)
    file.write_text("item_id,director\n1,Michael Mann\n")
    piece(truth={"": file}).check(silent)
    for option in ("truth", "table"):
        with pytest.raises(UnknownName, match=r"no kind of items named 'films'.*book, movie"):
            piece(**{option: {"films": file}}).check(silent)


def test_without_a_table_its_runs_are_left_out_unless_they_are_named() -> None:
    bare = piece()
    assert {cell.variant for cell in chosen(bare, [])} == {"none", "model"}
    movies = piece(table={"movie": Path("movies.csv")})
    tables = {cell.data for cell in chosen(movies, []) if cell.variant == "table"}
    assert tables == {"ml-100k", "ml-1m"}
    (named,) = chosen(bare, ["ml-1m/*/table"])
    with pytest.raises(ConfigError, match=r"ml-1m/deepfm/table .*Give one with --table FILE"):
        spec_of(bare, named, RunSpec())


def test_files_by_kind_of_item() -> None:
    assert files_of([], "truth") == {}
    assert files_of(["a.csv"], "truth") == {"": Path("a.csv")}
    both = files_of(["movie=a.csv", "book=b.csv"], "truth")
    assert both == {"movie": Path("a.csv"), "book": Path("b.csv")}
    for bad in (["a.csv", "b.csv"], ["movie=a", "movie=b"], ["movie="], [""]):
        with pytest.raises(ConfigError, match="--truth takes one FILE, or one for each kind"):
            files_of(bad, "truth")


def finished(known: Attributes, source: str) -> Any:
    run = SimpleNamespace(telling=lambda progress: progress)
    config = SimpleNamespace(attributes=SimpleNamespace(source=source, table=None))
    setup = SimpleNamespace(split=SimpleNamespace(data=films()), run=run, config=config)
    return SimpleNamespace(setup=setup, seeds=[SimpleNamespace(attributes=known)])


def test_what_was_found_is_written_beside_the_run(tmp_path: Path) -> None:
    mine = piece(truth={"movie": truth_file(tmp_path)}, judge="fake")
    mine.check(silent)

    def rows(mine: Attributed, known: Attributes, source: str) -> list[tuple[str, str, str]]:
        mine.finish(finished(known, source), tmp_path, silent)
        return [(row.kind, row.source, row.against) for row in mine.read(tmp_path).rows]

    for source, sources in (("both", BOTH), ("model", ["model"]), ("table", ["table"])):
        assert rows(mine, said(), source) == [
            (kind, each, against)
            for against in ("truth", "fake")
            for each in sources
            for kind in ("director", "star")
        ]
    assert (tmp_path / "judge.sqlite").exists()
    assert rows(mine, Attributes((), {}), "none") == []
    assert rows(replace(mine, truth={}, judge=None), said(), "model") == []


def test_a_model_that_knows_nothing_still_has_its_rows(tmp_path: Path) -> None:
    known = Attributes((DIRECTOR,), {"director": [Found((), DISAGREE)] * 4})
    (row,) = by_truth(known, films(), truth_file(tmp_path), ("model",))
    assert (row.right, row.wrong, row.rejected, row.n) == (0, 0, 4, 4)


def shown(mine: Attributed, tmp_path: Path) -> dict[Cell, Made]:
    rows = by_truth(said(), films(), truth_file(tmp_path), BOTH)
    origin = [AttributeRow(kind="director", source="model", items=2, share=0.5)]
    found = {}
    for n, cell in enumerate(cell for cell in mine.cells if cell.data == "ml-100k"):
        figures = {"Base": 1.0, "IFT": 1.3, "Llama4Rec": 0.9 - n / 100, "w/o DA": 0.97}
        tests = {("Llama4Rec", "Base"): 0.01 + n / 100}
        config = {"attributes": {"source": cell.variant}}
        none = cell.variant == "none"
        more = {"attributes": [] if none else origin}
        contents = rated(figures, tests, settings=config, more=more)
        found[cell] = Made(tmp_path, contents, Measured(rows=[] if none else rows))
    return found


def test_tables_figures_and_notes(tmp_path: Path) -> None:
    mine = piece()
    found = shown(mine, tmp_path)
    right, *origins, effect = mine.tables(found)
    assert right.caption == "ml-100k: Attributes: how many are right" and len(right.rows) == 8
    assert [table.caption for table in origins] == [
        f"ml-100k/deepfm/{name}: Attributes: where they came from" for name in ("model", "table")
    ]
    assert effect.columns[3:] == ("RMSE", "MAE", "p, RMSE", "p, RMSE, against w/o DA")
    assert {row[6].text for row in effect.rows} == {MISSING}  # these runs left no users behind
    rows = {(row[1].text, row[2].text): row[3:] for row in effect.rows}
    assert rows["none", "Llama4Rec"][0].value == 0.9
    assert rows["table", "Llama4Rec"][0].value == pytest.approx(0.88)
    assert rows["table", "Llama4Rec"][2].value == pytest.approx(0.03)
    assert rows["model", "w/o DA"][0].value == 0.97
    assert len({table.name for table in mine.tables(found)}) == 4
    accuracy, bars = mine.figures(found)
    assert "Right attributes" in accuracy.title and "less is better" in bars.svg
    notes = " ".join(mine.notes(found))
    assert "ml-100k/deepfm/none: No attributes are added" in notes
    assert "directors of 50 movies" in notes and "Not run: ml-1m" in notes
    assert "Nothing was held against" not in notes and "by construction" not in notes


def test_notes_where_nothing_was_judged_or_the_table_is_the_truth(tmp_path: Path) -> None:
    file = {"": truth_file(tmp_path)}
    mine = piece(truth=file, table=file)
    nothing = Measured(truth="same", table="same", rows=[])
    found = {cell: made._replace(beside=nothing) for cell, made in shown(mine, tmp_path).items()}
    notes = " ".join(mine.notes(found))
    assert "Nothing was held against" in notes and "right by construction" in notes
    assert len(mine.figures(found)) == 1 and len(mine.tables(found)) == 3
    assert attributes.FILE not in {each.name for each in tmp_path.iterdir()}


def test_what_was_held_against_something_else_is_left_out(tmp_path: Path) -> None:
    """Against another truth, without one, and in another judge's eyes."""
    file, other = truth_file(tmp_path), tmp_path / "other.csv"
    other.write_text(file.read_text().replace("Ann", "Eva") + "\n")
    mine = piece(truth={"movie": file})
    mine.finish(finished(said(), "both"), tmp_path, silent)
    made = {
        cell: each._replace(beside=mine.read(tmp_path))
        for cell, each in shown(mine, tmp_path).items()
    }

    def left_out(mine: Attributed) -> bool:
        notes = [note for note in mine.notes(made) if "against another truth or judge" in note]
        assert len(notes) in (0, len(made)) and len(mine.figures(made)) == (1 if notes else 2)
        return bool(notes)

    assert not left_out(mine) and not left_out(replace(mine, truth={"": file}))
    assert left_out(replace(mine, truth={"": other})) and left_out(replace(mine, truth={}))
    assert left_out(replace(mine, judge="fake"))


def test_figures_of_older_files_are_shown(tmp_path: Path) -> None:
    """They do not say against what they were held."""
    mine = piece(truth={"": truth_file(tmp_path)})
    mine.finish(finished(said(), "both"), tmp_path, silent)
    rows = json.loads((tmp_path / attributes.FILE).read_text())["rows"]
    (tmp_path / attributes.FILE).write_text(json.dumps(rows))
    assert mine.read(tmp_path) == Measured(rows=by_truth(said(), films(), mine.truth[""], BOTH))


def test_a_page_of_real_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that knows every film's director and star, held against itself."""
    data = replace(tastes(60, 40, 8), name="ml-100k", noun="movie")
    items = range(40)
    file, out = tmp_path / "known.csv", tmp_path / "out"
    known = {"director": [f"Ann {n % 3}" for n in items], "star": [f"Eve {n % 2}" for n in items]}
    pl.DataFrame({"item_id": items, "title": data.catalogue.titles} | known).write_csv(file)
    monkeypatch.setattr(inputs, "load", lambda name, **_: data)
    words = ["reproduce", "llama4rec/fig8", "--out", str(out), "--only", "ml-100k/*/table"]
    files = ["--truth", f"movie={file}", "--table", f"movie={file}", "--judge", "fake:1"]
    assert main([*words, *files, "--seeds", "1", *quick()]) == 0
    values = values_in(out)
    assert values["director / the table / truth", "Right"] == 1
    assert values["director / the table / truth", "Given and judged"] == 40
    judged = values["star / the table / fake:1", "Right"]
    assert 0 < judged < 1 and values["star / the table / fake:1", "Items"] == 40
    assert values["star / the table", "Items"] == 40
    place = "deepfm / table / Llama4Rec"
    own = pl.read_json(out / "ml-100k" / "deepfm" / "table" / "scores.json")
    (row,) = own.filter(pl.col("method") == "Llama4Rec").iter_rows(named=True)
    assert values[place, "RMSE"] == row["RMSE"] and values[place, "p, RMSE"] == row["p_value"]
    users = pl.read_parquet(out / "ml-100k" / "deepfm" / "table" / USERS)
    ours, without = (users.filter(method=name)["RMSE"] for name in ("Llama4Rec", "w/o DA"))
    expected = stats.ttest_rel(ours, without).pvalue
    assert values[place, "p, RMSE, against w/o DA"] == pytest.approx(expected) and expected < 1
    alone = users.filter(method="attributes alone")["RMSE"].mean() ** 0.5
    assert values["deepfm / table / attributes alone", "RMSE"] == pytest.approx(alone)
    page = (out / "index.html").read_text()
    assert "right by construction" in page and "Not run: ml-100k/deepfm/none" in page
    other = tmp_path / "other.csv"
    other.write_text(file.read_text().replace("Ann", "Eva"))
    without = ["--out", str(out), "--only", "ml-100k/*/none", "--truth", str(other), "--seeds", "1"]
    assert main(["reproduce", "llama4rec/fig8", *without, *quick()]) == 0
    page = (out / "index.html").read_text()
    assert "by construction" not in page
    assert "How many attributes of ml-100k/deepfm/table are right was measured against" in page
    assert not any(key[0].startswith("director / the table /") for key in values_in(out))
