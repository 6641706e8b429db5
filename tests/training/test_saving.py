"""What was fitted is the same when it is loaded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backbones.kinds import RATING, reads
from tandemrec.backbones import BACKBONES, MF, Fitted, LightGCN, build
from tandemrec.backbones.mf import MFConfig
from tandemrec.config import Settings
from tandemrec.data.worlds import clubs
from tandemrec.errors import BackboneError, RunError
from tandemrec.predicting import predict
from tandemrec.training import fit
from training.fits import Noisy, config
from training.worlds import a_split, tiny, with_more


@pytest.mark.parametrize("backbone", [MF, LightGCN, Noisy])
def test_what_is_fitted_can_be_saved_and_loaded(backbone: type, tmp_path: Path) -> None:
    fitted = fit(backbone, a_split(), config(epochs=6))
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    users = torch.arange(60)
    assert torch.equal(loaded.score(users), fitted.score(users))
    assert loaded.fingerprint == fitted.fingerprint
    assert (loaded.curve, loaded.best_epoch) == (fitted.curve, fitted.best_epoch)


class Scale(Settings):
    scale: float = 1.0


class Scaled(MF):
    """One that keeps its settings nowhere."""

    Config = Scale  # type: ignore[assignment]

    def __init__(self, settings: Scale, train: Any) -> None:
        super().__init__(MFConfig(width=4), train)
        del self.config
        self.factor = settings.scale

    def score(self, queries: Any) -> Any:
        return self.factor * super().score(queries)


def test_settings_are_kept_for_a_class_that_does_not(tmp_path: Path) -> None:
    fitted = fit(Scaled, a_split(), config(epochs=2), hyper={"scale": 5})
    fitted.save(tmp_path / "one")
    users = torch.arange(60)
    assert torch.equal(Fitted.load(tmp_path / "one").score(users), fitted.score(users))
    by_hand = fit(Scaled(Scale(scale=5), clubs()), clubs(), config(epochs=2))
    with pytest.raises(BackboneError, match=r"this Scaled was built with .* `self.config`"):
        by_hand.save(tmp_path / "two")


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
