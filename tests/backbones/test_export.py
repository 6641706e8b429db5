"""A backbone in a folder for elsewhere gives the scores that it gave here, and its card is true."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tandemrec.backbones import BACKBONES
from tandemrec.backbones.export import EMBEDDINGS, IDS, export, load
from tandemrec.backbones.fitted import Fitted
from tandemrec.card import Card
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.worlds import checkerboard, rings, tastes
from tandemrec.errors import BackboneError, DataError, RunError
from tandemrec.predicting import predict
from tandemrec.ranking import rank
from tandemrec.training import TrainConfig, fit

QUICK = TrainConfig(epochs=2, batch_size=64)
KINDS = ["mf", "lightgcn", "sasrec", "grcn", "deepfm"]
CARD = Card("MF on films", "A recommender.", {"users": 20}, {"training": {"epochs": 2}})


def fitted(name: str) -> Fitted:
    """A backbone after two epochs: on a world of its task."""
    if name == "sasrec":
        return fit(name, rings(n_users=12), QUICK, hyper={"width": 8, "heads": 1})
    if name == "deepfm":
        world = tastes(30, 12, 4)
        fields = Fields.of(world.interactions, world.catalogue)
        return fit(name, world.interactions, QUICK, hyper={"width": 4}, fields=fields)
    world, content = checkerboard(), None
    if name == "grcn":
        rng = np.random.default_rng(0)
        content = Content.of({"title": rng.normal(size=(world.n_items, 5))})
    return fit(name, world, QUICK, hyper={"width": 8}, content=content)


def ids(model: Fitted) -> Catalogue:
    """Users have numbers for ids and items have texts, one of them odd."""
    items = [f"i{n}" for n in range(model.train.n_items)]
    items[1] = 'Amélie "|" {x}\n'
    users = [int(n) for n in range(100, 100 + model.train.n_users)]
    return Catalogue(users, items, ["A title"] * len(items))


@pytest.mark.parametrize("name", KINDS)
def test_what_is_loaded_scores_as_what_was_exported(tmp_path: Path, name: str) -> None:
    model = fitted(name)
    files = export(model, ids(model), tmp_path / "out", CARD)
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    again = load(tmp_path / "out")
    assert again.fingerprint == model.fingerprint
    assert type(again.fitted.model) is BACKBONES[name]
    assert again.catalogue.user(103) == again.catalogue.user("103") == 3
    assert again.numbers([101, "103"]).tolist() == [1, 3]
    assert list(again.catalogue.item_ids) == list(ids(model).item_ids)
    if name == "deepfm":
        asked = again.pairs([105, 101], ["i3", "i2"])
        assert (asked.users.tolist(), asked.items.tolist()) == ([1, 5], [2, 3])
        ours, theirs = (predict(each, asked).values for each in (model, again.fitted))
    else:
        ours, theirs = (rank(each, model.train, None, 5) for each in (model, again.fitted))
        np.testing.assert_array_equal(ours.items, theirs.items)
        ours, theirs = ours.scores, theirs.scores
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", KINDS)
def test_the_python_on_the_card_runs(tmp_path: Path, name: str) -> None:
    model = fitted(name)
    out = tmp_path / "out"
    export(model, ids(model), out, CARD)
    card = (out / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    known: dict[str, Any] = {}
    exec(code.replace("FOLDER", str(out)), known)
    if name == "deepfm":
        assert known["ratings"].shape == (1,) and np.isfinite(known["ratings"]).all()
        return
    best = rank(model, model.train, np.array([0]), 10).items[0]
    assert known["names"] == [ids(model).item_ids[item] for item in best]
    assert ("scores" in known) == (name != "sasrec")
    if "scores" in known:
        with torch.no_grad():
            scores = model.score(torch.tensor([0]))[0]
        np.testing.assert_allclose(known["scores"], scores, rtol=1e-5, atol=1e-6)


def test_the_card_says_what_is_known(tmp_path: Path) -> None:
    model = fitted("mf")
    card = Card(
        *("MF on films", "A recommender.", {"licence": "own | mine"}, {"a": {"b": 0.5, "c": None}}),
        metrics={"Base": {"NDCG@10": 0.123456}, "Ours": {"NDCG@10": 0.2, "RMSE": 1.0}},
        hub={"library_name": "tandemrec", "tags": ["recommendation"]},
    )
    files = export(model, ids(model), tmp_path, card)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith('---\nlibrary_name: "tandemrec"\ntags: ["recommendation"]\n---\n')
    for line in ("| licence | own \\| mine |", "| a.b | 0.5 |", "| Base | 0.1235 |  |"):
        assert line in text.splitlines()
    assert "a.c" not in text
    named = re.findall(r"^\| `(.*?)` \|", text, re.MULTILINE)
    assert sorted(named) == sorted(each.name for each in files if each.name != "README.md")


def test_what_cannot_be_exported_or_loaded(tmp_path: Path) -> None:
    model = fitted("mf")
    with pytest.raises(BackboneError, match="object was not fitted by tandemrec"):
        export(object(), ids(model), tmp_path / "out", CARD)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        export(model, ids(model), tmp_path / "file", CARD)
    with pytest.raises(RunError, match=r"holds no exported backbone.*--backbone DIR"):
        load(tmp_path)
    export(model, ids(model), tmp_path / "out", CARD)
    with pytest.raises(DataError, match="'nobody'"):
        load(tmp_path / "out").numbers(["nobody"])


@pytest.mark.parametrize("name", [IDS, "weights.safetensors", "backbone.json", "interactions.npz"])
def test_a_folder_with_a_damaged_file(tmp_path: Path, name: str) -> None:
    export(model := fitted("mf"), ids(model), tmp_path, CARD)
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(RunError, match="or a damaged one"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(RunError, match="holds no exported backbone"):
        load(tmp_path)


def test_what_else_is_in_the_folder_is_left_and_not_told(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("mine")
    model = fitted("grcn")
    files = export(model, ids(model), tmp_path, CARD)
    names = {file.name for file in files}
    assert "content.npz" in names and "table.csv" not in names
    assert names | {"table.csv"} == {file.name for file in tmp_path.iterdir()}
    assert "table.csv" not in (tmp_path / "README.md").read_text()
    assert export(model, ids(model), tmp_path, CARD) == files


def test_somebody_elses_readme_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    model = fitted("mf")
    with pytest.raises(RunError, match=r"holds a README.md that no export has written"):
        export(model, ids(model), tmp_path, CARD)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_a_full_disk_is_said(tmp_path: Path, disk_for: Any) -> None:
    model = fitted("mf")
    with disk_for(500), pytest.raises(RunError, match="disk full"):
        export(model, ids(model), tmp_path / "out", CARD)


def test_ids_are_as_they_were_given(tmp_path: Path) -> None:
    model = fitted("mf")
    export(model, ids(model), tmp_path, CARD)
    read = json.loads((tmp_path / IDS).read_text())
    assert read["users"][:2] == [100, 101] and read["items"][1] == 'Amélie "|" {x}\n'
    assert (tmp_path / EMBEDDINGS).exists()
