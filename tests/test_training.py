"""The loop: early stopping, extra triples, seeds, checkpoints that go on exactly."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from tandemrec.augment.sequential import Insertions
from tandemrec.backbones import (
    BACKBONES,
    MF,
    ContentBackbone,
    Fitted,
    LightGCN,
    RatingBackbone,
    SequentialBackbone,
    build,
)
from tandemrec.backbones.scoring import ndcg, rmse
from tandemrec.data.batches import Triples
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, leave_last_out
from tandemrec.data.worlds import checkerboard, clubs, one_pair
from tandemrec.errors import BackboneError, ConfigError, DataError, RunError
from tandemrec.predicting import predict
from tandemrec.training import TrainConfig, fit

SMALL = {"width": 8}
RATING = [name for name, one in BACKBONES.items() if issubclass(one, RatingBackbone)]


def a_split() -> Split:
    rows, names = clubs(), [str(n) for n in range(60)]
    ratings = (1 + (3 * rows.users + rows.items) % 5).astype(np.float32)
    hours = np.where(rows.items % 2, "day", "night")
    rows = replace(rows, ratings=ratings, context={"hour": hours})
    kinds = pl.DataFrame({"kind": [["a", "b"], ["b"], [], ["a"]] * 10})
    ages = pl.DataFrame({"age": np.arange(60)})
    known = Catalogue(names, names[:40], names[:40], kinds, ages)
    return leave_last_out(Dataset("clubs", rows, known))


def weights(fitted: Fitted) -> list[torch.Tensor]:
    return list(fitted.model.state_dict().values())


def same(one: Fitted, two: Fitted) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


def config(**values: Any) -> TrainConfig:
    return TrainConfig(**{"epochs": 30, "batch_size": 64, "learning_rate": 0.02, **values})


class Noisy(nn.Module):
    """No base class of ours, dropout from torch's own generator."""

    def __init__(self, train: Interactions) -> None:
        super().__init__()
        self.users = nn.Embedding(train.n_users, 8)
        self.items = nn.Embedding(train.n_items, 8)
        self.dropout = nn.Dropout(0.3)

    def score(self, users: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.users(users)) @ self.items.weight.T

    def loss(self, batch: Triples) -> torch.Tensor:
        scores, rows = self.score(batch.users), torch.arange(len(batch.users))
        return nn.functional.softplus(scores[rows, batch.other] - scores[rows, batch.liked]).mean()


def test_the_loss_falls_and_the_curve_tells() -> None:
    fitted = fit(MF, clubs(), config(), hyper=SMALL)
    assert [point.epoch for point in fitted.curve] == list(range(1, 31))
    assert fitted.curve[-1].loss < 0.5 * fitted.curve[0].loss
    assert all(point.valid is None for point in fitted.curve)
    assert fitted.best_epoch == 30


def test_the_best_epoch_on_validation_is_kept() -> None:
    split = a_split()
    fitted = fit(MF, split, config(epochs=400, every=2, patience=5), hyper=SMALL)
    measured = {point.epoch: point.valid for point in fitted.curve if point.valid is not None}
    assert sorted(measured) == list(range(2, len(fitted.curve) + 1, 2))
    assert fitted.best_epoch == max(measured, key=lambda epoch: (measured[epoch], -epoch))
    assert len(fitted.curve) == fitted.best_epoch + 2 * 5 < 400
    assert ndcg(fitted.model, split.train, split.valid) == measured[fitted.best_epoch]
    best = fit(MF, split.train, config(epochs=fitted.best_epoch), hyper=SMALL)
    assert same(fitted, best)


def test_the_last_epoch_is_measured_too() -> None:
    fitted = fit(MF, a_split(), config(epochs=3, every=5), hyper=SMALL)
    assert [point.valid is not None for point in fitted.curve] == [False, False, True]


def test_test_interactions_are_not_touched() -> None:
    split = a_split()
    nothing = split.test.rows(np.zeros(len(split.test), bool))
    blind = Split(split.data, split.train, split.valid, nothing)
    assert same(fit(MF, split, config(), hyper=SMALL), fit(MF, blind, config(), hyper=SMALL))


@pytest.mark.parametrize("backbone", [MF, LightGCN, Noisy])
def test_a_seed_gives_the_same_weights_and_leaves_the_generator(backbone: type) -> None:
    before = torch.get_rng_state()
    one, two = (fit(backbone, clubs(), config(epochs=4, seed=3)) for _ in range(2))
    other = fit(backbone, clubs(), config(epochs=4, seed=4))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(one, two) and not same(one, other)


def test_a_model_that_is_given_stays_as_it_was() -> None:
    model = build(LightGCN, clubs(), SMALL)
    first = model.nodes.weight.detach().clone()
    fitted = fit(model, clubs(), config(epochs=2))
    assert torch.equal(model.nodes.weight, first)
    assert not torch.equal(fitted.model.nodes.weight, first)


def test_extra_triples_change_what_is_learnt() -> None:
    """Item 19 of the odd ones is said to be liked by even users: they now score it higher."""
    world, even = checkerboard(), np.arange(0, 20, 2)
    extra = (np.repeat(even, 4), np.full(40, 19), np.tile([1, 3, 5, 7], 10))
    without = fit(MF, world, config(), hyper=SMALL).score(torch.from_numpy(even))
    told = fit(MF, world, config(), hyper=SMALL, extra_triples=extra)
    scores = told.score(torch.from_numpy(even))
    assert (scores[:, 19] > without[:, 19]).all()
    assert (scores[:, 19] > scores[:, [1, 3, 5, 7]].max(1).values).all()


def test_extra_triples_are_in_the_gradient() -> None:
    """One step from the same weights: only the extra triple moves user 1, who met nothing."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=2, n_items=3)
    moved = []
    for extra in (None, (np.array([1]), np.array([1]), np.array([2]))):
        fitted = fit(MF, train, config(epochs=1), hyper={"decay": 0}, extra_triples=extra)
        moved.append(fitted.model.users.weight[1] - build(MF, train, {"decay": 0}).users.weight[1])
    assert not moved[0].any() and moved[1].all()


def test_wrong_extra_triples_are_refused() -> None:
    with pytest.raises(DataError, match="allowed are 0 to 39"):
        fit(MF, clubs(), extra_triples=(np.array([0]), np.array([40]), np.array([1])))


def test_progress_is_told_after_each_epoch() -> None:
    told: list[tuple[Any, ...]] = []
    fit(MF, a_split(), config(epochs=2), hyper=SMALL, progress=lambda *args: told.append(args))
    assert [call[:3] for call in told] == [("MF", 1, 2), ("MF", 2, 2)]
    assert "loss 0." in told[0][3] and "NDCG@10" in told[1][3]


class Killed(Exception):
    pass


def killer(at: int) -> Any:
    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        if done == at:
            raise Killed

    return progress


@pytest.mark.parametrize("backbone", [MF, LightGCN, Noisy])
@pytest.mark.parametrize("at", [2, 9, 20])
def test_a_killed_fit_goes_on_exactly(backbone: type, at: int, tmp_path: Path) -> None:
    split, extra = a_split(), (np.array([1]), np.array([2]), np.array([3]))
    settings = config(epochs=25, every=2, patience=50, checkpoint_every=4)

    def train(checkpoint: Path | None, progress: Any = None) -> Fitted:
        return fit(
            backbone,
            split,
            settings,
            extra_triples=extra,
            checkpoint=checkpoint,
            progress=progress,
        )

    file = tmp_path / "deep" / "fit.pt"
    with pytest.raises(Killed):
        train(file, killer(at))
    told: list[float] = []
    resumed = train(file, lambda stage, done, total, note="": told.append(done))
    whole = train(None)
    assert told[0] == 4 * ((at - 1) // 4) + 1  # progress is told before the checkpoint is saved
    assert same(resumed, whole)
    assert resumed.curve == whole.curve and resumed.best_epoch == whole.best_epoch


def lessons(name: str, train: Interactions) -> dict[str, Any]:
    """What a language model said, as the backbone takes it."""
    columns = np.array([1]), np.array([2]), np.array([3])
    if name in RATING:
        said = pl.DataFrame({"star": ["x", "y"] * 20})
        return {"fields": Fields.of(train, Catalogue([], [], [], items=said))}
    if issubclass(BACKBONES[name], SequentialBackbone):
        return Insertions(*columns, np.ones(1), 1).lessons(train)
    return {"extra_triples": columns}


def tiny(name: str) -> dict[str, Any]:
    """Settings for few users; what is drawn in a pass stays."""
    if name in RATING:
        wanted = {"hidden": (8,), "cross": (4, 4), "split_half": True, "dropout": 0.2}
        known = BACKBONES[name].Config.model_fields
        return SMALL | {key: value for key, value in wanted.items() if key in known}
    sequential = issubclass(BACKBONES[name], SequentialBackbone)
    return SMALL | ({"length": 6, "heads": 2} if sequential else {})


def reads(name: str, train: Interactions, seed: int = 0) -> dict[str, Any]:
    """What a backbone reads besides interactions and fields."""
    rng, n = np.random.default_rng(seed), train.n_items
    arrays = {"a title": rng.normal(size=(n, 5)), "image": rng.normal(size=(n, 3))}
    wants = issubclass(BACKBONES[name], ContentBackbone)
    return {"content": Content.of(arrays)} if wants else {}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_killed_backbone_goes_on_exactly(name: str, tmp_path: Path) -> None:
    """Killed in epoch 7, it goes on behind epoch 6: all that is drawn is drawn as before."""
    split = a_split()
    more, read = lessons(name, split.train), reads(name, split.train)
    settings = config(epochs=9, every=2, patience=50, checkpoint_every=3)

    def train(checkpoint: Path | None, progress: Any = None) -> Fitted:
        where = {"checkpoint": checkpoint, "progress": progress}
        return fit(name, split, settings, hyper=tiny(name), **more, **read, **where)

    file = tmp_path / "fit.pt"
    with pytest.raises(Killed):
        train(file, killer(7))
    told: list[float] = []
    resumed = train(file, lambda stage, done, total, note="": told.append(done))
    whole = train(None)
    assert told == [7, 8, 9]
    assert same(resumed, whole)
    assert resumed.curve == whole.curve and resumed.best_epoch == whole.best_epoch
    plain = fit(name, split, settings, hyper=tiny(name), **read)
    assert not same(plain, whole)  # the lessons were learnt


KILLED = """
import sys, time, torch
from pathlib import Path
torch.set_num_threads(1)
from tandemrec.backbones import LightGCN
from tandemrec.data.worlds import clubs
from tandemrec.training import TrainConfig, fit
slow = lambda *args: (print("epoch", flush=True), time.sleep(0.01))
settings = TrainConfig(epochs=40, batch_size=64, learning_rate=0.02, checkpoint_every=1)
fit(LightGCN, clubs(), settings, checkpoint=Path(sys.argv[1]), progress=slow)
"""


def test_after_sigkill_the_weights_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    command = [sys.executable, "-c", KILLED, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(15):
            assert process.stdout.readline() == "epoch\n"
        os.kill(process.pid, signal.SIGKILL)
    assert file.exists()
    settings = config(epochs=40, checkpoint_every=1)
    told: list[float] = []
    resumed = fit(
        LightGCN, clubs(), settings, checkpoint=file, progress=lambda *args: told.append(args[1])
    )
    assert 14 <= told[0] < 40
    assert same(resumed, fit(LightGCN, clubs(), settings))


def test_a_finished_checkpoint_trains_no_more(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    one = fit(MF, clubs(), config(epochs=3), checkpoint=file)
    two = fit(MF, clubs(), config(epochs=3), checkpoint=file, progress=killer(3))
    assert same(one, two)


def test_a_checkpoint_of_other_inputs_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    fit(MF, clubs(), config(epochs=3, seed=1), checkpoint=file)
    fitted = fit(MF, clubs(), config(epochs=3, seed=2), checkpoint=file)
    assert same(fitted, fit(MF, clubs(), config(epochs=3, seed=2)))


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fit.pt"
    file.write_bytes(b"half a file")
    with pytest.raises(RunError, match=r"fit.pt is damaged .* delete it"):
        fit(MF, clubs(), config(epochs=3), checkpoint=file)


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        fit(MF, clubs(), config(epochs=1), checkpoint=tmp_path / "file" / "fit.pt")


@pytest.mark.parametrize("backbone", [MF, LightGCN, Noisy])
def test_what_is_fitted_can_be_saved_and_loaded(backbone: type, tmp_path: Path) -> None:
    fitted = fit(backbone, a_split(), config(epochs=6))
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    users = torch.arange(60)
    assert torch.equal(loaded.score(users), fitted.score(users))
    assert loaded.fingerprint == fitted.fingerprint
    assert (loaded.curve, loaded.best_epoch) == (fitted.curve, fitted.best_epoch)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_the_same_when_loaded(name: str, tmp_path: Path) -> None:
    split = a_split()
    read = reads(name, split.train)
    fitted = fit(name, split, config(epochs=4, every=2), hyper=tiny(name), **read)
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    one, two = fitted.model, loaded.model
    assert type(two) is BACKBONES[name] and two.config == one.config and not two.training
    assert loaded.train.fingerprint == split.train.fingerprint
    asked = one.queries(split.train, np.arange(60))
    assert torch.equal(two.queries(loaded.train, np.arange(60)), asked)
    with torch.no_grad():
        assert torch.equal(two.score(asked), one.score(asked))
        assert torch.equal(two.user_embeddings(), one.user_embeddings())
    assert loaded.fingerprint == fitted.fingerprint
    assert (loaded.curve, loaded.best_epoch) == (fitted.curve, fitted.best_epoch)


AUGMENTED = ["lightgcn", "mf", "mmgcn", "grcn", "mmssl"]


def with_more(train: Interactions) -> Interactions:
    """The same, and user u meets item u % 40 for every third user."""
    users = np.arange(0, 60, 3)
    columns = zip((train.users, train.items), (users, users % 40), strict=True)
    return Interactions.sorted(*(np.append(*pair) for pair in columns), n_users=60, n_items=40)


@pytest.mark.parametrize("name", AUGMENTED)
def test_a_graph_has_the_added_edges_and_is_loaded_with_them(name: str, tmp_path: Path) -> None:
    split = a_split()
    more, read = with_more(split.train), reads(name, split.train)
    settings = config(epochs=4, every=2)
    fitted = fit(name, split, settings, hyper=tiny(name), augmented=more, **read)
    built = build(BACKBONES[name], more, tiny(name), **read)
    for key, table in built.named_buffers():
        if table.layout == torch.sparse_csr:
            assert torch.equal(fitted.model.get_buffer(key).values(), table.values())
    assert fitted.train is more
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    users = torch.arange(60)
    assert torch.equal(loaded.score(users), fitted.score(users))
    assert loaded.fingerprint == fitted.fingerprint
    plain = fit(name, split, settings, hyper=tiny(name), **read)
    assert plain.fingerprint != fitted.fingerprint


def test_validation_leaves_out_what_was_met_and_nothing_else() -> None:
    """An added item may be what was held out: it must still be asked for."""
    split = a_split()
    users, items = split.valid.users, split.valid.items
    columns = zip((split.train.users, split.train.items), (users, items), strict=True)
    known = Interactions.sorted(*(np.append(*pair) for pair in columns), n_users=60, n_items=40)
    fitted = fit(LightGCN, split, config(epochs=30, every=30), hyper=SMALL, augmented=known)
    assert fitted.best_valid == ndcg(fitted.model, split.train, split.valid) > 0.5


def test_a_sequential_backbone_is_built_from_what_was_met() -> None:
    split = a_split()
    fitted = fit("sasrec", split, config(epochs=1), hyper=SMALL, augmented=with_more(split.train))
    assert fitted.train is split.train
    own = build(BACKBONES["sasrec"], split.train, SMALL).own
    assert torch.equal(fitted.model.own, own)


def test_augmented_interactions_of_others_are_refused() -> None:
    with pytest.raises(DataError, match=r"same users and items .* 60 and 40. Received: 20 and 20"):
        fit(MF, clubs(), augmented=checkerboard())


PAIRS = np.array([7, 7, 7]), np.array([1, 3, 5]), np.array([0, 2, 4])
"Item 7 is for odd users, here said to be for users 1, 3, 5 and not for 0, 2, 4."


@pytest.mark.parametrize("backbone", [MF, LightGCN])
def test_pairs_of_users_are_learnt(backbone: type) -> None:
    """Told the opposite of what it met, it learns less of the difference."""
    world, swapped = checkerboard(), (PAIRS[0], PAIRS[2], PAIRS[1])
    gaps = []
    for pairs in (PAIRS, None, swapped):
        fitted = fit(backbone, world, config(epochs=5), hyper=SMALL, between_users=pairs)
        scores = fitted.score(torch.arange(20))[:, 7]
        gaps.append((scores[PAIRS[1]] - scores[PAIRS[2]]).mean().item())
    assert gaps[0] > gaps[1] > gaps[2]


def test_pairs_of_users_are_in_the_gradient() -> None:
    """Only they move users 1 and 2 and item 2, whom nobody met; each epoch is a step more."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=3, n_items=3)
    pairs = np.array([2]), np.array([1]), np.array([2])
    plain = build(MF, train, {"decay": 0})
    for given, moves in ((None, False), (pairs, True)):
        fitted = fit(MF, train, config(epochs=1), hyper={"decay": 0}, between_users=given)
        moved = fitted.model.users.weight - plain.users.weight
        assert moved[1:].all() if moves else not moved[1:].any()


def test_a_fit_on_pairs_goes_on_exactly(tmp_path: Path) -> None:
    settings, file = config(epochs=9, checkpoint_every=4), tmp_path / "fit.pt"

    def train(**more: Any) -> Fitted:
        return fit(LightGCN, checkerboard(), settings, hyper=SMALL, **more)

    with pytest.raises(Killed):
        train(between_users=PAIRS, checkpoint=file, progress=killer(6))
    told: list[float] = []
    resumed = train(
        between_users=PAIRS, checkpoint=file, progress=lambda *args: told.append(args[1])
    )
    assert told == [5, 6, 7, 8, 9]
    assert same(resumed, train(between_users=PAIRS))
    told.clear()
    for others in ({"between_users": PAIRS[::-1]}, {"extra_triples": PAIRS}, {}):
        with pytest.raises(Killed):  # of other inputs: from the first epoch
            train(**others, checkpoint=file, progress=killer(1))


def test_pairs_of_users_that_cannot_be_learnt_are_refused() -> None:
    with pytest.raises(DataError, match=r"Pairs of users name a user .* allowed are 0 to 59"):
        fit(MF, clubs(), between_users=(np.array([0]), np.array([60]), np.array([1])))
    with pytest.raises(DataError, match=r"Pairs of users name an item .* allowed are 0 to 39"):
        fit(MF, clubs(), between_users=(np.array([40]), np.array([0]), np.array([1])))
    with pytest.raises(DataError, match="three columns of one length: items, liking, other"):
        fit(MF, clubs(), between_users=(np.array([0]), np.array([0, 1]), np.array([1])))
    for backbone in (Noisy, "sasrec"):
        with pytest.raises(BackboneError, match="cannot learn from pairs of users"):
            fit(backbone, clubs(), config(), between_users=PAIRS)


@pytest.mark.parametrize("name", ["mmgcn", "grcn", "mmssl"])
def test_a_checkpoint_of_other_content_is_replaced(name: str, tmp_path: Path) -> None:
    split, file = a_split(), tmp_path / "fit.pt"
    settings = config(epochs=2)
    told: list[float] = []
    for seed in (0, 0, 1):
        fit(
            name,
            split,
            settings,
            hyper=tiny(name),
            **reads(name, split.train, seed),
            checkpoint=file,
            progress=lambda *args: told.append(args[1]),
        )
    assert told == [1, 2, 1, 2]


def test_content_is_for_content_backbones() -> None:
    train = clubs()
    content = Content.of({"title": np.ones((40, 2))})
    with pytest.raises(BackboneError, match="MF reads no content"):
        fit(MF, train, content=content)
    with pytest.raises(BackboneError, match="this model is built"):
        fit(build(MF, train), train, content=content)


@pytest.mark.parametrize("name", RATING)
def test_a_rating_backbone_is_loaded_with_its_fields(name: str, tmp_path: Path) -> None:
    split = a_split()
    fitted = fit(name, split, config(epochs=2), hyper=tiny(name))
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    names = [field.name for field in loaded.model.fields.fields]
    assert names == ["user", "user age", "item", "item kind", "context hour"]
    assert loaded.model.fields.fingerprint == fitted.model.fields.fingerprint
    assert loaded.model.scale == fitted.model.scale == (1, 5)
    one, two = (predict(model, split.test) for model in (fitted, loaded))
    assert np.array_equal(one.values, two.values)
    flipped = np.where(split.test.context["hour"] == "day", "night", "day")
    other = predict(loaded, replace(split.test, context={"hour": flipped}))
    assert (one.values != other.values).all()  # it is read, and after loading too


def test_ratings_are_kept_where_they_are_least_off() -> None:
    split = a_split()
    fitted = fit("deepfm", split, config(epochs=60, every=2, patience=3), hyper=tiny("deepfm"))
    measured = {point.epoch: point.valid for point in fitted.curve if point.valid is not None}
    assert fitted.best_epoch == min(measured, key=lambda epoch: (measured[epoch], epoch))
    assert len(fitted.curve) == fitted.best_epoch + 2 * 3 < 60
    assert rmse(fitted.model, split.train, split.valid) == fitted.best_valid


def test_a_checkpoint_of_other_fields_is_replaced(tmp_path: Path) -> None:
    split, file = a_split(), tmp_path / "fit.pt"
    ids = Fields.of(split.train)
    fit("afm", split, config(epochs=2), hyper=SMALL, fields=ids, checkpoint=file)
    told: list[float] = []
    fit(
        "afm",
        split,
        config(epochs=2),
        hyper=SMALL,
        checkpoint=file,
        progress=lambda *args: told.append(args[1]),
    )
    assert told == [1, 2]


def test_ratings_that_say_nothing_are_named() -> None:
    with pytest.raises(
        BackboneError,
        match=r"for DeepFM to learn: all ratings are 1\. Is there a column of ratings",
    ):
        fit("deepfm", clubs(), config())
    split = a_split()
    with pytest.raises(BackboneError, match="training data is empty"):
        fit("deepfm", split.train.rows(np.zeros(len(split.train), bool)))
    split.train.ratings[3] = np.nan
    with pytest.raises(BackboneError, match=r"must be finite numbers. Received: from nan"):
        fit("nfm", split)


def test_fields_are_for_rating_backbones() -> None:
    train = clubs()
    with pytest.raises(BackboneError, match="MF predicts no ratings, so it reads no fields"):
        fit(MF, train, fields=Fields.of(train))
    with pytest.raises(BackboneError, match="this model is built"):
        fit(build(MF, train), train, fields=Fields.of(train))


def test_a_full_disk_leaves_the_old_weights_or_none(tmp_path: Path, disk_for: Any) -> None:
    fitted = fit(MF, clubs(), config(epochs=1))
    with (
        disk_for(4_000),
        pytest.raises(RunError, match=r"cannot be written: .*disk full"),
    ):
        fitted.save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_class_that_is_gone_is_named(tmp_path: Path) -> None:
    class Local(Noisy):
        pass

    fit(Local, clubs(), config(epochs=1)).save(tmp_path)
    with pytest.raises(RunError, match="Local cannot be imported"):
        Fitted.load(tmp_path)


def test_what_cannot_be_trained_is_named() -> None:
    with pytest.raises(BackboneError, match="Linear cannot be trained"):
        fit(nn.Linear(2, 2), clubs())
    everything = Interactions.sorted(np.zeros(2, np.int64), np.arange(2), n_users=1, n_items=2)
    with pytest.raises(BackboneError, match="nothing for MF to learn"):
        fit(MF, everything, config())
    with pytest.raises(BackboneError, match="Noisy has no `Config`"):
        fit(Noisy, clubs(), hyper={"width": 3})


def test_a_loss_that_is_no_number_is_named() -> None:
    model = build(MF, clubs())
    model.users.weight.data[:] = torch.nan
    with pytest.raises(BackboneError, match=r"became nan in epoch 1. Try a smaller learning_rate"):
        fit(model, clubs(), config())


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="Device 'warp' cannot be used here"):
        fit(MF, clubs(), config(device="warp"))


class Fixed:
    def __init__(self, *rows: list[float]) -> None:
        self.table = torch.tensor(rows)

    def score(self, users: torch.Tensor) -> torch.Tensor:
        return self.table[users]


def test_ndcg_by_hand() -> None:
    """Item 0 is met; of 1..3 the held-out item 2 comes second, behind 3: 1 / log2(3)."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=2, n_items=4)
    held = Interactions.sorted(np.array([0]), np.array([2]), n_users=2, n_items=4)
    model = Fixed([9, 1, 2, 3], [0, 0, 0, 0])
    assert ndcg(model, train, held) == pytest.approx(1 / np.log2(3))
    assert ndcg(model, train, held, k=1) == 0


def test_ndcg_of_several_held_out_items_by_hand() -> None:
    """User 0 has places 1 and 3 of an ideal 1 and 2; user 1 scores all alike, which counts last."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=2, n_items=4)
    users, items = np.array([0, 0, 1]), np.array([3, 1, 0])
    held = Interactions.sorted(users, items, n_users=2, n_items=4)
    first = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    second = 1 / np.log2(5)
    model = Fixed([9, 1, 2, 3], [0, 0, 0, 0])
    assert ndcg(model, train, held) == pytest.approx((first + second) / 2)
    assert ndcg(model, train, held, batch_size=1) == pytest.approx((first + second) / 2)


def test_one_pair_is_enough_to_learn() -> None:
    fitted = fit(LightGCN, one_pair(), config())
    scores = fitted.score(torch.tensor([0]))[0]
    assert scores[0] > scores[1]
