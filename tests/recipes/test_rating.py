"""Whole rating runs: what each row is, what attributes give, what validation chooses."""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

import tandemrec as tr
from recipes.hidden_kinds import CONFIG, FAST, KIND, hidden, knowing, rmse, run
from tandemrec.augment.attributes import AttributesConfig
from tandemrec.backbones import DeepFM
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.data.split import Split
from tandemrec.errors import ConfigError, DataError, DataWarning
from tandemrec.evaluation.metrics import rating_errors
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.rate import Calibration
from tandemrec.recipes.arms import ARMS
from tandemrec.recipes.execute import execute, finished, llama4rec
from tandemrec.recipes.rating_tuning import rating_examples
from tandemrec.recipes.spec import RunSpec

LITTLE = {"training": {**FAST, "epochs": 3}}


def test_attributes_that_the_backbone_does_not_read_are_named(tmp_path: Path) -> None:
    """Of one value an item nothing is learnt; of a kind that two items have each, all."""
    split, kinds = hidden()
    items = split.catalogue.titles
    table = pl.DataFrame({"title": items, "sort": [f"sort of {title}" for title in items]})
    little = CONFIG.model_copy(update=LITTLE)

    def notes(values: pl.DataFrame, name: str, **changes: object) -> list[str]:
        values.write_csv(tmp_path / f"{name}.csv")
        found = {"source": "table", "table": str(tmp_path / f"{name}.csv"), **changes}
        asked = little.attributes.model_copy(update=found)
        config = little.model_copy(update={"attributes": asked})
        done = run(split, FakeLLM("none"), tmp_path / name, config)
        return [note for note in done.contents.notes if "backbone reads" in note]

    [text] = notes(table, "own")
    assert re.search("^The backbone reads no sort: of its [0-9]+ values in training, not two", text)
    half = [f"one of {kind}" if n % 2 else f"own {n}" for n, kind in enumerate(kinds)]
    [text] = notes(table.with_columns(sort=pl.Series(half)), "half")
    assert text.startswith(f"Of {len(items)} items with a sort, the backbone reads that of ")
    assert int(text.split("that of ")[1].split(":")[0]) <= len(items) // 2 + 1
    assert notes(table.with_columns(sort=pl.Series(kinds)), "all") == []


def test_attributes_join_the_columns_that_are_named(tmp_path: Path) -> None:
    split, kinds = hidden()
    items = pl.DataFrame({"noise": [str(n % 7) for n in range(len(kinds))]})
    split = replace(
        split, data=replace(split.data, catalogue=replace(split.catalogue, items=items))
    )
    fields = CONFIG.fields.model_copy(update={"items": ("noise",)})
    config = CONFIG.model_copy(update={**LITTLE, "fields": fields})
    done = run(split, knowing(kinds), tmp_path, config)
    names = [field.name for field in done.seeds[0].augmented.model.fields.fields]
    assert names[-2:] == ["item noise", "item sort"]


def test_seeds_that_vary_nothing_are_no_test_over_runs(tmp_path: Path) -> None:
    split, _ = hidden()
    fitted = tr.fit(DeepFM, split, tr.TrainConfig(epochs=1, batch_size=64))
    config = CONFIG.model_copy(update={"training": {}, "backbone": {}})
    done = llama4rec(
        split, backbone=fitted, llm=FakeLLM("x"), config=config, out=tmp_path, seeds=(0, 1)
    )
    made = {(test.method, test.over) for test in done.contents.tests if test.metric == "RMSE"}
    assert ("IFT", "users") in made and ("IFT", "runs") not in made
    [note] = [
        note for note in done.contents.notes if note.startswith("All seeds give the same RMSE")
    ]
    assert "of Base, IFT" in note


def test_the_rows_and_what_they_are(tmp_path: Path) -> None:
    split, kinds = hidden()
    done = run(split, knowing(kinds), tmp_path)
    methods = [row.method for row in done.contents.rows]
    arms = ["IFT", "Llama4Rec", "w/o DA", "w/o PA", "w/o AA"]
    assert methods == ["Base", *arms, "attributes alone", "recent mean", "mean", "biases"]
    assert {row.method: row.kind for row in done.contents.rows}["attributes alone"] == "control"
    assert done.contents.task == "rating" and done.contents.metrics == ["RMSE", "MAE"]
    seed = done.seeds[0]
    for name, ratings in seed.ratings.items():
        found = rating_errors(ratings, split.test).means()
        assert found == pytest.approx(
            next(r.metrics for r in done.contents.rows if r.method == name)
        )
    said = seed.test["base-plain"].said.ratings
    line = seed.choices["IFT"].calibration
    expected = np.clip(line.intercept + line.slope * said.values, 2, 5)
    assert seed.ratings["IFT"].values == pytest.approx(expected)
    half = seed.choices["w/o AA"].calibration.apply(seed.view.said.ratings, done_scale(split))
    mixed = (half.values + seed.view.backbone.values) / 2
    assert seed.ratings["w/o AA"].values == pytest.approx(mixed)
    whole = {each.what: each.value for each in done.contents.selection if "line" in each.what}
    assert whole == {
        f"{name} as a whole, with the LLM's ratings on the line": choice.value
        for name, choice in seed.choices.items()
    }
    json.loads((tmp_path / "report.json").read_text())


def done_scale(split: Split) -> Scale:
    return Scale.of(split.train)


def test_attributes_of_the_model_make_the_backbone_better(tmp_path: Path) -> None:
    """The kind of an item decides everything, and only the language model knows it."""
    split, kinds = hidden()
    done = run(split, knowing(kinds), tmp_path)
    counts = done.seeds[0].attributes.counts["sort"]
    assert counts == {"model": len(kinds)}
    assert [(row.source, row.items, row.share) for row in done.contents.attributes] == [
        ("model", len(kinds), 1.0)
    ]
    base = rating_errors(tr.predict(done.seeds[0].base, split.test), split.test).means()["RMSE"]
    more = tr.predict(done.seeds[0].augmented, split.test)
    alone = rating_errors(more, split.test).means()["RMSE"]
    assert alone == rmse(done, "attributes alone") and alone < 0.7 * base
    assert rmse(done, "Llama4Rec") < 0.8 * rmse(done, "w/o DA")


def test_without_attributes_there_is_one_backbone(tmp_path: Path) -> None:
    split, _ = hidden()
    config = CONFIG.model_copy(update={"attributes": AttributesConfig(source="none")})
    done = run(split, FakeLLM(), tmp_path, config)
    assert done.seeds[0].base is done.seeds[0].augmented
    assert rmse(done, "Llama4Rec") == rmse(done, "w/o DA")
    assert "attributes alone" not in {row.method for row in done.contents.rows}
    assert any("No attribute was found" in note for note in done.contents.notes)


def test_a_table_in_the_models_place(tmp_path: Path) -> None:
    split, kinds = hidden()
    table = tmp_path / "table.csv"
    rows = [f"item {n},{kind}" for n, kind in enumerate(kinds) if n % 2]
    table.write_text("\n".join(["title,sort", *rows]) + "\n")
    attributes = AttributesConfig(kinds=(KIND,), source="table", table=str(table))
    llm = FakeLLM()
    done = run(split, llm, tmp_path / "run", CONFIG.model_copy(update={"attributes": attributes}))
    counts = done.seeds[0].attributes.counts["sort"]
    assert counts == {"table": len(rows), "unknown": len(kinds) - len(rows)}
    assert not any("sort" in prompt.user for prompt, _ in llm.log)


def test_attributes_that_the_catalogue_has_already_are_not_asked_for(tmp_path: Path) -> None:
    split, kinds = hidden()
    catalogue = replace(split.catalogue, items=pl.DataFrame({"sort": kinds}))
    split, llm = replace(split, data=replace(split.data, catalogue=catalogue)), knowing(kinds)
    done = run(split, llm, tmp_path, CONFIG)
    assert "Attributes left out: sort; the catalogue has a column" in " ".join(done.contents.notes)
    assert not any("sort" in prompt.user for prompt, _ in llm.log)
    assert done.contents.answers[0].asked == 0 and done.contents.attributes == []
    assert "item sort" in {field.name for field in done.seeds[0].base.model.fields.fields}
    assert rmse(done, "Llama4Rec") == rmse(done, "w/o DA")


@pytest.mark.parametrize("tell", ["always", "validated"])
@pytest.mark.parametrize("augment", ["always", "validated"])
def test_choices_are_of_validation(augment: str, tell: str, tmp_path: Path) -> None:
    """Other ratings on test change no choice."""
    split, kinds = hidden()
    other = replace(split.test, ratings=7 - split.test.ratings)
    config = CONFIG.model_copy(update={"augment": augment, "tell": tell})
    runs = [
        run(each, knowing(kinds), tmp_path / str(n), config)
        for n, each in enumerate((split, replace(split, test=other)))
    ]
    one, two = (each.seeds[0].choices for each in runs)
    assert one == two
    assert rmse(runs[0], "Llama4Rec") != rmse(runs[1], "Llama4Rec")
    for name, whole in ARMS.items():
        choice, free = one[name], {"augmented": augment, "told": tell}
        free = {part for part, when in free.items() if when == "validated" and getattr(whole, part)}
        arms = [
            replace(whole, augmented=a, told=t)
            for a in ((True, False) if "augmented" in free else (whole.augmented,))
            for t in ((True, False) if "told" in free else (whole.told,))
        ]
        assert [*choice.compared] == (arms if free else [])
        assert choice.arm in arms
        if free:
            assert choice.value == choice.compared[choice.arm] == min(choice.compared.values())
    full = one["Llama4Rec"]
    rows = [row for row in runs[0].contents.selection if "in Llama4Rec" in row.what]
    names = {
        ("validated", "validated"): ["data and prompt", "data", "prompt", "neither"],
        ("always", "always"): [],
    }
    assert [row.option for row in rows] == names.get((augment, tell), ["with", "without"])
    assert [row.value for row in rows] == [*full.compared.values()]
    assert [row.chosen for row in rows] == [arm == full.arm for arm in full.compared]


def test_prompt_augmentation_that_does_harm_is_left_out(tmp_path: Path) -> None:
    """A model that repeats the prediction it is told has nothing to add to it; by itself it knows
    how the user rates items of a kind."""
    split, kinds = hidden()

    def score(prompt: Prompt, option: str) -> float:
        told = re.search("A recommender predicts: ([0-9.]+)", prompt.user)
        own, _, rest = prompt.user.partition("Item to rate: item ")
        asked = kinds[int(rest.split("\n")[0])]
        stars = [
            int(s) for i, s in re.findall(r"- item ([0-9]+): ([25])", own) if kinds[int(i)] == asked
        ]
        likely = (np.mean(stars) - 2) / 3 if stars else 0.3
        if told:
            likely = (float(told[1]) - 2) / 3
        return float(np.log(np.clip(likely if option == "5" else 1 - likely, 0.1, 1)))

    none = {"attributes": AttributesConfig(source="none"), "training": {**FAST, "epochs": 2}}
    config = CONFIG.model_copy(update=none)
    done = run(split, FollowingLLM(score), tmp_path / "a", config)
    seed = done.seeds[0]
    assert not seed.choices["Llama4Rec"].arm.told
    assert rmse(done, "Llama4Rec") == rmse(done, "w/o PA") < rmse(done, "Base")
    assert [*seed.test] == ["base-plain"], "what no row needs is not asked"
    left = "Validation left prompt augmentation out of Llama4Rec, which is then w/o PA: seed 0."
    assert left in done.contents.notes
    paper = config.model_copy(update={"tell": "always"})
    told = run(split, FollowingLLM(score), tmp_path / "b", paper)
    assert told.seeds[0].choices["Llama4Rec"].arm.told
    assert rmse(told, "Llama4Rec") > rmse(done, "Llama4Rec")
    assert left not in told.contents.notes


def test_a_model_that_reads_ratings_is_weighed(tmp_path: Path) -> None:
    """What the LLM says is worth the more, the more it knows; calibration mends its scale."""
    split, kinds = hidden()

    def score(prompt: Prompt, option: str) -> float:
        """As the user rated items of the same kind."""
        own, _, rest = prompt.user.partition("Item to rate: item ")
        told = re.findall(r"- item ([0-9]+): ([25])", own)
        asked = kinds[int(rest.split("\n")[0])]
        stars = [int(star) for item, star in told if kinds[int(item)] == asked]
        share = (np.mean(stars) - 2) / 3 if stars else 0.3
        return float(np.log(np.clip(share if option == "5" else 1 - share, 0.1, 1)))

    none = {"attributes": AttributesConfig(source="none"), "training": {**FAST, "epochs": 2}}
    done = run(split, FollowingLLM(score), tmp_path, CONFIG.model_copy(update=none))
    assert rmse(done, "IFT") < rmse(done, "mean")
    assert rmse(done, "Llama4Rec") < rmse(done, "Base")
    lazy = run(split, FakeLLM(), tmp_path / "b", CONFIG.model_copy(update=none))
    assert lazy.seeds[0].choices["IFT"].calibration.slope < 0.5
    assert done.seeds[0].choices["IFT"].calibration.slope > 0.8


def test_rejected_ratings_teach_the_line_nothing_and_are_not_moved_by_it(tmp_path: Path) -> None:
    """Of odd items the model says nothing; of the others, the opposite of what is true."""
    split, kinds = hidden()

    def score(prompt: Prompt, option: str) -> float:
        item = int(prompt.user.partition("Item to rate: item ")[2].split("\n")[0])
        if item % 2:
            return float("nan")
        return 0.0 if (option == "5") == bool(kinds[item]) else -9.0

    none = {"attributes": AttributesConfig(source="none"), "training": {**FAST, "epochs": 2}}
    seed = run(split, FollowingLLM(score), tmp_path, CONFIG.model_copy(update=none)).seeds[0]
    line, valid, test = seed.choices["IFT"].calibration, seed.valid, seed.test["base-plain"]
    said = valid["base-plain"].said
    assert said.used.tolist() == (split.valid.items % 2 == 0).tolist()
    assert line == Calibration.fit(said.ratings.of(said.used), split.valid.rows(said.used))
    assert line != Calibration.fit(said.ratings, split.valid)
    odd = split.test.items % 2 == 1
    assert odd.any() and seed.ratings["IFT"].values[odd].tolist() == pytest.approx(
        np.clip(test.backbone.values[odd], 2, 5).tolist()
    )
    moved = line.intercept + line.slope * test.said.ratings.values
    assert seed.ratings["IFT"].values[~odd] == pytest.approx(np.clip(moved[~odd], 2, 5))


def test_recommendations_are_the_highest_ratings(tmp_path: Path) -> None:
    split, kinds = hidden()
    log = tmp_path / "log.csv"
    rows = split.data.interactions
    lines = zip(
        rows.users.tolist(),
        rows.items.tolist(),
        rows.ratings.tolist(),
        rows.times.tolist(),
        strict=True,
    )
    log.write_text(
        "user,item,rating,time\n" + "".join(f"{u},{i},{r:g},{t}\n" for u, i, r, t in lines)
    )
    done = run(split, knowing(kinds), tmp_path / "run")
    frame = done.recommend([3, 1], k=4)
    assert frame["user_id"].to_list() == ["3"] * 4 + ["1"] * 4
    for user in (3, 1):
        mine = frame.filter(pl.col("user_id") == str(user))
        scores = mine["score"].to_list()
        assert scores == sorted(scores, reverse=True) and min(scores) >= 2 and max(scores) <= 5
        met = {str(item) for item in rows.of(user)}
        assert not met & set(mine["item_id"])
    new = done.recommend_new([str(item) for item in rows.of(0)[:5]], k=3)
    assert len(new) == 3 and set(new["user_id"]) == {"new"}


def test_tests_over_users_count_users_where_each_holds_out_several_ratings(tmp_path: Path) -> None:
    split, kinds = hidden()
    split = tr.ratio_split(split.data, 0.5, 0.25, by_time=False)
    done = run(split, knowing(kinds), tmp_path, CONFIG.model_copy(update=LITTLE))
    frame, n = pl.read_parquet(tmp_path / "users.parquet"), len(np.unique(split.test.users))
    assert len(split.test) == 2 * n == len(frame.filter(pl.col("method") == "Base"))
    means = frame.group_by("method", "user_id").agg(pl.col("RMSE").mean()).sort("user_id")
    ours, base = (means.filter(pl.col("method") == name)["RMSE"] for name in ("IFT", "Base"))
    tests = {(each.method, each.metric): each for each in done.contents.tests}
    assert {each.n for each in tests.values()} == {n}
    found = tests["IFT", "RMSE"]
    assert found.p_value == pytest.approx(stats.ttest_rel(ours, base).pvalue)
    assert found.difference == pytest.approx(ours.mean() ** 0.5 - base.mean() ** 0.5)
    assert f"over {n} users" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    split, kinds = hidden()
    one = run(split, knowing(kinds), tmp_path)
    again = knowing(kinds)
    two = run(split, again, tmp_path)
    assert again.calls == 0
    assert one.contents.rows == two.contents.rows


def test_answers_are_counted_once(tmp_path: Path) -> None:
    """Two views look at the same plain ones."""
    split, kinds = hidden()
    done = run(split, knowing(kinds), tmp_path)
    views, asked = done.seeds[0].valid, done.contents.answers[1]
    different = {view.said.fingerprint for view in views.values()}
    assert len(views) > len(different)
    assert (asked.stage, asked.asked) == ("ratings, valid", len(different) * len(split.valid))


def test_a_backbone_that_was_given_is_asked_nothing_for(tmp_path: Path) -> None:
    split, kinds = hidden()
    llm, config = knowing(kinds), tr.TrainConfig(**FAST)
    given = tr.fit("deepfm", split, config, hyper=CONFIG.backbone)
    plain = CONFIG.model_copy(update={"backbone": {}})
    done = llama4rec(split, backbone=given, llm=llm, config=plain, out=tmp_path)
    notes = " ".join(done.contents.notes)
    assert "given, not fitted" in notes and "Validation left" not in notes
    assert done.contents.answers[0].asked == 0 and "attributes" not in done.setup.run.places


def test_a_table_that_is_not_there_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    split, kinds = hidden()
    llm, table = knowing(kinds), AttributesConfig(kinds=(KIND,), source="table", table="none.csv")
    with pytest.raises(DataError, match=r"none\.csv"):
        run(split, llm, tmp_path / "out", CONFIG.model_copy(update={"attributes": table}))
    assert llm.calls == 0 and not (tmp_path / "out").exists()


def test_ratings_that_are_all_equal_are_refused(tmp_path: Path) -> None:
    split, _ = hidden()
    ones = Interactions.sorted(split.train.users, split.train.items, n_users=150, n_items=200)
    with pytest.raises(DataError, match=r"rating.*every|every.*rating"):
        run(replace(split, train=ones), FakeLLM(), tmp_path)


def mistyped(split: Split, rating: float) -> Split:
    """User 3's first rating in training is another."""
    ratings = split.train.ratings.copy()
    ratings[split.train.bounds[3]] = rating
    return replace(split, train=replace(split.train, ratings=ratings))


@pytest.mark.parametrize("rating", [55, 55_000])
def test_a_rating_beyond_the_scale_is_told_before_anything_is_computed(
    rating: float, tmp_path: Path
) -> None:
    split, kinds = hidden()
    llm, split = knowing(kinds), mistyped(split, rating)
    config = CONFIG.model_copy(update={"scale": (1, 5)})
    with pytest.raises(
        DataError, match=f"first {rating:g} of user 3 for item {split.train.of(3)[0]}"
    ):
        run(split, llm, tmp_path / "out", config)
    assert llm.calls == 0 and not (tmp_path / "out").exists()


def test_an_odd_rating_is_told_once_a_run(tmp_path: Path) -> None:
    split, kinds = hidden()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run(mistyped(split, 55), knowing(kinds), tmp_path, CONFIG.model_copy(update=LITTLE))
    [odd] = [str(each.message) for each in found if each.category is DataWarning]
    assert "first 55 of user 3" in odd


def test_a_scale_that_is_named_is_told_everywhere(tmp_path: Path) -> None:
    """Ratings are 2 and 5."""
    split, kinds = hidden()
    llm, config = knowing(kinds), CONFIG.model_copy(update={**LITTLE, "scale": (1, 6)})
    done = run(split, llm, tmp_path, config)
    done.recommend([3])
    made = rating_examples(done.setup, done.setup, 0)
    asked = [prompt.user for prompt, _ in (*llm.log, *made) if "Item to rate: " in prompt.user]
    assert len(asked) > len(split.valid) + len(split.test) + len(made) > 0
    assert all("from 1 to 6:" in text for text in asked)
    assert {options for _, options in llm.log if options} == {tuple("123456")}
    assert done.contents.what["scale"] == "1 to 6"


def test_a_wrong_field_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    split, kinds = hidden()
    llm = knowing(kinds)
    config = CONFIG.model_copy(
        update={"fields": CONFIG.fields.model_copy(update={"users": ("mod",)})}
    )
    with pytest.raises(ConfigError, match="mod"):
        run(split, llm, tmp_path, config)
    assert llm.calls == 0


def test_a_finished_run_is_loaded_from_its_folder(tmp_path: Path) -> None:
    """From files of one's own, with users and context, through the command line's door."""
    rng = np.random.default_rng(0)
    lines = ["user,item,rating,time,device"]
    for user in range(12):
        for n, item in enumerate(rng.permutation(10)[:6]):
            lines.append(f"u{user},i{item},{rng.integers(1, 6)},{n},{rng.choice(['tv', 'phone'])}")
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    users = ["user,town", *(f"u{n},{'north' if n % 2 else 'south'}" for n in range(12))]
    (tmp_path / "users.csv").write_text("\n".join(users) + "\n")
    spec = RunSpec(
        data=str(tmp_path / "log.csv"),
        users=str(tmp_path / "users.csv"),
        context=("device",),
        backbone="deepfm",
        llm="fake",
        out=tmp_path / "run",
        settings={"training": {"epochs": 2}, "tune": None},
    )
    done = execute(spec)
    names = [field.name for field in done.seeds[0].base.model.fields.fields]
    assert names == ["user", "user town", "item", "context device"]
    loaded = finished(tmp_path / "run")
    one, two = done.recommend(["u1"], 3), loaded.recommend(["u1"], 3)
    assert one.equals(two)


def test_a_column_that_is_no_field_is_named_with_its_reason(tmp_path: Path) -> None:
    split, kinds = hidden()
    known = split.data.catalogue
    users = pl.DataFrame({"town": ["Rome"] * len(known.user_ids)})
    data = replace(split.data, catalogue=replace(known, users=users))
    done = run(replace(split, data=data), knowing(kinds), tmp_path)
    note = "The column user town is no field: its one value in training is 'Rome'."
    assert note in done.contents.notes
