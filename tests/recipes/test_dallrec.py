"""Whole DALLRec runs: what each row is, what it was taught, and what the page says of it."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recipes.parity import (
    CONFIG,
    EVERY,
    KNOWING,
    LITTLE,
    N_ITEMS,
    N_USERS,
    answer,
    recall,
    run,
    world,
    written,
)
from tandemrec.augment.attributes import Attributes, AttributesConfig, Kind
from tandemrec.augment.content import ContentConfig
from tandemrec.augment.interactions import InteractionsConfig
from tandemrec.backbones import MF, LightGCN, SASRec, ScoreMatrix
from tandemrec.backbones.mmgcn import MMGCN
from tandemrec.data.content import Content
from tandemrec.data.split import Split
from tandemrec.errors import BackboneError, ConfigError, DataError, DataWarning
from tandemrec.evaluation.full import evaluate
from tandemrec.llm.embedding import WordEmbedder
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.recipes.dallrec_settings import PAPER
from tandemrec.recipes.dallrec_tuning import instruction_set
from tandemrec.recipes.execute import dallrec, llama4rec
from tandemrec.recipes.spec import RunSpec
from tandemrec.tuning.tune import TuneConfig


def test_the_rows_of_a_backbone_that_reads_no_content(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert [(row.method, row.kind) for row in done.contents.rows] == [
        ("Base", "main"),
        ("DALLRec", "main"),
        ("random users", "control"),
    ]
    ks = (10, 20, 50)
    names = [f"{name}@{k}" for k in ks for name in ("Recall", "NDCG", "Precision")]
    assert done.contents.metrics == names and done.contents.primary == "Recall@20"
    note = " ".join(done.contents.notes)
    assert "attributes and summaries do not reach it" in note
    epochs = [done.seeds[0].trial(row.method).best_epoch for row in done.contents.rows]
    told = "Base {}; DALLRec {}; random users {}".format(*epochs)
    assert f"Best on validation after epochs: {told}." in done.contents.notes
    split = done.setup.split
    for row in done.contents.rows:
        model = done.seeds[0].model(row.method)
        again = evaluate(
            model, split.before_test, split.test, ks, metrics=("Recall", "NDCG", "Precision")
        )
        assert row.metrics == pytest.approx(again.means())


def test_each_item_gains_a_liking_user_and_no_row_counts_him_as_having_met_it(
    tmp_path: Path,
) -> None:
    done = run(tmp_path)
    drawn, train = done.setup.run.places["interactions"], done.setup.split.train
    assert drawn.is_dir()
    seed = done.seeds[0]
    base, taught = seed.model("Base").train, seed.model("DALLRec").train
    assert len(base) == len(train) and len(taught) == len(train) + N_ITEMS
    added = set(zip(taught.users, taught.items, strict=True)) - set(
        zip(train.users, train.items, strict=True)
    )
    assert all(user % 2 == item % 2 for user, item in added)
    anybody = seed.model("random users").train
    assert len(anybody) == len(taught)
    mine = set(zip(anybody.users, anybody.items, strict=True)) - set(
        zip(train.users, train.items, strict=True)
    )
    assert {item for _, item in mine} == {item for _, item in added}
    assert any(user % 2 != item % 2 for user, item in mine)


def test_what_the_language_model_knows_helps_and_random_users_do_not(tmp_path: Path) -> None:
    gains = []
    for seed in range(3):
        done = dallrec(
            world(seed, 40, 98),  # two interactions an item
            backbone=LightGCN,
            llm=KNOWING,
            config=CONFIG.model_copy(update={"interactions": InteractionsConfig(draws=20)}),
            out=tmp_path / str(seed),
        )
        gains.append([recall(done, name) for name in EVERY])
    base, ours, anybody = np.mean(gains, axis=0)
    assert ours > base + 0.02 and ours > anybody + 0.02


def test_a_backbone_of_content_reads_what_each_strategy_made(tmp_path: Path) -> None:
    done = run(tmp_path, MMGCN)
    assert [row.method for row in done.contents.rows] == [
        *("Base", "DALLRec"),
        *("w/o interactions", "w/o attributes", "w/o summaries"),
        "random users",
    ]
    read = {
        name: list(done.seeds[0].model(name).model.content.arrays)
        for name in ("Base", "DALLRec", "w/o interactions", "w/o attributes", "w/o summaries")
    }
    assert read == {
        "Base": ["title"],
        "DALLRec": ["title", "attributes", "summary"],
        "w/o interactions": ["title", "attributes", "summary"],
        "w/o attributes": ["title", "summary"],
        "w/o summaries": ["title", "attributes"],
    }
    edges = {name: len(done.seeds[0].model(name).train) for name in read}
    n = len(done.setup.split.train)
    assert edges["Base"] == edges["w/o interactions"] == n < edges["DALLRec"]
    stages = [row.stage for row in done.contents.answers]
    assert [stage.partition(" ")[0] for stage in stages] == [
        *("interactions,", "interactions"),
        *("attributes", "summaries"),
    ]


def test_what_the_language_model_says_of_items_helps_where_little_is_known(tmp_path: Path) -> None:
    gains = []
    for seed in range(2):
        given = {"llm": KNOWING, "embedder": WordEmbedder(), "out": tmp_path / str(seed)}
        done = dallrec(world(seed, 40, 98), backbone=MMGCN, config=CONFIG, **given)
        gains.append([recall(done, name) for name in ("Base", "w/o interactions")])
    base, told = np.mean(gains, axis=0)
    assert told > base + 0.02


def test_the_same_again_asks_and_trains_nothing(tmp_path: Path) -> None:
    first = run(tmp_path / "one", MMGCN)
    asked = KNOWING.asked
    second = run(tmp_path / "one", MMGCN)
    assert second.setup.run.made == [] and KNOWING.asked == asked
    assert second.contents == first.contents
    other = run(tmp_path / "two", MMGCN)
    assert [row.metrics for row in other.contents.rows] == [
        row.metrics for row in first.contents.rows
    ]


def test_a_language_model_by_its_name(tmp_path: Path) -> None:
    done = dallrec(world(), backbone="mf", llm="fake", config=CONFIG, out=tmp_path)
    assert done.contents.llm == "fake"


def test_backbones_share_what_was_asked(tmp_path: Path) -> None:
    llm, asked = FollowingLLM(answer, written, "knowing"), []
    for backbone in (MF, LightGCN):
        places = {"out": tmp_path / backbone.__name__, "shared": tmp_path / "shared"}
        dallrec(world(), backbone=backbone, llm=llm, config=CONFIG, **places)
        asked.append(llm.asked)
    assert asked[0] == asked[1] > 0


def test_validation_chooses_how_many_are_learnt(tmp_path: Path) -> None:
    done = run(tmp_path, trusted=(0.5, 1.0))
    seed = done.seeds[0]
    assert list(seed.trials["DALLRec"]) == [0.5, 1.0]
    best = max(model.best_valid for model in seed.trials["DALLRec"].values())
    assert seed.model("DALLRec").best_valid == best
    sizes = [len(model.train) for model in seed.trials["DALLRec"].values()]
    assert sizes[0] < sizes[1]
    rows = [row for row in done.contents.selection if row.what.endswith("in DALLRec")]
    assert [row.option for row in rows] == ["50%", "100%"] and sum(row.chosen for row in rows) == 1


def test_for_test_validation_is_learnt_too(tmp_path: Path) -> None:
    done = run(tmp_path, refit=True, trusted=(0.5, 1.0), cold=8)
    seed, split = done.seeds[0], done.setup.split
    trials = [seed.trial(row) for row in EVERY]
    again = [seed.model(row) for row in EVERY]
    assert [len(model.curve) > 0 and model.best_valid > 0 for model in trials] == [True] * 3
    assert [len(m.curve) for m in again] == [model.best_epoch for model in trials]
    assert len(again[0].train) == len(split.before_test) > len(trials[0].train)
    assert len(again[1].train) > len(again[0].train)  # what the language model added
    assert seed.backbone is again[1]
    (base, *_) = (row.metrics["NDCG@10"] for row in done.contents.rows)
    past, truth = split.before_test, split.test
    found = evaluate(again[0], past, truth, ks=(10,), metrics=("NDCG",))
    assert base == pytest.approx(found.mean("NDCG@10"))
    cold = next(note for note in done.contents.notes if note.startswith("Cold items"))
    rows = split.before_test.popularity[truth.items] <= 8
    assert f": {rows.sum()} held-out" in cold


def test_triples_between_users_are_learnt(tmp_path: Path) -> None:
    config = InteractionsConfig(learn="triples", draws=20)
    done = run(tmp_path, interactions=config)
    seed, split = done.seeds[0], done.setup.split
    assert len(seed.model("DALLRec").train) == len(split.train)
    base, taught = (seed.model(name).model for name in ("Base", "DALLRec"))
    assert not np.allclose(base.items.weight.detach(), taught.items.weight.detach())


def test_the_paper_takes_the_likelier_answer(tmp_path: Path) -> None:
    config = PAPER.model_copy(update={**LITTLE, "tune": None})
    done = dallrec(world(), backbone=MF, llm=FakeLLM(), config=config, out=tmp_path)
    assert done.contents.preset.startswith("paper, but for")
    assert "threshold" not in done.setup.run.places
    assert not any("has the higher probability" in note for note in done.contents.notes)


def test_an_item_that_nobody_likes_is_counted(tmp_path: Path) -> None:
    never = FollowingLLM(lambda prompt, option: 0.0 if option == "No" else -9.0, written, "never")
    config = {"interactions": InteractionsConfig(draws=3, threshold=0.5), "threshold": None}
    done = run(tmp_path, llm=never, **config)
    note = next(note for note in done.contents.notes if "items" in note)
    assert f"{N_ITEMS} only the second" in note and "at most 3 users" in note
    base, taught = (done.seeds[0].model(name) for name in ("Base", "DALLRec"))
    assert base.fingerprint == taught.fingerprint


def test_cold_items_have_a_table_of_their_own(tmp_path: Path) -> None:
    done = run(tmp_path, cold=5)
    groups = list(dict.fromkeys(row.group for row in done.contents.item_groups))
    assert groups[0].startswith("0")
    assert {row.method for row in done.contents.item_groups} == set(EVERY)
    page = (tmp_path / "index.html").read_text()
    assert "how often held-out items were met" in page and "random users" in page


def test_recommendations_come_from_what_was_taught(tmp_path: Path) -> None:
    done = run(tmp_path)
    found = done.recommend([3], k=4)
    assert found["user_id"].to_list() == ["3"] * 4 and found["rank"].to_list() == [1, 2, 3, 4]
    met = done.setup.split.data.interactions.of(3)
    assert not set(found["item_id"].cast(pl.Int64)) & set(met.tolist())
    for given in ("12", 12):
        with pytest.raises(ConfigError, match="users takes a list of ids, such as users=\\["):
            done.recommend(given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="items takes a list of ids"):
        done.recommend_new("12")
    for k in (0, -1, 2.5, "5"):
        with pytest.raises(
            ConfigError, match=f"k must be a whole number of at least 1. Received: {k!r}"
        ):
            done.recommend([3], k=k)  # type: ignore[arg-type]
    fresh = done.recommend_new([1, 3, 5], k=3)
    assert len(fresh) == 3 and not {"1", "3", "5"} & set(fresh["item_id"])


@pytest.mark.parametrize(
    ("backbone", "change", "message"),
    [
        (SASRec, {}, "DALLRec teaches direct backbones"),
        (MF, {"strategies": ("attributes",)}, "it reads no items' content. Take mmgcn"),
        (
            MMGCN,
            {"strategies": ("attributes",), "content": ContentConfig(modalities=("title",))},
            "Nothing of attributes reaches MMGCN: content.modalities leaves it out",
        ),
    ],
)
def test_what_cannot_be_taught_is_said_at_once(
    tmp_path: Path, backbone: Any, change: dict[str, Any], message: str
) -> None:
    with pytest.raises((BackboneError, ConfigError), match=message):
        run(tmp_path / "out", backbone, **change)
    assert not (tmp_path / "out").exists()


def test_what_scores_already_cannot_be_taught() -> None:
    scores = ScoreMatrix(np.zeros((N_USERS, N_ITEMS)))
    with pytest.raises(BackboneError, match="none that is fitted here"):
        dallrec(world(), backbone=scores, llm=KNOWING, config=PAPER)


def test_content_without_anything_that_reads_texts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="makes no vectors"):
        dallrec(world(), backbone=MMGCN, llm=KNOWING, config=CONFIG, out=tmp_path)


def grounded(table: str) -> AttributesConfig:
    director = Kind(name="director", about="the director", person=True)
    return AttributesConfig(source="table", table=table, kinds=(director,), manner="instruction")


@pytest.mark.parametrize(
    ("more", "change", "message"),
    [
        ({"embedder": None}, {}, "makes no vectors"),
        ({"content": {"title": 60}}, {}, "an array and a text called 'title'"),
        ({"content": {"summary": 60}}, {}, "an array and a text called 'summary'"),
        ({"content": {"image": 61}}, {}, "array 'image' has 61 rows, the catalogue 60 items"),
        ({}, {"content": ContentConfig(columns=("colour",))}, "no column 'colour'"),
        ({}, {"attributes": grounded("not/there.csv")}, "there.csv"),
    ],
)
def test_what_content_cannot_be_made_of_is_said_before_anything_is_asked(
    more: dict[str, Any], change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    given = {"embedder": WordEmbedder(), **more}
    if "content" in given:
        arrays = {name: np.ones((rows, 2)) for name, rows in given["content"].items()}
        given["content"] = Content.of(arrays)
    llm, config = FollowingLLM(answer, written, "counting"), CONFIG.model_copy(update=change)
    with pytest.raises((ConfigError, DataError), match=message):
        dallrec(world(), backbone=MMGCN, llm=llm, config=config, out=tmp_path / "out", **given)
    assert llm.asked == 0 and not (tmp_path / "out").exists()


def test_ones_own_array_is_read_by_every_row_whatever_it_is_called(tmp_path: Path) -> None:
    own = Content.of({"summary": np.random.default_rng(0).random((N_ITEMS, 3))})
    config = CONFIG.model_copy(
        update={"strategies": ("interactions",), "content": ContentConfig(modalities=("title",))}
    )
    given = {"embedder": WordEmbedder(), "content": own, "config": config, "out": tmp_path}
    done = dallrec(world(), backbone=MMGCN, llm=KNOWING, **given)
    for row in EVERY:
        read = done.seeds[0].model(row).model.content.arrays
        assert list(read) == ["title", "summary"]


def test_what_is_no_part_of_content_is_not_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, MMGCN, content=ContentConfig(modalities=("title", "summary")))
    stages = [row.stage.partition(" ")[0] for row in done.contents.answers]
    assert stages == ["interactions,", "interactions", "summaries"]
    assert "w/o attributes" not in {row.method for row in done.contents.rows}
    note = "Attributes are not asked for: content.modalities leaves them out."
    assert note in done.contents.notes


def test_arrays_that_nothing_reads_are_told(tmp_path: Path) -> None:
    given = {"content": Content.of({"image": np.eye(N_ITEMS)}), "out": tmp_path}
    done = dallrec(world(), backbone=MF, llm=KNOWING, config=CONFIG, **given)
    note = "so attributes, summaries and your own arrays do not reach it."
    assert any(note in told for told in done.contents.notes)


def test_a_changed_table_of_attributes_is_read_again(tmp_path: Path) -> None:
    table = tmp_path / "facts.csv"
    config = {"attributes": grounded(str(table)), "strategies": ("attributes",)}
    said = []
    for name in ("Ada", "Ada", "Bob"):
        table.write_text(
            "title,director\n" + "".join(f"Film {n:02d},{name} {n}\n" for n in range(9))
        )
        done = run(tmp_path / "out", MMGCN, **config)
        place = done.setup.run.places["attributes"]
        said.append((Attributes.load(place).values["director"][3].value, *done.setup.run.made))
    assert [each[0] for each in said] == [("Ada 3",), ("Ada 3",), ("Bob 3",)]
    assert "attributes" in said[2] and len(said[1]) == 1


def test_a_catalogue_and_a_table_may_have_some_of_the_kinds(tmp_path: Path) -> None:
    """The catalogue's directors are no fields here, so others are looked up beside them."""
    split, table = world(), tmp_path / "facts.csv"
    items = pl.DataFrame({"director": ["Ada"] * N_ITEMS})
    known = replace(split.data, catalogue=replace(split.catalogue, items=items))
    table.write_text("title,director\nFilm 01,Bob\nFilm 02,Eve\n")
    wanted = {"source": "table", "table": str(table), "paper": "dallrec", "manner": "instruction"}
    change = {"attributes": AttributesConfig(**wanted), "strategies": ("attributes",)}
    given = {"config": CONFIG.model_copy(update=change), "embedder": WordEmbedder()}
    done = dallrec(
        replace(split, data=known), backbone=MMGCN, llm=KNOWING, out=tmp_path / "out", **given
    )
    lacking = "genre_words, actor, country, language; the table has no such column."
    assert f"Attributes left out: {lacking}" in done.contents.notes
    assert [row.kind for row in done.contents.attributes] == ["director"] * 2
    both = change["attributes"].model_copy(update={"source": "both"})
    setup = replace(done.setup, config=done.setup.config.model_copy(update={"attributes": both}))
    assert instruction_set("attributes", setup, 0).examples == []  # of all five nobody knows any


def test_without_attributes_there_are_none_to_tune_on(tmp_path: Path) -> None:
    """Of songs nothing is known to be asked, and with source none nothing is to be."""
    split = world()
    songs = Split(replace(split.data, noun="song"), split.train, split.valid, split.test)
    for number, source in enumerate(("model", "none")):
        config = CONFIG.model_copy(
            update={
                "attributes": AttributesConfig(source=source, paper="dallrec"),
                "strategies": ("attributes", "summaries"),
                "tune": TuneConfig(),
            }
        )
        out = {"out": tmp_path / str(number), "embedder": WordEmbedder()}
        with pytest.warns(DataWarning) if source == "model" else nullcontext():
            done = dallrec(songs, backbone=MMGCN, llm=KNOWING, config=config, **out)
        assert "No attributes were made." in done.contents.notes
        assert not any("for attributes" in note for note in done.contents.notes)


def test_the_page_says_what_dallrec_learnt_and_by_which_threshold(tmp_path: Path) -> None:
    half = run(tmp_path / "half", trusted=(0.5,), refit=True)
    seed, past = half.seeds[0], half.setup.split.before_test
    added = len(seed.model("DALLRec").train) - len(past)
    told = f"learnt {added:,} added interactions besides {len(past):,}."
    assert any(told in note for note in half.contents.notes)
    own = InteractionsConfig(learn="triples", draws=20, threshold=0.85)
    pairs = run(tmp_path / "pairs", interactions=own)
    notes = " ".join(pairs.contents.notes)
    assert "learnt 0 added interactions" in notes and "pairs of users" in notes
    assert "a yes is from probability 0.85 on" in notes


def test_the_metric_that_rows_are_compared_by_must_be_measured() -> None:
    with pytest.raises(ConfigError, match="20 must be among them"):
        _ = RunSpec(recipe="dallrec", settings={"cut_offs": [10]}).config


def test_llama4rec_does_not_take_a_backbone_of_content() -> None:
    with pytest.raises(BackboneError, match="recipe dallrec"):
        llama4rec(world(), backbone=MMGCN, llm=FakeLLM())
