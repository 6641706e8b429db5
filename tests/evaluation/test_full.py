"""Counting places gives what the lists of the whole catalogue give."""

import numpy as np
import pytest

import tandemrec as tr
from tandemrec.backbones import ScoreMatrix
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError
from tandemrec.evaluation import per_user
from tandemrec.evaluation.full import evaluate, full_places
from tandemrec.ranking import rank

N_USERS, N_ITEMS = 40, 30


def world(seed: int, several: bool) -> tuple[ScoreMatrix, Interactions, Interactions]:
    """Scores of five different values, so that most are tied; some are -inf."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(5, size=(N_USERS, N_ITEMS)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.05] = -np.inf
    rows = [rng.permutation(N_ITEMS)[:12] for _ in range(N_USERS)]
    held = [1 + (several and user % 3) for user in range(N_USERS)]
    past = [(u, i) for u, items in enumerate(rows) for i in items[held[u] :]]
    truth = [(u, i) for u, items in enumerate(rows) if u % 7 for i in items[: held[u]]]
    sizes = {"n_users": N_USERS, "n_items": N_ITEMS}
    parts = (Interactions.sorted(*np.array(each).T, **sizes) for each in (past, truth))
    return ScoreMatrix(scores), *parts


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_as_the_lists_of_the_whole_catalogue(seed: int, several: bool) -> None:
    model, past, truth = world(seed, several)
    lists = per_user(rank(model, past, None, N_ITEMS), truth, (1, 3, 10, 30))
    found = evaluate(model, past, truth, (1, 3, 10, 30), batch_size=7)
    assert (found.users == lists.users).all() and list(found.values) == list(lists.values)
    for name, each in lists.values.items():
        np.testing.assert_allclose(found.values[name], each, atol=1e-12, err_msg=name)


def test_places_by_hand() -> None:
    """User 0 met item 0; of 5, 3, 5, 3 stay 3, 5, 3: item 3 ties with item 1 and is third."""
    scores = np.array([[5, 3, 5, 3], [-np.inf, 1, 2, 0]], np.float32)
    sizes = {"n_users": 2, "n_items": 4}
    past = Interactions.sorted(np.array([0]), np.array([0]), **sizes)
    truth = Interactions.sorted(np.array([0, 0, 1, 1]), np.array([3, 1, 0, 3]), **sizes)
    assert full_places(ScoreMatrix(scores), past, truth).tolist() == [3, 2, 0, 3]


def test_a_fitted_model_and_cut_offs() -> None:
    model, past, truth = world(0, False)
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate(model, past, truth, (0, 3))
    fitted = tr.fit(tr.MF, past, tr.TrainConfig(epochs=1))
    wanted = per_user(rank(fitted, past, None, 10), truth).values["NDCG@5"]
    assert evaluate(fitted, past, truth).values["NDCG@5"] == pytest.approx(wanted)
