"""What cannot be trained or learnt is named, and what is allowed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tandemrec.backbones import MF, build
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import checkerboard, clubs
from tandemrec.errors import BackboneError, ConfigError, DataError
from tandemrec.training import TrainConfig, fit
from training.fits import Noisy, config, noting
from training.worlds import PAIRS, a_split


def test_what_cannot_be_trained_is_named() -> None:
    with pytest.raises(BackboneError, match="Linear cannot be trained"):
        fit(nn.Linear(2, 2), clubs())
    everything = Interactions.sorted(np.zeros(2, np.int64), np.arange(2), n_users=1, n_items=2)
    with pytest.raises(BackboneError, match="nothing for MF to learn"):
        fit(MF, everything, config())
    with pytest.raises(BackboneError, match="Noisy has no `Config`"):
        fit(Noisy, clubs(), hyper={"width": 3})


def test_a_data_set_is_to_be_split_first_and_settings_have_a_class() -> None:
    data: Any = a_split().data
    with pytest.raises(DataError, match=r"Received: Dataset\. Split a data set first: tr\.leave_l"):
        fit(MF, data, config())
    wrong: Any = {"epochs": 3}
    with pytest.raises(ConfigError, match=r"such as tr\.TrainConfig\(epochs=3\)\. Received: dict"):
        fit(MF, clubs(), wrong)


def test_a_loss_that_is_no_number_is_named() -> None:
    model = build(MF, clubs())
    model.users.weight.data[:] = torch.nan
    with pytest.raises(BackboneError, match=r"became nan in epoch 1. Try a smaller learning_rate"):
        fit(model, clubs(), config())


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="Device 'warp' cannot be used here"):
        fit(MF, clubs(), config(device="warp"))


def test_wrong_extra_triples_are_refused() -> None:
    with pytest.raises(DataError, match="allowed are 0 to 39"):
        fit(MF, clubs(), extra_triples=(np.array([0]), np.array([40]), np.array([1])))
    two: Any = (np.array([0]), np.array([1]))
    with pytest.raises(DataError, match=r"three columns of one length.* \(1,\), \(1,\)"):
        fit(MF, clubs(), extra_triples=two)
    with pytest.raises(DataError, match=r"whole numbers.* Received float64, float64, float64"):
        fit(MF, clubs(), extra_triples=(np.array([0.9]), np.array([1.7]), np.array([2.2])))


def test_validation_of_others_is_refused_before_anything_is_learnt() -> None:
    told: list[float] = []
    with pytest.raises(DataError, match=r"Validation's interactions .* Received: 20 and 20"):
        fit(MF, clubs(), valid=checkerboard(), progress=noting(told))
    assert told == []


def test_settings_of_another_backbone_and_seeds_below_none_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"LightGCN takes the settings LightGCNConfig.*MFConfig"):
        fit("lightgcn", clubs(), hyper=MF.Config())
    with pytest.raises(ConfigError, match=r"seed.*greater than or equal to 0"):
        TrainConfig(seed=-1)


def test_augmented_interactions_of_others_are_refused() -> None:
    with pytest.raises(DataError, match=r"same users and items .* 60 and 40. Received: 20 and 20"):
        fit(MF, clubs(), augmented=checkerboard())


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


def test_content_is_for_content_backbones() -> None:
    train = clubs()
    content = Content.of({"title": np.ones((40, 2))})
    with pytest.raises(BackboneError, match="MF reads no content"):
        fit(MF, train, content=content)
    with pytest.raises(BackboneError, match="this model is built"):
        fit(build(MF, train), train, content=content)


def test_fields_are_for_rating_backbones() -> None:
    train = clubs()
    with pytest.raises(BackboneError, match="MF predicts no ratings, so it reads no fields"):
        fit(MF, train, fields=Fields.of(train))
    with pytest.raises(BackboneError, match="this model is built"):
        fit(build(MF, train), train, fields=Fields.of(train))


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
