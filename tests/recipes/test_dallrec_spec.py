"""DALLRec by a spec or a run file, and beside Llama4Rec's settings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tandemrec as tr
from recipes.parity import KNOWING, LITTLE, N_ITEMS, N_USERS, world
from tandemrec.augment.interactions import InteractionsConfig
from tandemrec.backbones import MF
from tandemrec.errors import ConfigError, DataError, RunError
from tandemrec.progress import silent
from tandemrec.recipes import inputs
from tandemrec.recipes.dallrec_settings import DALLRecConfig
from tandemrec.recipes.execute import execute, finished, llama4rec
from tandemrec.recipes.settings import PLUS as LLAMA4REC
from tandemrec.recipes.spec import RunSpec, parse_settings, spec_of
from tandemrec.report.contents import Contents
from tiny_llm import tiny_folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The world as a file, with a column that says which part a row is of."""
    split = world()
    parts = {"train": split.train, "test": split.test, "valid": split.valid}
    lines = [
        f"u{user},f{item},{rating:g},{name}"
        for name, part in parts.items()
        for user, item, rating in zip(part.users, part.items, part.ratings, strict=True)
    ]
    file = tmp_path / "log.csv"
    file.write_text("user_id,item_id,rating,part\n" + "\n".join(lines) + "\n")
    titles = "\n".join(f"f{n},Film {n:02d}" for n in range(N_ITEMS))
    (tmp_path / "films.csv").write_text(f"item_id,title\n{titles}\n")
    return file


def spec(log: Path, **change: Any) -> RunSpec:
    given = {
        "recipe": "dallrec",
        "data": str(log),
        "items": str(log.parent / "films.csv"),
        "backbone": "mf",
        "llm": "fake",
        "noun": "movie",
        "out": log.parent / "out",
        "settings": LITTLE,
    }
    return RunSpec.model_validate({**given, **change})


def test_a_spec_runs_and_is_loaded_again(log: Path) -> None:
    done = execute(spec(log))
    record = json.loads((log.parent / "out" / "run.json").read_text())
    assert record["spec"]["recipe"] == "dallrec"
    again = finished(log.parent / "out")
    assert again.contents == Contents.load(log.parent / "out") == done.contents
    assert isinstance(again.setup.config, DALLRecConfig)
    assert again.recommend(["u3"], k=3).equals(done.recommend(["u3"], k=3))
    (log.parent / "out" / "interactions" / "stage.json").unlink()
    with pytest.raises(RunError, match="interactions"):
        finished(log.parent / "out")


def test_the_split_of_a_spec(log: Path) -> None:
    def parts(**change: Any) -> tuple[int, int, int]:
        split = execute(spec(log, out=log.parent / str(change), **change)).setup.split
        return len(split.train), len(split.valid), len(split.test)

    own = world()
    given = {"context": ("part",)}
    assert parts(**given) == (len(own.train), len(own.valid), len(own.test))
    assert parts(**given, split="last") == (N_USERS * 7, N_USERS, N_USERS)
    assert sum(parts(split="ratio")) == sum(parts()) == N_USERS * 9


def test_own_arrays_are_content(log: Path) -> None:
    ids = [f"f{n}" for n in range(N_ITEMS)]
    images = np.random.default_rng(0).random((N_ITEMS, 5))
    np.savez(log.parent / "images.npz", item_id=np.array(ids), image=images)
    files = {"content": (str(log.parent / "images.npz"),), "embedder": "words"}
    done = execute(spec(log, backbone="mmgcn", **files))
    kept = done.seeds[0].model("Base").model.content.arrays
    assert list(kept) == ["title", "image"]
    numbers = [int(str(name)[1:]) for name in done.setup.split.catalogue.item_ids]
    assert np.allclose(kept["image"], images[numbers].astype(np.float32))


def test_arrays_that_lack_an_item_get_the_mean_where_it_is_wished(log: Path) -> None:
    ids = [f"f{n}" for n in range(N_ITEMS - 1)]
    np.savez(log.parent / "images.npz", item_id=np.array(ids), image=np.eye(N_ITEMS)[:-1])
    given = {"content": (str(log.parent / "images.npz"),), "embedder": "words", "backbone": "grcn"}
    with pytest.raises(DataError, match=r'such as f59; .* with content.missing = "mean"'):
        inputs.inputs(spec(log, **given), silent)
    settings = parse_settings(["content.missing=mean"])
    content = inputs.inputs(spec(log, **given, settings=settings), silent).content
    assert content is not None
    item = inputs.split_of(spec(log), silent).catalogue.item("f59")
    assert np.allclose(content.arrays["image"][item], np.eye(N_ITEMS)[:-1].mean(axis=0))


def test_none_on_the_command_line_is_the_source_of_that_name() -> None:
    settings = parse_settings(["attributes.source=none"])
    assert spec_of("dallrec", {"settings": settings}).config.attributes.source == "none"


def test_sets_of_the_authors_are_found_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dallrec").mkdir()
    (tmp_path / "dallrec" / "sets.zip").touch()
    monkeypatch.setenv("TANDEMREC_DATA", str(tmp_path))
    settings = parse_settings(["examples.released=dallrec/sets.zip"])
    config = spec_of("dallrec", {"settings": settings}).config
    assert config.examples.released == str(tmp_path / "dallrec" / "sets.zip")
    monkeypatch.delenv("TANDEMREC_DATA")
    config = spec_of("dallrec", {"settings": settings}).config
    assert config.examples.released == str(Path.cwd() / "dallrec" / "sets.zip")


def test_ratings_of_one_value_are_refused_at_once_with_all_that_must_go(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    implicit = log.read_text().replace(",1,", ",5,").replace(",3,", ",5,")
    log.write_text(implicit)
    tiny_folder(log.parent / "model", context=512)
    given = {"llm": str(log.parent / "model"), "context": ("part",)}
    with pytest.raises(DataError, match="need likes and dislikes") as told:
        execute(spec(log, **given))
    assert "have a like and 0 a dislike; validation has" in str(told.value)
    assert str(told.value).endswith("--set tune=none --set threshold=none.")
    assert not (log.parent / "out" / "answers.sqlite").exists()
    settings = {**LITTLE, "tune": None, "threshold": None}
    assert execute(spec(log, context=("part",), settings=settings)).contents.rows


@pytest.mark.parametrize("backbone", ["sasrec", "deepfm"])
def test_interactions_that_a_backbone_cannot_learn_are_refused(log: Path, backbone: str) -> None:
    settings = {"interactions": {"draws": 3}}
    with pytest.raises(ConfigError, match=r"interactions would do nothing: .* orders or ratings"):
        execute(spec(log, recipe="llama4rec", backbone=backbone, settings=settings))


def test_settings_of_the_other_recipe_are_refused_with_a_guess(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="blend"):
        _ = spec_of("dallrec", {"settings": {"blend": {"constant": 0.3}}}).config
    file = tmp_path / "run.toml"
    file.write_text('recipe = "dallrec"\ncut_offs = [10]\n')
    with pytest.raises(ConfigError, match=r"stands below \[settings\]"):
        spec_of(str(file), {})


def test_dallrecs_interactions_and_llama4recs_aggregation_are_one_config(tmp_path: Path) -> None:
    split = world()
    config = LLAMA4REC.model_copy(
        update={
            **LITTLE,
            "tune": None,
            "augment": "always",
            "trusted": (1.0,),
            "interactions": InteractionsConfig(),
        }
    )
    done = llama4rec(
        tr.leave_last_out(split.data), backbone=MF, llm=KNOWING, config=config, out=tmp_path
    )
    taught = done.seeds[0].augmentation
    assert len(taught.model.train) == len(done.setup.split.train) + N_ITEMS
    assert done.contents.answers[0].stage == "data augmentation (users for items)"
    assert {row.method for row in done.contents.rows} >= {"Base", "Llama4Rec", "w/o DA", "w/o AA"}


def test_the_documented_run_file_of_both_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "papers.md").read_text()
    file = tmp_path / "both.toml"
    file.write_text(text.partition("```toml\n")[2].partition("```")[0])
    monkeypatch.setattr(inputs, "load", lambda name, **_: world().data)
    little = {**LITTLE, "quick": False}
    done = execute(spec_of(str(file), {"llm": "fake", "out": tmp_path, "settings": little}))
    config = done.setup.config
    assert config.interactions == InteractionsConfig(draws=10, threshold=0.35)
    assert list(done.seeds[0].augmentation.trials) == [0.5, 1.0]
