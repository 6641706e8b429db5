"""The paired t-test against a textbook example and its edge cases."""

import math

import numpy as np
import pytest
from scipy import stats

from tandemrec.errors import ConfigError
from tandemrec.evaluation import UserMetrics, improvement, over_runs, over_users, paired
from tandemrec.evaluation.compare import varies


def measured(*values: float, users: tuple[int, ...] | None = None) -> UserMetrics:
    ids = np.array(users or range(len(values)), np.int64)
    return UserMetrics(ids, {"NDCG@5": np.array(values, np.float64)})


def test_by_hand() -> None:
    """Differences 1 to 5: mean 3, sd sqrt(2.5), t = 3 / sqrt(2.5 / 5); t(4, .975) = 2.776."""
    found = paired(np.array([1.0, 3, 5, 7, 9]), np.array([0.0, 1, 2, 3, 4]))
    assert found.mean_difference == 3
    assert found.t == pytest.approx(3 / math.sqrt(0.5))
    assert (found.df, found.n) == (4, 5)
    assert found.p_value == pytest.approx(0.013236, abs=1e-5)
    half = 2.776445 * math.sqrt(0.5)
    assert found.ci95 == pytest.approx((3 - half, 3 + half), abs=1e-4)


def test_equal_to_the_paired_test_of_scipy() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.random(40), draw.random(40)
    assert paired(a, b).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired(b, a).mean_difference == -paired(a, b).mean_difference


def test_identical_arrays_do_not_differ() -> None:
    same = np.array([0.1, 0.2, 0.3])
    found = paired(same, same)
    assert (found.mean_difference, found.ci95, found.t, found.p_value) == (0, (0, 0), 0, 1)


def test_a_constant_difference_is_certain() -> None:
    found = paired(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.3, 0.4]))
    assert (found.t, found.p_value) == (-math.inf, 0)
    assert found.ci95 == pytest.approx((-0.1, -0.1))


def test_runs_vary_or_not() -> None:
    same = [measured(1, 0, 0)] * 3
    assert not varies(same, "NDCG@5") and not varies(same[:1], "NDCG@5")
    assert varies([*same, measured(1, 1, 0)], "NDCG@5")


def test_one_pair_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"at least two pairs. Received: 1.*--seeds 2"):
        paired(np.ones(1), np.zeros(1))


def test_over_users_takes_each_users_mean_over_the_runs() -> None:
    a = [measured(1, 0, 0), measured(0, 1, 0)]  # means .5 .5 0
    b = [measured(0, 0, 0), measured(0, 0, 0)]
    found = over_users(a, b, "NDCG@5")
    assert found == paired(np.array([0.5, 0.5, 0]), np.zeros(3))
    assert found.n == 3


def test_over_runs_takes_each_runs_mean_over_the_users() -> None:
    a = [measured(1, 0, 0), measured(1, 1, 0), measured(1, 1, 1)]
    b = [measured(0, 0, 0)] * 3
    found = over_runs(a, b, "NDCG@5")
    assert found.mean_difference == pytest.approx(2 / 3)
    assert found.n == 3


def test_other_users_or_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="same users"):
        over_users([measured(1, 0)], [measured(1, 0, users=(0, 2))], "NDCG@5")
    with pytest.raises(ValueError, match="same runs"):
        over_runs([measured(1, 0)], [], "NDCG@5")


def test_improvement_is_in_percent() -> None:
    assert improvement(0.06, 0.05) == pytest.approx(20)
    assert improvement(0.04, 0.05) == pytest.approx(-20)
    assert improvement(0.04, 0.0) is None


def errors(*values: float, users: tuple[int, ...] | None = None) -> UserMetrics:
    """How far ratings are off, by default one of each user."""
    off = np.array(values, np.float64)
    of_whom = np.array(users or range(len(off)), np.int64)
    return UserMetrics(of_whom, {"RMSE": off**2, "MAE": np.abs(off)})


def test_squared_errors_are_tested_and_their_difference_told_as_rmse() -> None:
    """Squares 4 4 1 1 and 1 1 4 0: RMSE of the root of 2.5 and 1.5."""
    a, b = errors(2, 2, 1, 1), errors(1, 1, 2, 0)
    squares = paired(np.array([4.0, 4, 1, 1]), np.array([1.0, 1, 4, 0]))
    found = over_users([a], [b], "RMSE")
    assert (found.p_value, found.t, found.n) == (squares.p_value, squares.t, 4)
    assert found.mean_difference == pytest.approx(2.5**0.5 - 1.5**0.5)
    scale = found.mean_difference / squares.mean_difference
    assert found.ci95 == pytest.approx([end * scale for end in squares.ci95])
    plain = over_users([a], [b], "MAE")
    assert plain == paired(np.array([2.0, 2, 1, 1]), np.array([1.0, 1, 2, 0]))


@pytest.mark.parametrize("users", [(0, 0, 0, 4, 7), (9, 9, 9, 2, 1)])
def test_a_user_with_several_ratings_is_one_pair(users: tuple[int, ...]) -> None:
    """User 0 holds out three ratings: squares 4 1 1 and 1 1 1, means 2 and 1."""
    a, b = errors(2, 1, 1, 2, 0, users=users), errors(1, 1, 1, 1, 1, users=users)
    squares = paired(np.array([2.0, 4, 0]), np.array([1.0, 1, 1]))
    found = over_users([a], [b], "RMSE")
    assert (found.n, found.p_value, found.t) == (3, squares.p_value, squares.t)
    assert found.mean_difference == pytest.approx(2**0.5 - 1)
    plain = over_users([a], [b], "MAE")
    assert plain == paired(np.array([4 / 3, 2, 0]), np.array([1.0, 1, 1]))
    assert a.mean("RMSE") == pytest.approx((10 / 5) ** 0.5), "the metric is over all ratings"


def test_ratings_of_one_user_are_no_evidence_of_their_own() -> None:
    """A hundred ratings of each of two users, who disagree."""
    users = tuple(np.repeat([0, 1], 100).tolist())
    a, b = (errors(*np.repeat(off, 100), users=users) for off in ([1, 2], [3, 2]))
    assert over_users([a], [b], "MAE").p_value == pytest.approx(0.5)


def test_one_rating_of_each_user_gives_the_same_to_the_last_digit() -> None:
    """In whatever order users stand."""
    draw = np.random.default_rng(0)
    a, b = draw.random((2, 3, 500))
    for users in (tuple(range(500)), tuple(draw.permutation(500).tolist())):
        ours, theirs = ([errors(*run, users=users) for run in runs] for runs in (a, b))
        found = over_users(ours, theirs, "MAE")
        assert found == paired(a.mean(axis=0), b.mean(axis=0))


def test_no_error_at_all_is_no_difference() -> None:
    found = over_users([errors(0, 0, 0)], [errors(0, 0, 0)], "RMSE")
    assert (found.mean_difference, found.p_value) == (0, 1)


def test_runs_are_compared_by_the_metric_itself() -> None:
    """Roots of 1 and 4, and of 0 and 1."""
    found = over_runs([errors(1, 1), errors(2, 2)], [errors(0, 0), errors(1, 1)], "RMSE")
    assert found == paired(np.array([1.0, 2]), np.array([0.0, 1]))


def test_improvement_of_errors_is_by_how_much_they_are_less() -> None:
    assert improvement(0.95, 1.0, "RMSE") == pytest.approx(5)
    assert improvement(1.1, 1.0, "MAE") == pytest.approx(-10)
    assert improvement(1.1, 1.0, "NDCG@5") == pytest.approx(10)
    assert improvement(1.1, 0.0, "RMSE") is None
