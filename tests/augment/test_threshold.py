"""The threshold of a yes, against counting by hand."""

from pathlib import Path

import numpy as np
import pytest

from tandemrec.augment.threshold import Threshold


def asked(likes: list[float], dislikes: list[float]) -> Threshold:
    n = len(likes) + len(dislikes)
    liked = np.arange(n) < len(likes)
    return Threshold(np.arange(n), np.arange(n), liked, np.array(likes + dislikes, np.float64))


def test_balanced_accuracy_at_every_threshold() -> None:
    """Likes at 0.4 and 0.2, dislikes at 0.3 and 0.1."""
    cuts, accuracy = asked([0.4, 0.2], [0.3, 0.1]).curve
    np.testing.assert_allclose(cuts, [0.0, 0.15, 0.25, 0.35, 0.5])
    np.testing.assert_allclose(accuracy, [0.5, 0.75, 0.5, 0.75, 0.5])


def test_of_equal_thresholds_the_one_nearest_to_one_half() -> None:
    found = asked([0.4, 0.2], [0.3, 0.1])
    assert found.value == pytest.approx(0.35) and found.accuracy == 0.75
    assert found.greedy == 0.5
    nothing = asked([0.3, 0.3], [0.3, 0.3])
    assert (nothing.value, nothing.accuracy, nothing.auc) == (0.5, 0.5, 0.5)


def test_a_threshold_says_yes_from_itself_on() -> None:
    found = asked([0.5], [0.4])
    assert found.greedy == 1.0 and found.value == 0.5


def test_sides_of_different_sizes_count_alike() -> None:
    found = asked([0.9], [0.1, 0.1, 0.95])
    assert found.accuracy == pytest.approx((1 + 2 / 3) / 2)


def test_auc_counts_pairs_and_half_of_ties() -> None:
    assert asked([0.4, 0.2], [0.3, 0.1]).auc == 0.75
    assert asked([0.4, 0.3], [0.3, 0.1]).auc == pytest.approx(3.5 / 4)
    rng = np.random.default_rng(0)
    likes, dislikes = np.round(rng.random(40), 1), np.round(rng.random(30), 1)
    above = likes[:, None] - dislikes[None, :]
    by_hand = ((above > 0) + 0.5 * (above == 0)).mean()
    assert asked(likes.tolist(), dislikes.tolist()).auc == pytest.approx(by_hand)


def test_the_interval_holds_the_true_auc_as_often_as_it_says() -> None:
    """Normal scores a standard deviation apart have an AUC of 0.7602."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        found = asked((rng.normal(size=50) + 1).tolist(), rng.normal(size=50).tolist())
        low, high = found.interval
        assert 0 < low < found.auc < high < 1
        held += low < 0.76025 < high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize(("likes", "dislikes"), [([0.9] * 50, [0.1] * 50), ([0.1] * 5, [0.9] * 5)])
def test_a_whole_win_is_not_certain(likes: list[float], dislikes: list[float]) -> None:
    low, high = asked(likes, dislikes).interval
    assert 0 <= low < high <= 1 and high - low > 0.01
    assert asked([0.3], [0.2]).interval == (0.0, 1.0)


def test_an_unreadable_answer_is_a_no() -> None:
    found = asked([0.4, float("nan")], [0.1, float("nan")])
    assert found.rejected == {"unreadable": 2}
    assert found.accuracy == pytest.approx(0.75) and found.value == pytest.approx(0.25)
    assert found.auc == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert found.curve[0].min() == 0.0 and found.curve[1][0] == 0.5


def test_it_is_saved_and_known_again(tmp_path: Path) -> None:
    found = asked([0.4, 0.2], [0.3, 0.1])
    found.save(tmp_path)
    again = Threshold.load(tmp_path)
    assert (again.fingerprint, again.value) == (found.fingerprint, found.value)
    assert asked([0.4, 0.2], [0.3, 0.0]).fingerprint != found.fingerprint
