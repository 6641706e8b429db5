"""Early stopping: measured on validation alone, and the best epoch is kept."""

import numpy as np

from tandemrec.backbones import MF, LightGCN
from tandemrec.backbones.scoring import ndcg, rmse
from tandemrec.data.split import Split
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
