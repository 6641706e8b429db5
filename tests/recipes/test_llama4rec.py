"""Whole runs on a small world: the table, the second time, a kill, recommendations."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tandemrec as tr
from recipes.worlds import N_ITEMS, N_USERS, small
from tandemrec.backbones import MF, Fitted, LightGCN, SASRec
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import leave_last_out
from tandemrec.errors import DataError, RunError
from tandemrec.evaluation.metrics import per_user
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.recipes.arms import ARMS, COUNTING, Weighing, final
from tandemrec.recipes.execute import finished, llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.llama4rec import view_of
from tandemrec.recipes.settings import PLUS, PRESETS, Llama4RecConfig
from tandemrec.rerank import RerankConfig
from tandemrec.tuning.tune import TuneConfig
from tiny_llm import tiny_folder

FAST = {"epochs": 4, "every": 1, "batch_size": 64}
QUICK = PLUS.model_copy(update={"training": FAST, "ask": "all", "augment": "always"})
CONTROLS = ["refit", "echo", "random", "oracle"]
ROWS = {"paper": ["Base", *ARMS, *CONTROLS], "plus": ["Base", *ARMS, "counting", *CONTROLS]}


def run(out: Path, llm=None, config: Llama4RecConfig = QUICK, seeds=(0,), backbone=MF) -> Finished:  # type: ignore[no-untyped-def]
    return llama4rec(
        small(), backbone=backbone, llm=llm or FakeLLM(), config=config, out=out, seeds=seeds
    )


@pytest.mark.parametrize("preset", ["paper", "plus"])
@pytest.mark.parametrize("backbone", [MF, LightGCN, SASRec])
def test_a_run_gives_every_row(preset: str, backbone: type, tmp_path: Path) -> None:
    config = PRESETS[preset].model_copy(update={"training": FAST})
    done = run(tmp_path, config=config, seeds=(0, 1), backbone=backbone)
    rows = json.loads((tmp_path / "scores.json").read_text())
    assert [row["method"] for row in rows if row["seed"] == 1] == ROWS[preset]
    assert set(rows[0]) >= {"method", "HR@3", "NDCG@5", "HR@10", "p_value", "seed"}
    values = {row["method"]: row["p_value"] for row in rows}
    assert values.pop("Base") is values.pop("oracle") is None
    assert all(0 <= value <= 1 for value in values.values())
    assert done.scores.height == len(rows) == 2 * len(ROWS[preset])
    for name in ("index.html", "tables.md", "tables.tex", "tables.csv", "report.json"):
        assert (tmp_path / name).stat().st_size > 200


def test_rerankings_keep_the_candidates_and_the_oracle_is_the_most(tmp_path: Path) -> None:
    done = run(tmp_path)
    by_method = {row["method"]: row for row in done.scores.to_dicts()}
    hits = {name: by_method[name]["HR@10"] for name in ROWS["plus"]}
    assert hits["IFT"] == hits["w/o DA"] == hits["Base"]
    assert hits["Llama4Rec"] == hits["w/o PA"] == hits["echo"] == hits["random"] == hits["oracle"]
    most = by_method["oracle"]["NDCG@5"]
    assert all(by_method[n]["NDCG@5"] <= most for n in ("Llama4Rec", "echo", "random"))
    assert by_method["oracle"]["HR@3"] == hits["oracle"]


def test_a_second_run_asks_nothing_and_fits_nothing(tmp_path: Path) -> None:
    first, second = FakeLLM(), FakeLLM()
    one = run(tmp_path, first)
    scores = (tmp_path / "scores.json").read_bytes()
    two = run(tmp_path, second)
    assert first.asked > 0
    assert second.asked == 0
    assert one.setup.run.made and two.setup.run.made == []
    assert (tmp_path / "scores.json").read_bytes() == scores


def test_the_same_seed_gives_the_same_scores(tmp_path: Path) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b")
    run(tmp_path / "c", seeds=(1,))
    scores = [(tmp_path / name / "scores.json").read_bytes() for name in "abc"]
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("utility", ["rank", "score", "share"])
def test_asking_only_where_it_matters_gives_the_same_table(tmp_path: Path, utility: str) -> None:
    everybody, needed = FakeLLM(), FakeLLM()
    blend = QUICK.blend.model_copy(update={"utility": utility})
    config = QUICK.model_copy(update={"blend": blend})
    run(tmp_path / "all", everybody, config.model_copy(update={"ask": "all"}))
    run(tmp_path / "some", needed, config.model_copy(update={"ask": "decidable"}))
    a, b = (json.loads((tmp_path / n / "scores.json").read_text()) for n in ("all", "some"))
    assert needed.asked < everybody.asked
    assert a == b


def knowing(prompt: Prompt, option: str) -> float:
    """Likes films of the user's taste: even with even, odd with odd."""
    told = prompt.user.split("in order:\n")[1].split("\n")[0]
    if not told.startswith("Film"):
        return 0.0
    return 0.0 if int(told[5:]) % 2 == int(option[5:7]) % 2 else -9.0


def test_an_llm_that_knows_helps_and_gets_the_weight(tmp_path: Path) -> None:
    """The backbone is nearly untrained, so the grid must lean on the LLM."""
    lazy = QUICK.model_copy(update={"training": {"epochs": 1, "batch_size": 4096}})
    done = run(tmp_path, FollowingLLM(knowing), lazy, seeds=(0, 1, 2))
    means = done.scores.group_by("method").agg(pl.col("NDCG@5").mean())
    value = dict(zip(means["method"], means["NDCG@5"], strict=True))
    assert value["IFT"] > value["Base"]
    assert value["Llama4Rec"] > value["Base"]


def test_every_way_is_tried_and_the_best_on_validation_is_taken(tmp_path: Path) -> None:
    ways = tuple(RerankConfig(way=way) for way in ("listwise", "pointwise", "likelihood"))
    done = run(tmp_path, config=QUICK.model_copy(update={"rerank": ways}))
    for name, choice in done.seeds[0].choices.items():
        assert len(choice.tried) == 3
        assert choice.tried[choice.way] == max(choice.tried), name


def test_all_choices_are_made_before_test_is_looked_at(tmp_path: Path) -> None:
    """Other test items, same everything else: every choice must stay."""
    split = small()
    rng = np.random.default_rng(1)
    moved = split.test.rows(np.arange(len(split.test)))
    others = rng.permutation(N_ITEMS)[: len(moved)] if len(moved) <= N_ITEMS else moved.items[::-1]
    changed = replace(split, test=replace(moved, items=np.array(others)))
    runs = [
        llama4rec(each, backbone=MF, llm=FakeLLM(), config=QUICK, out=tmp_path / name)
        for name, each in (("a", split), ("b", changed))
    ]
    assert runs[0].seeds[0].choices == runs[1].seeds[0].choices
    lists = [per_user(r.seeds[0].lists["Llama4Rec"], split.test).means() for r in runs]
    assert lists[0] == lists[1]


def test_counting_is_the_whole_pipeline_without_the_language_model(tmp_path: Path) -> None:
    llm = FakeLLM()
    (seed,) = run(tmp_path, llm).seeds
    backbones = {view: seed.test[view].candidates for view in ("augmented-told", "counted-counted")}
    own, counted = backbones.values()
    assert own.fingerprint != counted.fingerprint != seed.test["base-told"].candidates.fingerprint
    other = run(tmp_path / "other", FakeLLM("other")).seeds[0]
    same = [s.lists["counting"].fingerprint for s in (seed, other)]
    assert same[0] == same[1]
    assert seed.lists["Llama4Rec"].fingerprint != other.lists["Llama4Rec"].fingerprint


def test_preferences_are_asked_again_before_test(tmp_path: Path) -> None:
    """From histories that go on to validation, about items that are still unmet; no earlier."""
    llm = FakeLLM()
    (seed,) = run(tmp_path, llm).seeds
    before, after = seed.augmentation, seed.at_test
    assert after.preferences.fingerprint != before.preferences.fingerprint
    assert seed.backbone is after.model and seed.backbone is not before.model
    assert len(after.model.curve) == before.model.best_epoch  # as long as validation said
    assert after.model.best_valid is None
    past = small().before_test
    said = after.preferences
    assert not past.met(said.users, said.preferred).any()
    assert not past.met(said.users, said.other).any()
    once = run(tmp_path / "once", config=QUICK.model_copy(update={"renew": False})).seeds[0]
    assert once.at_test is once.augmentation
    strict = QUICK.model_copy(update={"history_at_test": "train"})
    kept = run(tmp_path / "strict", config=strict).seeds[0]
    assert kept.at_test.preferences is kept.augmentation.preferences


def test_data_augmentation_stays_only_where_final_lists_are_better_with_it(tmp_path: Path) -> None:
    """Every arm for itself, by its final lists on validation."""
    config = QUICK.model_copy(update={"augment": "validated", "training": FAST | {"epochs": 20}})
    llm, taken = FakeLLM(), set()
    done = run(tmp_path, llm, config, seeds=(0, 1, 2, 3))
    weighing = Weighing.of(small().train, config.blend)
    for seed in done.seeds:
        for name in ("Llama4Rec", "w/o PA", "w/o AA", "counting"):
            choice, arm = seed.choices[name], (ARMS | COUNTING)[name]
            assert choice.compared is not None
            with_it, without = choice.compared
            assert choice.arm == replace(arm, augmented=with_it >= without)
            found = final(seed.valid[view_of(choice.arm)], choice, weighing)
            best = per_user(found, small().valid).means()["NDCG@5"]
            assert best == max(choice.compared)
            taken.add(choice.arm.augmented)
        assert seed.choices["w/o DA"].compared is None
        full = seed.choices["Llama4Rec"].arm.augmented
        if not full:
            assert seed.backbone is seed.base
            lists = seed.lists["Llama4Rec"], seed.lists["w/o DA"]
            assert lists[0].fingerprint == lists[1].fingerprint
    assert taken == {True, False}
    told = [row for row in done.contents.selection if row.what == "data augmentation in Llama4Rec"]
    assert len(told) == 8 and sum(row.chosen for row in told) == 4
    kept = [str(s.seed) for s in done.seeds if not s.choices["Llama4Rec"].arm.augmented]
    said = [note for note in done.contents.notes if "left data augmentation out" in note]
    assert said[0].endswith(f"seed {', '.join(kept)}.") if kept else not said


def test_refit_knows_of_validation_what_test_prompts_tell(tmp_path: Path) -> None:
    done = run(tmp_path)
    (seed,), past = done.seeds, small().before_test
    again = Fitted.load(tmp_path / "seed-0" / "refit")
    assert again.train.fingerprint == past.fingerprint
    assert len(again.curve) == seed.base.best_epoch and again.best_valid is None
    assert seed.refit is not None
    assert not seed.refit.met(past).any()
    (row,) = done.scores.filter(pl.col("method") == "refit").to_dicts()
    assert row["NDCG@5"] == per_user(seed.refit, small().test).means()["NDCG@5"]
    strict = QUICK.model_copy(update={"history_at_test": "train"})
    assert run(tmp_path / "strict", config=strict).seeds[0].refit is None


def test_progress_says_what_is_being_made(tmp_path: Path) -> None:
    heard: list[tuple[str, float, float]] = []

    def hear(stage: str, done: float, total: float, note: str = "") -> None:
        heard.append((stage, done, total))

    llama4rec(
        small(), backbone=MF, llm=FakeLLM(), config=QUICK, out=tmp_path, seeds=(3,), progress=hear
    )
    assert ("seed-3/base, MF", 4, 4) in heard
    assert ("seed-3/augmented-preferences, asking", N_USERS, N_USERS) in heard
    stages = list(dict.fromkeys(stage for stage, *_ in heard))
    assert any(stage.startswith("seed-3/test/") for stage in stages)


def test_recommendations_are_unmet_items_of_the_catalogue(tmp_path: Path) -> None:
    done = run(tmp_path)
    frame = done.recommend([3, 7], k=4)
    assert frame.columns == ["user_id", "item_id", "title", "score", "rank"]
    assert frame["rank"].to_list() == [1, 2, 3, 4] * 2
    met = {str(item) for item in small().data.interactions.of(3)}
    assert not met & set(frame.filter(frame["user_id"] == "3")["item_id"])
    assert frame.equals(done.recommend([3, 7], k=4))
    with pytest.raises(DataError, match="no user '999'"):
        done.recommend([999])


def test_somebody_new_gets_what_alike_users_like(tmp_path: Path) -> None:
    long = QUICK.model_copy(update={"training": {"epochs": 60, "every": 5, "batch_size": 64}})
    done = run(tmp_path, FollowingLLM(knowing), long)
    frame = done.recommend_new([0, 2, 4, 6], k=5)
    numbers = [int(item) for item in frame["item_id"]]
    assert not {0, 2, 4, 6} & set(numbers)
    assert sum(number % 2 == 0 for number in numbers) >= 4
    with pytest.raises(DataError, match="The history is empty"):
        done.recommend_new([])
    with pytest.raises(DataError, match="no item '77'"):
        done.recommend_new([77])


def test_an_unfinished_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="finish the run first"):
        finished(tmp_path)


def test_more_items_than_there_are_candidates(tmp_path: Path) -> None:
    frame = run(tmp_path).recommend([0], k=25)
    assert len(frame) <= 25
    assert frame["item_id"].n_unique() == len(frame)
    assert N_USERS == 40


def test_validation_chooses_how_many_preferences_are_learnt(tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"trusted": (0.0, 0.5, 1.0)})
    done = run(tmp_path, config=config)
    assert run(tmp_path, config=config).setup.run.made == []
    (seed,) = done.seeds
    assert seed.augmentation.trials[0.0] is seed.base
    values = {share: model.best_valid for share, model in seed.augmentation.trials.items()}
    best = max(values, key=lambda share: values[share])
    assert seed.backbone is seed.at_test.model
    assert seed.augmentation.share == best
    assert len({model.fingerprint for model in seed.augmentation.trials.values()}) == 3
    told = [one for one in done.contents.selection if one.what.startswith("share of")]
    assert [(one.option, one.value, one.chosen) for one in told] == [
        (f"{share:.0%}", value, share == best) for share, value in values.items()
    ]


def test_a_story_tells_items_apart_and_all_of_the_history(tmp_path: Path) -> None:
    """Every other film is called alike; everybody met fifteen before test."""
    rng, users = np.random.default_rng(0), np.repeat(np.arange(20), 16)
    items = np.concatenate([rng.permutation(N_ITEMS)[:16] for _ in range(20)])
    times = np.tile(np.arange(16), 20)
    rows = Interactions.sorted(users, items, times=times, n_users=20, n_items=N_ITEMS)
    titles = ["Heat" if n % 2 else f"Film {n:02d}" for n in range(N_ITEMS)]
    catalogue = Catalogue(list(range(20)), list(range(N_ITEMS)), titles)
    split = leave_last_out(Dataset("alike", rows, catalogue, "film"))
    done = tr.llama4rec(split, backbone=MF, llm=FakeLLM(), config=QUICK, out=tmp_path)
    assert done.contents.stories
    for story in done.contents.stories:
        assert len(story.history) == len(set(story.history)) == 15
        assert len(set(story.backbone)) == len(story.backbone) == 10
        assert set(story.final) == set(story.backbone)


def test_the_tail_is_measured_among_users_with_training_data() -> None:
    users = np.repeat([0, 1], [3, 9])
    train = Interactions.sorted(users, np.arange(12), n_users=3, n_items=12)
    assert Weighing.of(train, QUICK.blend).bounds == pytest.approx((np.log(4), np.log(10)))


def test_how_often_checkpoints_are_written_makes_nothing_again(tmp_path: Path) -> None:
    often = QUICK.model_copy(update={"training": {**QUICK.training, "checkpoint_every": 1}})
    run(tmp_path, config=QUICK)
    assert run(tmp_path, config=often).setup.run.made == []
    model, made = tr.llm(tiny_folder(tmp_path / "model", context=2048)), []
    for seconds in (120.0, 5.0):
        tune = TuneConfig(
            method="lora", rank=2, steps=3, learning_rate=0.01, checkpoint_seconds=seconds
        )
        config = QUICK.model_copy(update={"tune": tune, "trusted": (0.0,)})
        out = tmp_path / "tuned"
        done = tr.llama4rec(small(), backbone=MF, llm=model, config=config, out=out)
        made.append(done.setup.run.made)
    assert "tuned" in made[0] and made[1] == []
