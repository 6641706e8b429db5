"""Metrics against numbers worked out by hand, and against a plain reference."""

from math import log2
from pathlib import Path

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.evaluation import UserMetrics, per_user, places, rating_errors
from tandemrec.evaluation.metrics import best, better, of_places, winner
from tandemrec.rankings import Rankings
from tandemrec.ratings import Ratings


def rankings(rows: dict[int, list[int]]) -> Rankings:
    items = np.array(list(rows.values()), np.int64)
    scores = np.where(items < 0, -np.inf, -np.arange(items.shape[1])).astype(np.float32)
    return Rankings(np.array(list(rows)), items, scores)


def truth(pairs: list[tuple[int, int]], n_users: int = 5, n_items: int = 9) -> Interactions:
    users, items = np.array(pairs, np.int64).T
    return Interactions.sorted(users, items, n_users=n_users, n_items=n_items)


def test_one_held_out_item_by_hand() -> None:
    found = per_user(
        rankings({1: [7, 3, 4, 5, 6], 0: [2, 4, 8, 1, 0]}), truth([(0, 1), (1, 7)]), ks=(3, 5)
    )
    assert found.users.tolist() == [0, 1]
    assert list(found.values) == ["HR@3", "NDCG@3", "HR@5", "NDCG@5", "MRR"]
    assert found.values["HR@3"].tolist() == [0, 1]
    assert found.values["HR@5"].tolist() == [1, 1]
    assert found.values["NDCG@5"].tolist() == pytest.approx([1 / log2(5), 1])
    assert found.values["MRR"].tolist() == [0.25, 1]
    assert found.means()["HR@3"] == 0.5


def test_two_held_out_items_are_held_against_the_ideal() -> None:
    found = per_user(rankings({0: [8, 1, 2]}), truth([(0, 1), (0, 2), (0, 3)]), ks=(1, 3))
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    assert found.values["NDCG@3"][0] == pytest.approx((1 / log2(3) + 1 / log2(4)) / ideal)
    assert found.values["NDCG@1"][0] == found.values["HR@1"][0] == 0
    assert found.values["MRR"][0] == 0.5


def test_a_user_without_a_ranking_counts() -> None:
    found = per_user(rankings({0: [1, 2, 3]}), truth([(0, 1), (3, 1)]), ks=(3,))
    assert found.users.tolist() == [0, 3]
    assert found.means() == {"HR@3": 0.5, "NDCG@3": 0.5, "MRR": 0.5}


def test_a_ranking_without_a_held_out_item_does_not_count() -> None:
    found = per_user(rankings({0: [1, 2, 3], 2: [1, 2, 3]}), truth([(0, 1)]), ks=(3,))
    assert found.users.tolist() == [0]


def test_a_missing_place_is_no_hit() -> None:
    """Item -1 of user 1 must not be taken for the last item of user 0."""
    found = per_user(rankings({1: [4, -1, -1]}), truth([(0, 8), (1, 3)]), ks=(3,))
    assert found.means() == {"HR@3": 0, "NDCG@3": 0, "MRR": 0}


def test_places() -> None:
    ranked = rankings({0: [2, 4, 8], 1: [7, 3, 4]})
    assert places(ranked, truth([(0, 8), (1, 7), (2, 2)])).tolist() == [3, 1, 0]


def test_short_rankings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"HR@5 needs rankings of at least 5 places. Received: 3"):
        per_user(rankings({0: [1, 2, 3]}), truth([(0, 1)]), ks=(3, 5))


def test_a_list_of_the_whole_small_catalogue_is_long_enough() -> None:
    found = per_user(rankings({0: [1, 2, 0]}), truth([(0, 2)], n_items=3), ks=(10,))
    assert found.values["NDCG@10"][0] == pytest.approx(1 / log2(3))


@pytest.mark.parametrize("rows", [{0: [1, 1, 2]}])
def test_an_item_twice_is_refused(rows: dict[int, list[int]]) -> None:
    with pytest.raises(ValueError, match="twice"):
        per_user(rankings(rows), truth([(0, 1)]), ks=(3,))


def test_a_user_twice_is_refused() -> None:
    twice = Rankings(np.array([0, 0]), np.array([[1], [2]]), np.zeros((2, 1), np.float32))
    with pytest.raises(ValueError, match="one row"):
        per_user(twice, truth([(0, 1)]), ks=(1,))


ALL = ("HR", "Recall", "Precision", "NDCG", "MRR")


def test_recall_and_precision_by_hand() -> None:
    """Four held-out items: one in the first place, one in the third, two not in the list."""
    held = truth([(0, 1), (0, 2), (0, 3), (0, 4), (1, 8)])
    ranked = rankings({0: [1, 7, 2, 6], 1: [0, 1, 2, 3]})
    found = per_user(ranked, held, ks=(1, 2, 3), metrics=("Recall", "NDCG", "Precision"))
    assert list(found.values) == [
        f"{name}@{k}" for k in (1, 2, 3) for name in ("Recall", "NDCG", "Precision")
    ]
    assert found.values["Recall@1"].tolist() == [1 / 4, 0]  # of all four, not of the one place
    assert found.values["Recall@3"].tolist() == [2 / 4, 0]
    assert found.values["Precision@1"].tolist() == [1, 0]
    assert found.values["Precision@2"].tolist() == [1 / 2, 0]
    assert found.values["Precision@3"].tolist() == [pytest.approx(2 / 3), 0]
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    assert found.values["NDCG@3"][0] == pytest.approx((1 + 1 / log2(4)) / ideal)


def test_metrics_of_places() -> None:
    """As of lists; an item that is held out twice counts once, one without a place as a miss."""
    held = truth([(0, 1), (0, 2), (0, 2), (1, 8)])
    found = of_places(held, np.array([4, 1, 1, 0]), (1, 4), ALL)
    wanted = per_user(rankings({0: [2, 5, 6, 1]}), held, (1, 4), ALL)
    assert found.values["Recall@1"].tolist() == [1 / 2, 0]
    assert found.values["Precision@4"].tolist() == [1 / 2, 0]
    for name, values in wanted.values.items():
        np.testing.assert_allclose(found.values[name], values, err_msg=name)


def test_metrics_that_there_are_not() -> None:
    ranked, held = rankings({0: [1, 2, 3]}), truth([(0, 1)])
    with pytest.raises(UnknownName, match=r"no metric named 'recall'\. Did you mean 'Recall'"):
        per_user(ranked, held, (3,), ("recall",))
    for none in ((), "HR"):
        with pytest.raises(ConfigError, match=r"Name one or more metrics of HR, Recall, Prec"):
            per_user(ranked, held, (3,), none)
    with pytest.raises(ConfigError, match=r"Recall@5 needs rankings of at least 5 places"):
        per_user(ranked, held, (5,), ("Recall",))


def plain(ranked: list[int], held_out: set[int], k: int) -> dict[str, float]:
    """The metrics of one user, as one would write them down."""
    gains = [1 / log2(place + 2) if item in held_out else 0 for place, item in enumerate(ranked)]
    ideal = sum(1 / log2(place + 2) for place in range(min(k, len(held_out))))
    hits = len(held_out.intersection(ranked[:k]))
    return {
        "HR": float(any(gains[:k])),
        "Recall": hits / len(held_out),
        "Precision": hits / k,
        "NDCG": sum(gains[:k]) / ideal,
    }


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_a_plain_reference(seed: int) -> None:
    draw = np.random.default_rng(seed)
    pairs = [
        (int(u), int(i))
        for u, i in zip(draw.integers(30, size=80), draw.integers(25, size=80), strict=True)
    ]
    rows = {u: draw.permutation(25)[:12].tolist() for u in draw.permutation(30)[:20].tolist()}
    found = per_user(rankings(rows), truth(pairs, 30, 25), metrics=ALL)
    for row, user in enumerate(found.users.tolist()):
        held_out = {item for u, item in pairs if u == user}
        for k in (3, 5, 10):
            for name, value in plain(rows.get(user, []), held_out, k).items():
                assert found.values[f"{name}@{k}"][row] == pytest.approx(value)


def test_some_users() -> None:
    found = per_user(rankings({0: [1, 2, 3], 1: [4, 5, 6]}), truth([(0, 1), (1, 7)]), ks=(3,))
    assert found.of(np.array([1])).means()["HR@3"] == 0
    assert found.of(np.array([0])).means()["HR@3"] == 1
    assert found.of(np.array([], np.int64)).means()["HR@3"] == 0


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = per_user(rankings({0: [1, 2, 3], 1: [4, 5, 6]}), truth([(0, 3), (1, 7)]), ks=(3,))
    found.save(tmp_path / "new")
    again = UserMetrics.load(tmp_path / "new")
    assert again.means() == found.means()
    assert again.fingerprint == found.fingerprint
    other = per_user(rankings({0: [1, 3, 2], 1: [4, 5, 6]}), truth([(0, 3), (1, 7)]), ks=(3,))
    assert other.fingerprint != found.fingerprint


def held_out(stars: list[float]) -> Interactions:
    """User 0 has two held-out ratings, user 2 one."""
    users, items = np.array([0, 0, 2]), np.array([4, 1, 4])
    ratings = np.array(stars, np.float32)
    return Interactions.sorted(users, items, ratings, n_users=3, n_items=5)


def said(*values: float) -> Ratings:
    return Ratings(np.array([0, 0, 2]), np.array([4, 1, 4]), np.array(values))


def test_errors_of_ratings_by_hand() -> None:
    """Off by 1, -2 and 0: a mean square of 5 / 3, a mean of 1."""
    found = rating_errors(said(5, 1, 3), held_out([4, 3, 3]))
    assert found.users.tolist() == [0, 0, 2]
    assert found.values["RMSE"].tolist() == [1, 4, 0] and found.values["MAE"].tolist() == [1, 2, 0]
    assert found.means() == pytest.approx({"RMSE": (5 / 3) ** 0.5, "MAE": 1.0})
    assert found.of(np.array([0])).means() == pytest.approx({"RMSE": 2.5**0.5, "MAE": 1.5})
    assert found.of(np.array([1])).means() == {"RMSE": 0.0, "MAE": 0.0}


def test_errors_are_saved_and_loaded(tmp_path: Path) -> None:
    found = rating_errors(said(5, 1, 3), held_out([4, 3, 3]))
    found.save(tmp_path)
    again = UserMetrics.load(tmp_path)
    assert again.fingerprint == found.fingerprint and again.means() == found.means()


def test_ratings_of_other_pairs_are_refused() -> None:
    truth = held_out([4, 3, 3])
    for other in (said(5, 1, 3).of(np.array([1, 0, 2])), said(5, 1, 3).of(np.array([0, 1]))):
        with pytest.raises(ValueError, match="held-out pairs, in the same order"):
            rating_errors(other, truth)
    with pytest.raises(ValueError, match="not finite"):
        rating_errors(said(5, np.nan, 3), truth)


def test_a_missing_held_out_rating_is_named() -> None:
    with pytest.raises(ConfigError, match=r"1 of 3 without, .* user number 0 for item number 1\."):
        rating_errors(said(5, 1, 3), held_out([4, np.nan, 3]))


def test_what_is_better_depends_on_the_metric() -> None:
    assert better("NDCG@5", 0.2, 0.1) and not better("NDCG@5", 0.1, 0.1)
    assert better("RMSE", 0.1, 0.2) and better("MAE", 0.1, 0.2) and not better("MAE", 0.1, 0.1)
    assert best("HR@3", [0.1, 0.3]) == 0.3 and best("RMSE", [0.1, 0.3]) == 0.1
    assert winner("RMSE", [0.3, None, 0.1]) == 0.1 and winner("HR@3", [0.3, None, 0.1]) == 0.3
    assert winner("RMSE", [0.1, 0.1, 0.3]) is None and winner("RMSE", [0.1, 0.3, 0.3]) == 0.1
    assert winner("RMSE", [0.1, None]) is None and winner("HR@3", []) is None
