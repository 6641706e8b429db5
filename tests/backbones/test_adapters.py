"""Recommenders from elsewhere: score matrices, models of implicit."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from tandemrec.backbones import ImplicitModel, ScoreMatrix
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError
from tandemrec.ranking import rank, similar_users
from tandemrec.training import fit

SCORES = np.array([[3.0, 1.0, 2.0], [0.0, -1.0, 5.0], [6.0, 2.1, 4.0]])
TRAIN = Interactions.sorted(np.array([0, 1]), np.array([0, 2]), n_users=3, n_items=3)


@pytest.mark.parametrize("make", [np.array, np.ndarray.tolist, sparse.csr_array, sparse.coo_matrix])
def test_a_score_matrix_is_ranked(make: Any) -> None:
    best = rank(ScoreMatrix(make(SCORES)), TRAIN, None, 2)
    assert best.items.tolist() == [[2, 1], [0, 1], [0, 2]]
    assert best.scores.tolist() == [[2, 1], [0, -1], [6, 4]]


def test_what_a_sparse_matrix_lacks_can_be_kept_out() -> None:
    matrix = ScoreMatrix(sparse.csr_array(SCORES), missing=-np.inf)
    best = rank(matrix, TRAIN, np.array([1]), 2)
    assert best.items.tolist() == [[1, -1]]
    assert best.scores.tolist() == [[-1, -np.inf]]


def test_similar_users_of_a_matrix_are_by_rows_or_by_embeddings() -> None:
    assert similar_users(ScoreMatrix(SCORES)).tolist() == [2, 0, 0]  # user 1: .472, .467
    by_vector = ScoreMatrix(SCORES, embeddings=np.array([[1, 0], [1, 0.1], [0, 1]]))
    assert similar_users(by_vector).tolist() == [1, 0, 1]


def test_scores_of_minus_infinity_do_not_spoil_similarity() -> None:
    scores = SCORES.copy()
    scores[0, 1] = -np.inf
    assert similar_users(ScoreMatrix(scores)).tolist() == [2, 0, 0]


def test_the_fingerprint_follows_the_content() -> None:
    other = SCORES + np.eye(3)
    assert ScoreMatrix(SCORES).fingerprint == ScoreMatrix(SCORES.copy()).fingerprint
    assert ScoreMatrix(SCORES).fingerprint != ScoreMatrix(other).fingerprint
    one, two = (ScoreMatrix(sparse.csr_array(each)) for each in (SCORES, other))
    assert one.fingerprint != two.fingerprint


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(BackboneError, match=r"two dimensions. Received shape \(3,\)"):
        ScoreMatrix([1.0, 2.0, 3.0])
    with pytest.raises(BackboneError, match=r"each of the 3 users. Received 2"):
        ScoreMatrix(SCORES, embeddings=np.ones((2, 4)))
    with pytest.raises(BackboneError, match=r"\[3, 3\]. Received \[3, 2\]"):
        rank(ScoreMatrix(SCORES[:, :2]), TRAIN, None, 1)


def test_what_only_scores_is_not_fitted() -> None:
    with pytest.raises(BackboneError, match="ScoreMatrix cannot be trained"):
        fit(ScoreMatrix(SCORES), TRAIN)


def test_an_implicit_model_is_its_two_tables() -> None:
    users, items = np.array([[1.0, 0], [0, 2], [3, 0.1]]), np.array([[1.0, 0], [0.5, 1], [0, 3]])
    model = ImplicitModel(SimpleNamespace(user_factors=users, item_factors=items))
    scores = model.score(torch.arange(3))
    np.testing.assert_allclose(scores, users @ items.T, rtol=1e-6)
    assert rank(model, TRAIN, np.array([1]), 1).items.tolist() == [[1]]
    assert similar_users(model).tolist() == [2, 2, 0]


def test_factors_come_over_from_a_gpu() -> None:
    table = SimpleNamespace(to_numpy=lambda: np.eye(3))
    model = ImplicitModel(SimpleNamespace(user_factors=table, item_factors=table))
    assert model.score(torch.arange(3)).tolist() == np.eye(3).tolist()


def test_an_unfit_implicit_model_is_refused() -> None:
    with pytest.raises(BackboneError, match="not fitted"):
        ImplicitModel(SimpleNamespace(user_factors=None, item_factors=None))
    with pytest.raises(BackboneError, match="no user_factors"):
        ImplicitModel(SimpleNamespace(similarity=np.eye(3)))


def test_a_real_implicit_model() -> None:
    als = pytest.importorskip("implicit.als", reason="implicit is not installed")
    from threadpoolctl import threadpool_limits  # implicit brings it

    from tandemrec.data.worlds import checkerboard

    world = checkerboard()
    with threadpool_limits(1, "blas"):  # else implicit warns of threads within threads
        model = als.AlternatingLeastSquares(factors=4, iterations=10, random_state=0)
        model.fit(sparse.csr_matrix(world.matrix), show_progress=False)
    best = rank(ImplicitModel(model), world, None, 1)
    assert (best.items[:, 0] == best.users).all()
