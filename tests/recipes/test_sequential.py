"""Sequential backbones in whole runs: what they start from, what they learn, and newcomers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recipes.worlds import N_ITEMS, small
from tandemrec.augment.sequential import Insertions
from tandemrec.backbones import MF, SASRec, SequentialBackbone
from tandemrec.backbones.base import BackboneConfig
from tandemrec.data.batches import Triples, triples
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.llm.fake import FakeLLM
from tandemrec.progress import silent
from tandemrec.recipes import recommend
from tandemrec.recipes.execute import llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.settings import PLUS, Llama4RecConfig
from tandemrec.recipes.setup import Setup
from tandemrec.runs import Run

FAST = {"epochs": 1, "batch_size": 64}
CONFIG = PLUS.model_copy(update={"training": FAST, "ask": "all", "augment": "always"})


class OneConfig(BackboneConfig):
    length: int = 1


class AfterLast(SequentialBackbone[Triples]):  # type: ignore[type-arg]
    """Film n + 1 after film n, then n + 2, and so on; nothing to learn."""

    Config = OneConfig
    learnt: list[Interactions] = []  # noqa: RUF012

    def __init__(self, config: Any, train: Interactions) -> None:
        super().__init__(config, train)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def batches(
        self, train: Interactions, size: int, rng: np.random.Generator, extra: Any = None
    ) -> Iterator[Triples]:
        self.refuse(extra)
        self.learnt.append(train)
        return triples(train, size, rng)

    def loss(self, batch: Triples) -> Tensor:
        return self.weight.square().sum()

    def represent(self, queries: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(queries[:, -1], N_ITEMS + 1).float()

    def score(self, queries: Tensor) -> Tensor:
        ahead = (torch.arange(N_ITEMS) - queries[:, -1:] - 1) % N_ITEMS  # [B, I]
        return -ahead.float()


def run(out: Path) -> Finished:
    AfterLast.learnt.clear()
    return llama4rec(small(), backbone=AfterLast, llm=FakeLLM(), config=CONFIG, out=out)


def test_validation_starts_from_training_and_test_from_validation(tmp_path: Path) -> None:
    done = run(tmp_path)
    split, seed = done.setup.split, done.seeds[0]
    for view, past in ((seed.valid, split.train), (seed.test, split.before_test)):
        lists = view["base-told"].candidates
        for user, items in zip(lists.users.tolist(), lists.items, strict=True):
            last = past.of(user)[-1]
            ahead = (last + 1 + np.arange(N_ITEMS)) % N_ITEMS
            expected = ahead[~np.isin(ahead, past.of(user))][:10]
            assert items[: len(expected)].tolist() == expected.tolist()


def test_the_llms_picks_join_what_is_learnt_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path)
    seed, train = done.seeds[0], done.setup.split.train
    picked = seed.augmentation.preferences
    assert isinstance(picked, Insertions) and len(picked.users) > 0
    kept = picked.most_decided(PLUS.trusted[0])
    sizes = {len(each) for each in AfterLast.learnt}
    assert len(train) + len(kept.users) in sizes
    assert seed.augmentation.model.train.fingerprint == train.fingerprint
    assert kept.into(train).fingerprint in {each.fingerprint for each in AfterLast.learnt}


def constant() -> Llama4RecConfig:
    """The backbone's order alone."""
    blend = CONFIG.blend.model_copy(update={"alpha1": (0.0,), "alpha2": (0.0,)})
    return CONFIG.model_copy(update={"blend": blend})


def test_somebody_new_is_read_by_the_backbone_itself(tmp_path: Path) -> None:
    done = llama4rec(small(), backbone=AfterLast, llm=FakeLLM(), config=constant(), out=tmp_path)
    found = done.recommend_new(["3", "7"], k=3)
    assert found["title"].to_list() == ["Film 08", "Film 09", "Film 10"]


def test_somebody_new_may_have_met_what_nobody_did(tmp_path: Path) -> None:
    """A sequential backbone reads it; with another, there is nobody like him."""
    split = small()
    split = replace(split, train=split.train.rows(split.train.items != 7))
    for backbone in (AfterLast, MF):
        out = tmp_path / backbone.__name__
        done = llama4rec(split, backbone=backbone, llm=FakeLLM(), config=constant(), out=out)
        if backbone is MF:
            with pytest.raises(DataError, match=r"nobody in the training data.*Add an item"):
                done.recommend_new(["7"])
        else:
            assert done.recommend_new(["7"], k=2)["title"].to_list() == ["Film 08", "Film 09"]


def test_the_user_most_like_somebody_new_has_the_most_alike_sequence(tmp_path: Path) -> None:
    """What AfterLast represents a history by is its last film."""
    done = llama4rec(small(), backbone=AfterLast, llm=FakeLLM(), config=constant(), out=tmp_path)
    train = done.setup.split.train
    last = train.items[train.bounds[1:] - 1]
    alike, _ = recommend._by_sequence(done.seeds[0], train, np.array([3, int(last[5])]))
    assert last[alike] == last[5]


def test_the_report_says_what_is_true_of_sequences(tmp_path: Path) -> None:
    split = small()
    shuffled = replace(split, data=replace(split.data, order="no times: at random, seed 3"))
    for each, out in ((split, "times"), (shuffled, "shuffled")):
        done = llama4rec(each, backbone=AfterLast, llm=FakeLLM(), config=CONFIG, out=tmp_path / out)
        notes = " ".join(done.contents.notes)
        assert "Base does not use the order" not in notes
        assert done.contents.answers[0].stage == "data augmentation (items to insert)"
        told = ("No times: at random, seed 3" in notes, "in a random order" in notes)
        assert told == (each is shuffled, each is shuffled)
        assert done.contents.what.get("order", "") == each.data.order
        pages = [(tmp_path / out / name).read_text() for name in ("index.html", "tables.md")]
        assert ["seed 3" in page for page in pages] == [each is shuffled] * 2
    direct = llama4rec(split, backbone=MF, llm=FakeLLM(), config=CONFIG, out=tmp_path / "mf")
    assert "Base does not use the order" in " ".join(direct.contents.notes)


def test_the_task_is_the_backbones(tmp_path: Path) -> None:
    run, split = Run(tmp_path), small()

    def setup(backbone: Any) -> Setup:
        return Setup(split, backbone, FakeLLM(), CONFIG, run, silent)

    assert setup(SASRec).sequential and setup(AfterLast).sequential
    assert not setup(MF).sequential and not setup(object()).sequential
