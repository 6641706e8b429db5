"""Neighbours by faiss: all of them where few are compared, most where cells are looked into."""

import sys

import numpy as np
import pytest

from tandemrec import nearest
from tandemrec.backbones import ScoreMatrix
from tandemrec.errors import ConfigError
from tandemrec.ranking import neighbours, similar_users

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(30, 8))
VECTORS = CENTRES[RNG.integers(30, size=600)] + 0.1 * RNG.normal(size=(600, 8))
MODEL = ScoreMatrix(np.zeros((600, 3)), embeddings=VECTORS)


def test_few_users_are_compared_with_all() -> None:
    pytest.importorskip("faiss")
    asked = np.array([599, 3, 0])
    exact, found = neighbours(MODEL, asked, 4), neighbours(MODEL, asked, 4, way="faiss")
    assert found.items.tolist() == exact.items.tolist()
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-5)
    assert (found.users == asked).all()


def test_most_are_found_in_the_nearest_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    exact = similar_users(MODEL)
    monkeypatch.setattr(nearest, "EXACT", 100)
    shares = []
    for probed in (1, 32):
        monkeypatch.setattr(nearest, "PROBED", probed)
        found = similar_users(MODEL, way="faiss")
        assert (found != np.arange(600)).all()
        shares.append((found == exact).mean())
    assert 0.5 < shares[0] < shares[1] and shares[1] > 0.95


def test_a_short_row_and_no_users() -> None:
    pytest.importorskip("faiss")
    model = ScoreMatrix(np.zeros((2, 3)), embeddings=[[1.0, 0.0], [1.0, 1.0]])
    found = neighbours(model, k=3, way="faiss")
    assert found.items.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert found.scores[:, 1:].tolist() == [[-np.inf] * 2] * 2
    assert neighbours(model, np.array([], np.int64), 3, way="faiss").items.shape == (0, 3)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigError, match="pip install faiss-cpu"):
        similar_users(MODEL, way="faiss")
