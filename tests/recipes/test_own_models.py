"""Recommenders from elsewhere through a whole run: scores, a fitted model, a class of one's own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import tandemrec as tr
from recipes.worlds import N_ITEMS, N_USERS, small
from tandemrec.errors import BackboneError
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.settings import PAPER, PLUS, Llama4RecConfig

FAST = {"epochs": 4, "every": 1, "batch_size": 64}
QUICK = PLUS.model_copy(update={"training": FAST, "ask": "all", "augment": "always"})
TOLD = QUICK.model_copy(update={"prompt": PAPER.prompt})  # similar users and hints too
SHARED = QUICK.model_copy(update={"trusted": (0.5, 1.0)})


class Mine(nn.Module):
    """Factors and nothing else: no base class, no settings."""

    def __init__(self, train: tr.Interactions) -> None:
        super().__init__()
        self.users = nn.Embedding(train.n_users, 8)
        self.items = nn.Embedding(train.n_items, 8)

    def score(self, users: torch.Tensor) -> torch.Tensor:
        return self.users(users) @ self.items.weight.T

    def loss(self, batch: Any) -> torch.Tensor:
        margin = self.users(batch.users) * (self.items(batch.liked) - self.items(batch.other))
        return nn.functional.softplus(-margin.sum(1)).mean()

    def user_embeddings(self) -> torch.Tensor:
        return self.users.weight


def run(out: Path, backbone: Any, config: Llama4RecConfig = QUICK) -> Finished:
    return tr.llama4rec(small(), backbone=backbone, llm=tr.llm("fake"), config=config, out=out)


def tastes() -> np.ndarray:
    """Even users like even items, odd ones odd ones, each some more than others; [U, I]."""
    users, items = np.arange(N_USERS)[:, None], np.arange(N_ITEMS)[None]
    return 10.0 * (users % 2 == items % 2) + np.random.default_rng(0).random((N_USERS, N_ITEMS))


def by_hand(scores: np.ndarray, k: int = 10) -> np.ndarray:
    """Each user's k best of what is in neither training nor validation, [U, k]."""
    split, open_ = small(), scores.copy()
    for part in (split.train, split.valid):
        open_[part.users, part.items] = -np.inf
    return np.argsort(-open_, axis=1)[:, :k]


def hit_rate(lists: np.ndarray) -> float:
    test = small().test
    return float(np.mean([i in lists[u] for u, i in zip(test.users, test.items, strict=True)]))


def check(done: Finished, lists: np.ndarray) -> None:
    """Base is these lists, what was given was not fitted, and the table is whole."""
    (seed,) = done.seeds
    assert seed.lists["Base"].items.tolist() == lists[seed.lists["Base"].users].tolist()
    base = done.scores.filter(pl.col("method") == "Base").to_dicts()[0]
    assert base["HR@10"] == pytest.approx(hit_rate(lists))
    assert not any(name.endswith(("/base", "/augmented")) for name in done.setup.run.made)
    methods = done.scores["method"].to_list()
    assert {"Base", "IFT", "Llama4Rec", "oracle"} <= set(methods) and "refit" not in methods
    assert seed.lists["Llama4Rec"].fingerprint == seed.lists["w/o DA"].fingerprint
    assert any("given, not fitted" in note for note in done.contents.notes)
    assert done.recommend([3], k=4)["rank"].to_list() == [1, 2, 3, 4]


@pytest.mark.parametrize("config", [QUICK, TOLD, SHARED], ids=["plus", "told", "shares"])
def test_a_score_matrix(config: Llama4RecConfig, tmp_path: Path) -> None:
    scores = tastes().astype(np.float32)
    done = run(tmp_path, tr.ScoreMatrix(scores), config)
    check(done, by_hand(scores))
    assert done.contents.backbone == "ScoreMatrix"
    again = run(tmp_path, tr.ScoreMatrix(scores), config)
    assert again.setup.run.made == []
    assert run(tmp_path, tr.ScoreMatrix(scores[::-1]), config).setup.run.made != []


@pytest.mark.parametrize("config", [QUICK, TOLD], ids=["plus", "told"])
def test_a_fitted_model_of_implicit(config: Llama4RecConfig, tmp_path: Path) -> None:
    left, values, right = np.linalg.svd(tastes(), full_matrices=False)
    users, items = left[:, :4] * values[:4], right[:4].T
    model = SimpleNamespace(user_factors=users, item_factors=items)
    done = run(tmp_path, tr.ImplicitModel(model), config)
    check(done, by_hand(users @ items.T))


@pytest.mark.parametrize("config", [QUICK, TOLD], ids=["plus", "told"])
def test_a_class_of_ones_own(config: Llama4RecConfig, tmp_path: Path) -> None:
    done = run(tmp_path, Mine, config)
    assert {"seed-0/base", "seed-0/augmented-0.5", "seed-0/refit"} <= set(done.setup.run.made)
    (seed,) = done.seeds
    assert isinstance(seed.base.model, Mine) and len(seed.base.curve) == FAST["epochs"]
    assert seed.augmentation.model.fingerprint != seed.base.fingerprint
    assert done.contents.backbone == "Mine"
    scores = (tmp_path / "scores.json").read_bytes()
    again = run(tmp_path, Mine, config)
    assert again.setup.run.made == []
    assert (tmp_path / "scores.json").read_bytes() == scores
    assert again.recommend([3]).equals(done.recommend([3]))


def test_what_was_fitted_before_is_taken_as_it_is(tmp_path: Path) -> None:
    fitted = tr.fit(Mine, small(), tr.TrainConfig(**FAST))
    scores = fitted.model.score(torch.arange(N_USERS)).detach().numpy()
    done = run(tmp_path, fitted)
    check(done, by_hand(scores))


def test_nobody_is_asked_what_nothing_can_learn(tmp_path: Path) -> None:
    """Neither what was given learns, nor a class that is to trust nothing."""
    given = run(tmp_path / "given", tr.ScoreMatrix(tastes()))
    none = run(tmp_path / "none", Mine, QUICK.model_copy(update={"trusted": (0.0,)}))
    for done in (given, none):
        (first, *_) = done.contents.answers
        assert (first.stage, first.asked) == ("data augmentation (pairs)", 0)
        assert done.seeds[0].augmentation.model is done.seeds[0].base
    some = run(tmp_path / "some", Mine)
    assert some.contents.answers[0].asked > 0


def test_a_newcomer_never_gets_what_he_met_or_what_is_forbidden(tmp_path: Path) -> None:
    """With fewer items left than candidates, too; all scores below 0, film 7 for nobody."""
    scores = tastes() - 20
    scores[:, 7] = -np.inf
    done = run(tmp_path, tr.ScoreMatrix(scores))
    few = done.recommend_new(range(25), k=8)
    assert sorted(few["item_id"]) == ["25", "26", "27", "28", "29"]
    assert few["score"].is_finite().all()
    many = done.recommend_new([0, 2], k=30)
    assert sorted(map(int, many["item_id"])) == sorted(set(range(30)) - {0, 2, 7})
    assert len(done.recommend_new(range(30), k=8)) == 0


def test_what_some_neighbours_never_get_the_others_speak_of(tmp_path: Path) -> None:
    scores = tastes()
    scores[:N_USERS:4, 8] = -np.inf  # half of those of even taste
    found = run(tmp_path, tr.ScoreMatrix(scores)).recommend_new([0, 2], k=27)
    assert found["item_id"].to_list().index("8") < 15


def test_a_backbone_goes_by_its_name_too(tmp_path: Path) -> None:
    named = run(tmp_path / "name", "mf")
    whole = run(tmp_path / "class", tr.MF)
    assert named.contents.backbone == "MF"
    assert named.scores.equals(whole.scores)


def test_a_matrix_of_the_wrong_shape_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=rf"\[\d+, {N_ITEMS}\]\. Received \[\d+, 5\]"):
        run(tmp_path, tr.ScoreMatrix(tastes()[:, :5]))
