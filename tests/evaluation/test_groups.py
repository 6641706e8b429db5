"""Quartiles of activity."""

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.evaluation import UserMetrics, by_activity
from tandemrec.evaluation.groups import by_popularity, means
from tandemrec.evaluation.metrics import of_places


def log(counts: list[int]) -> Interactions:
    users = np.repeat(np.arange(len(counts)), counts)
    return Interactions.sorted(users, users, n_users=len(counts), n_items=len(counts))


def test_quartiles() -> None:
    groups = by_activity(log([8, 1, 2, 3, 4, 5, 6, 7]), np.arange(8))
    assert [group.label for group in groups] == ["1–2", "3–4", "5–6", "7–8"]
    assert [group.users.tolist() for group in groups] == [[1, 2], [3, 4], [5, 6], [0, 7]]


def test_equal_users_stay_together() -> None:
    groups = by_activity(log([3, 3, 3, 3, 9]), np.arange(5))
    assert [(group.label, len(group.users)) for group in groups] == [("3", 4), ("9", 1)]


def test_only_the_users_asked_for() -> None:
    groups = by_activity(log([1, 2, 3, 4]), np.array([0, 3]), parts=2)
    assert [group.users.tolist() for group in groups] == [[0], [3]]
    assert by_activity(log([1, 2]), np.array([], np.int64)) == []


def test_means_per_group_weigh_up_to_the_whole() -> None:
    metrics = UserMetrics(np.arange(4), {"HR@3": np.array([1.0, 0, 0, 0])})
    groups = by_activity(log([1, 2, 3, 4]), np.arange(4), parts=2)
    found = means(metrics, groups)
    assert found == [{"HR@3": 0.5}, {"HR@3": 0.0}]
    sizes = [len(group.users) for group in groups]
    assert np.average([m["HR@3"] for m in found], weights=sizes) == pytest.approx(0.25)


def test_a_user_with_two_held_out_ratings_is_one_user() -> None:
    groups = by_activity(log([1, 2]), np.array([0, 0, 1]), parts=2)
    assert [group.users.tolist() for group in groups] == [[0], [1]]


def test_errors_per_group_are_rooted() -> None:
    """User 0 is off by 1 and 2, user 1 by 3."""
    metrics = UserMetrics(np.array([0, 0, 1]), {"RMSE": np.array([1.0, 4, 9])})
    found = means(metrics, by_activity(log([1, 2]), metrics.users, parts=2))
    assert [each["RMSE"] for each in found] == pytest.approx([2.5**0.5, 3.0])


def test_items_by_popularity() -> None:
    """Items 0 to 3 were met 0, 1, 1 and 4 times; item 4 is not asked for."""
    items = np.array([1, 2, 3, 3, 3, 3, 4, 4])
    train = Interactions.sorted(np.arange(8), items, n_users=8, n_items=5)
    shelves = by_popularity(train, np.array([3, 0, 2, 1, 3]), parts=2)
    assert [(shelf.label, shelf.items.tolist()) for shelf in shelves] == [
        ("0–1", [0, 1, 2]),
        ("4", [3]),
    ]
    assert by_popularity(train, np.array([], np.int64)) == []


def test_recall_by_popularity_adds_up() -> None:
    """User 0 holds out a rare item, which is found, and a popular one, which is not."""
    train = Interactions.sorted(np.arange(4), np.array([1, 1, 1, 0]), n_users=4, n_items=2)
    held = Interactions.sorted(np.array([0, 0]), np.array([0, 1]), n_users=4, n_items=2)
    places = np.array([2, 9])
    masks = [shelf.of(held) for shelf in by_popularity(train, held.items, parts=2)]
    found = [of_places(held.rows(m), places[m], (5,), ("Recall",)).mean("Recall@5") for m in masks]
    assert found == [1, 0] and sum(m.sum() for m in masks) == len(held)
