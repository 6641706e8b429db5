"""Counting places gives what the lists of the whole catalogue give."""

from typing import Any

import numpy as np
import pytest
import torch

import tandemrec as tr
from tandemrec.backbones import ScoreMatrix
from tandemrec.backbones.validation import ndcg
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError, ConfigError, UnknownName
from tandemrec.evaluation import full, per_user
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


DALLREC = ("Recall", "NDCG", "Precision")


@pytest.mark.parametrize("cells", [2**24, 3 * N_ITEMS])
@pytest.mark.parametrize("seed", range(5))
def test_without_a_metric_of_whole_lists_only_the_best_are_looked_at(
    seed: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same values, and where memory holds the scores of three users at a time."""
    monkeypatch.setattr("tandemrec.backbones.scoring.CELLS", cells)
    model, past, truth = world(seed, several=True)
    lists = rank(model, past, None, N_ITEMS)
    for metrics in (DALLREC, (*DALLREC, "MRR")):
        wanted = per_user(lists, truth, (1, 3, 10), metrics)
        found = evaluate(model, past, truth, (1, 3, 10), metrics)
        assert list(found.values) == list(wanted.values)
        for name, each in wanted.values.items():
            np.testing.assert_allclose(found.values[name], each, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("several", [True, False])
def test_no_more_scores_are_held_against_each_other_than_memory_is_to_hold(
    several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One user's scores at a time, and two of his three held-out items."""
    model, past, truth = world(0, several=several)
    whole, heights, read_users = full_places(model, past, truth), [], []
    count, read = full._count, full.scorer
    monkeypatch.setattr("tandemrec.backbones.scoring.CELLS", 2 * N_ITEMS)

    def counted(places: torch.Tensor) -> torch.Tensor:
        heights.append(len(places))
        return count(places)

    def reading(*given: Any) -> Any:
        scores = read(*given)
        return lambda users: (read_users.append(len(users)), scores(users))[1]

    monkeypatch.setattr(full, "_count", counted)
    monkeypatch.setattr(full, "scorer", reading)
    assert (full_places(model, past, truth) == whole).all()
    assert max(heights) == 1 + several and set(read_users) == {1}


@pytest.mark.parametrize("within", [1, 2, 5, 29, 30, 99])
def test_places_within_are_the_places_up_to_there(within: int) -> None:
    for seed in range(5):
        model, past, truth = world(seed, several=True)
        places = full_places(model, past, truth)
        wanted = np.where(places <= within, places, 0)
        assert (full_places(model, past, truth, within=within) == wanted).all()
        assert wanted.any()


def slow(scores: np.ndarray, met: set[int], held: set[int], k: int) -> tuple[float, float]:
    """Recall@k and Precision@k of one user, from a sorted list of all he has not met."""
    order = sorted(set(range(len(scores))) - met, key=lambda item: (-scores[item], item))
    hits = sum(item in held for item in order[:k])
    return hits / len(held), hits / k


@pytest.mark.parametrize("metrics", [DALLREC, ("Recall", "Precision", "MRR")])
def test_against_a_slow_reference(metrics: tuple[str, ...]) -> None:
    """As with the books that ISBNs without zeros repeat: items twice, one held out and met."""
    draw = np.random.default_rng(0)
    scores = draw.normal(size=(12, 70)).astype(np.float32)
    scores[:, ::3] = 0.5
    sizes = {"n_users": 12, "n_items": 70}
    pairs = [(u, i) for u in range(12) for i in draw.integers(70, size=3 + 4 * u)]
    parts = np.array(pairs[::2]).T, np.array(pairs[1::2]).T
    past, truth = (Interactions.sorted(*part, **sizes) for part in parts)
    found = evaluate(ScoreMatrix(scores), past, truth, (10, 20, 50), metrics)
    for row, user in enumerate(found.users):
        for k in (10, 20, 50):
            held = set(truth.of(user).tolist())
            recall, precision = slow(scores[user], set(past.of(user).tolist()), held, k)
            assert found.values[f"Recall@{k}"][row] == pytest.approx(recall)
            assert found.values[f"Precision@{k}"][row] == pytest.approx(precision)


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
    with pytest.raises(UnknownName, match=r"no metric named 'Precison'\. Did you mean 'Precision'"):
        evaluate(model, past, truth, (3,), ("Precison",))
    fitted = tr.fit(tr.MF, past, tr.TrainConfig(epochs=1))
    wanted = per_user(rank(fitted, past, None, 10), truth).values["NDCG@5"]
    assert evaluate(fitted, past, truth).values["NDCG@5"] == pytest.approx(wanted)


@pytest.mark.parametrize("metrics", [("NDCG",), ("MRR",), ("Recall",)])
def test_scores_that_are_no_numbers_are_refused(metrics: tuple[str, ...]) -> None:
    model, past, truth = world(0, several=False)
    model.scores[truth.users[0], truth.items[0]] = np.nan
    with pytest.raises(BackboneError, match=r"ScoreMatrix\.score gave values that are not numbers"):
        evaluate(model, past, truth, metrics=metrics)
    with pytest.raises(BackboneError, match="not numbers"):
        ndcg(model, past, truth)


@pytest.mark.parametrize("n", [N_USERS - 1, N_USERS + 1])
def test_a_matrix_of_other_users_is_refused(n: int) -> None:
    _, past, truth = world(0, several=False)
    with pytest.raises(BackboneError, match=f"scores {n} users, and the data have {N_USERS}"):
        evaluate(ScoreMatrix(np.zeros((n, N_ITEMS))), past, truth)
