"""Early stopping: measured on validation alone, and the best epoch is kept."""

from dataclasses import replace

import numpy as np
import pytest

from tandemrec.backbones import MF, LightGCN
from tandemrec.backbones.validation import ndcg, recall, rmse
from tandemrec.data.split import Split
from tandemrec.errors import ConfigError, DataError
from tandemrec.training import fit
from training.fits import config, same
from training.worlds import SMALL, a_split, added, tiny


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


def test_training_is_stopped_by_the_metric_that_is_asked_for() -> None:
    split = a_split()
    asked = config(epochs=60, every=1, patience=60, valid_metric="Recall@3")
    fitted = fit(MF, split, asked, hyper=SMALL)
    values = [point.valid for point in fitted.curve]
    assert fitted.valid_metric == "Recall@3" and fitted.best_epoch == np.argmax(values) + 1
    assert fitted.best_valid == recall(fitted.model, split.train, split.valid, k=3)
    own = fit(MF, split, asked.model_copy(update={"valid_metric": "NDCG@10"}), hyper=SMALL)
    assert [point.loss for point in own.curve] == [point.loss for point in fitted.curve]
    assert own.best_epoch != fitted.best_epoch


def test_a_metric_of_another_task_is_refused() -> None:
    split = a_split()
    with pytest.raises(ConfigError, match=r"DeepFM predicts ratings, .* RMSE. Rec.*: 'Recall@20'"):
        fit("deepfm", split, config(valid_metric="Recall@20"), hyper=tiny("deepfm"))
    with pytest.raises(ConfigError, match=r"MF ranks items, .* NDCG@k or Recall@k\. Rec.*: 'RMSE'"):
        fit(MF, split, config(valid_metric="RMSE"), hyper=SMALL)
    with pytest.raises(ConfigError, match=r"Setting 'valid_metric' of TrainConfig: .* 'recall@20'"):
        config(valid_metric="recall@20")


def test_ratings_are_kept_where_they_are_least_off() -> None:
    split = a_split()
    fitted = fit("deepfm", split, config(epochs=60, every=2, patience=3), hyper=tiny("deepfm"))
    measured = {point.epoch: point.valid for point in fitted.curve if point.valid is not None}
    assert fitted.best_epoch == min(measured, key=lambda epoch: (measured[epoch], epoch))
    assert len(fitted.curve) == fitted.best_epoch + 2 * 3 < 60
    assert rmse(fitted.model, split.train, split.valid) == fitted.best_valid


def test_the_last_epoch_is_measured_too() -> None:
    fitted = fit(MF, a_split(), config(epochs=3, every=5), hyper=SMALL)
    assert [point.valid is not None for point in fitted.curve] == [False, False, True]


def test_test_interactions_are_not_touched() -> None:
    split = a_split()
    nothing = split.test.rows(np.zeros(len(split.test), bool))
    blind = Split(split.data, split.train, split.valid, nothing)
    assert same(fit(MF, split, config(), hyper=SMALL), fit(MF, blind, config(), hyper=SMALL))


def test_validation_leaves_out_what_was_met_and_nothing_else() -> None:
    """An added item may be what was held out: it must still be asked for."""
    split = a_split()
    known = added(split.train, split.valid.users, split.valid.items)
    fitted = fit(LightGCN, split, config(epochs=30, every=30), hyper=SMALL, augmented=known)
    assert fitted.best_valid == ndcg(fitted.model, split.train, split.valid) > 0.5


def test_an_item_that_is_held_out_twice_counts_once() -> None:
    split = a_split()
    fitted = fit(MF, split, config(epochs=5), hyper=SMALL)
    twice = split.valid.with_rows(split.valid)
    for measure in (ndcg, recall):
        once = measure(fitted.model, split.train, split.valid)
        assert measure(fitted.model, split.train, twice) == once


def test_a_missing_rating_in_validation_is_refused() -> None:
    split = a_split()
    ratings = split.valid.ratings.copy()
    ratings[3] = np.nan
    with pytest.raises(DataError, match="Validation has 1 rows without a rating"):
        fit("deepfm", split, config(epochs=2), valid=replace(split.valid, ratings=ratings))
