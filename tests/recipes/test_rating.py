"""Whole rating runs: what each row is, what attributes give, what prompts may know."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tandemrec as tr
from tandemrec.augment.attributes import AttributesConfig
from tandemrec.backbones import DeepFM
from tandemrec.data.attributes import Kind
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out
from tandemrec.data.worlds import tastes
from tandemrec.errors import ConfigError, DataError
from tandemrec.evaluation.metrics import rating_errors
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.progress import silent
from tandemrec.rate import RateConfig
from tandemrec.recipes.execute import Finished, finished, llama4rec
from tandemrec.recipes.rating_tuning import rating_examples
from tandemrec.recipes.settings import PAPER, PLUS, Llama4RecConfig
from tandemrec.recipes.setup import Setup
from tandemrec.runs import Run

KIND = Kind(name="sort", about="the sort", examples={"a tree": "plant", "a whale": "animal"})
ASKED = AttributesConfig(kinds=(KIND,), agree=False)
FAST = {"epochs": 60, "every": 2, "patience": 10, "batch_size": 64, "learning_rate": 1e-2}
CONFIG = PLUS.model_copy(
    update={
        "training": FAST,
        "backbone": {"width": 8, "hidden": (16,), "dropout": 0.0, "decay": 1e-2},
        "attributes": ASKED,
        "augment": "always",
    }
)


def hidden() -> tuple[Split, list[str]]:
    """The world `tastes`, whose catalogue does not tell the items' kinds; and these."""
    data = tastes(n_users=150, n_items=200, rated=8)
    kinds = data.catalogue.items["kind"].to_list()
    catalogue = replace(data.catalogue, items=pl.DataFrame())
    return leave_last_out(replace(data, catalogue=catalogue)), kinds


def knowing(kinds: list[str]) -> FollowingLLM:
    """A language model that knows every item's kind, and rates at random."""

    def write(prompt: Prompt) -> str:
        return kinds[int(re.findall(r"item ([0-9]+)", prompt.user)[-1])]

    return FollowingLLM(FakeLLM("ratings").logprob, write, "knowing")


def run(split: Split, llm: FakeLLM, out: Path, config: Llama4RecConfig = CONFIG) -> Finished:
    return llama4rec(split, backbone=DeepFM, llm=llm, config=config, out=out)


def rmse(done: Finished, method: str) -> float:
    return next(row.metrics["RMSE"] for row in done.contents.rows if row.method == method)


def test_the_rows_and_what_they_are(tmp_path: Path) -> None:
    split, kinds = hidden()
    done = run(split, knowing(kinds), tmp_path)
    methods = [row.method for row in done.contents.rows]
    arms = ["IFT", "Llama4Rec", "w/o DA", "w/o PA", "w/o AA"]
    assert methods == ["Base", *arms, "mean", "biases"]
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
    json.loads((tmp_path / "report.json").read_text())


def done_scale(split: Split):  # type: ignore[no-untyped-def]
    from tandemrec.data.scales import Scale

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
    assert rating_errors(more, split.test).means()["RMSE"] < 0.7 * base
    assert rmse(done, "Llama4Rec") < 0.8 * rmse(done, "w/o DA")


def test_without_attributes_there_is_one_backbone(tmp_path: Path) -> None:
    split, _ = hidden()
    config = CONFIG.model_copy(update={"attributes": AttributesConfig(source="none")})
    done = run(split, FakeLLM(), tmp_path, config)
    assert done.seeds[0].base is done.seeds[0].augmented
    assert rmse(done, "Llama4Rec") == rmse(done, "w/o DA")
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


@pytest.mark.parametrize("augment", ["always", "validated"])
def test_choices_are_of_validation(augment: str, tmp_path: Path) -> None:
    """Other ratings on test change no choice."""
    split, kinds = hidden()
    other = replace(split.test, ratings=7 - split.test.ratings)
    config = CONFIG.model_copy(update={"augment": augment})
    runs = [
        run(each, knowing(kinds), tmp_path / str(n), config)
        for n, each in enumerate((split, replace(split, test=other)))
    ]
    one, two = (each.seeds[0].choices for each in runs)
    assert one == two
    assert rmse(runs[0], "Llama4Rec") != rmse(runs[1], "Llama4Rec")
    compared = [choice.compared for choice in one.values() if choice.arm.augmented]
    assert all(each is None for each in compared) or augment == "validated"
    if augment == "validated":
        full = one["Llama4Rec"]
        assert full.compared is not None and full.value == min(full.compared)


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


def canaries() -> Split:
    """Everybody's last two items are his alone, and only they are rated 4."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(24):
        items = [*rng.permutation(16)[:7], 16 + 2 * user, 17 + 2 * user]
        stars = [*rng.choice([1, 2, 3, 5], 7), 4, 4]
        rows += [
            (user, item, star, n) for n, (item, star) in enumerate(zip(items, stars, strict=True))
        ]
    users, items, stars, times = np.array(rows).T
    interactions = Interactions.sorted(
        users, items, stars.astype(np.float32), times, n_users=24, n_items=64
    )
    titles = [f"Film {n:02d}" for n in range(16)]
    titles += [f"{'Last Canary' if n % 2 else 'Canary'} {n:02d}" for n in range(16, 64)]
    return leave_last_out(
        Dataset("c", interactions, Catalogue(range(24), range(64), titles), "film")
    )


@pytest.mark.parametrize("preset", [PAPER, PLUS], ids=["paper", "plus"])
@pytest.mark.parametrize("chosen", ["newest", "alike"])
def test_no_prompt_knows_a_held_out_rating(
    preset: Llama4RecConfig, chosen: str, tmp_path: Path
) -> None:
    """Told are only items of training: a canary is what is asked about, and nothing else."""
    llm = FakeLLM()
    config = preset.model_copy(
        update={
            "training": {**FAST, "epochs": 2},
            "attributes": AttributesConfig(source="none"),
            "history_at_test": "train",
            "rate": RateConfig(answer="expected"),
            "rated": preset.rated.model_copy(update={"chosen": chosen}),
        }
    )
    llama4rec(canaries(), backbone=DeepFM, llm=llm, config=config, out=tmp_path)
    told = [line for prompt, _ in llm.log for line in prompt.user.splitlines()]
    assert any("similar user" in line for line in told)
    assert any("recommender predicts" in line for line in told)
    asked = [line for line in told if "Canary" in line]
    assert asked and all(line.startswith("Film to rate: ") for line in asked)
    assert not any(line.startswith("- ") and line.endswith(": 4") for line in told)


@pytest.mark.parametrize("out_of_fold", [True, False])
def test_no_instruction_knows_its_own_answer(out_of_fold: bool, tmp_path: Path) -> None:
    """The targets are of training, and no prompt tells a rating of the item that it asks about."""
    ratings = PLUS.ratings.model_copy(update={"out_of_fold": out_of_fold})
    config = CONFIG.model_copy(update={"ratings": ratings, "training": {**FAST, "epochs": 2}})
    setup = Setup(canaries(), DeepFM, FakeLLM(), config, Run(tmp_path), silent)
    found = rating_examples(setup, setup, 0)
    assert len(found) > 50
    for prompt, answer in found:
        lines = prompt.user.splitlines()
        asked = next(line for line in lines if " to rate: " in line).partition(": ")[2]
        own = lines[: next(n for n, line in enumerate(lines) if " to rate: " in line)]
        assert "Canary" not in prompt.user
        assert not any(line.startswith(f"- {asked}:") for line in own)
        assert answer in ("1", "2", "3", "5")


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


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    split, kinds = hidden()
    one = run(split, knowing(kinds), tmp_path)
    again = knowing(kinds)
    two = run(split, again, tmp_path)
    assert again.calls == 0
    assert one.contents.rows == two.contents.rows


def test_ratings_that_are_all_equal_are_refused(tmp_path: Path) -> None:
    split, _ = hidden()
    ones = Interactions.sorted(split.train.users, split.train.items, n_users=150, n_items=200)
    with pytest.raises(DataError, match=r"rating.*every|every.*rating"):
        run(replace(split, train=ones), FakeLLM(), tmp_path)


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
    from tandemrec.recipes.execute import execute
    from tandemrec.recipes.spec import RunSpec

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
