import warnings

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.errors import DataError, DataWarning


def rows(*ratings: float) -> Interactions:
    n = len(ratings)
    return Interactions.sorted(
        np.zeros(n, np.int64),
        np.arange(n),
        np.array(ratings, np.float32),
        n_users=1,
        n_items=max(n, 1),
    )


@pytest.mark.parametrize(
    ("ratings", "scale", "labels"),
    [
        ((1, 2, 3, 4, 5), (1, 5, 1), "1 2 3 4 5"),
        ((5, 3, 2, 1), (1, 5, 1), "1 2 3 4 5"),  # nobody gave a 4
        ((10, 1, 2), (1, 10, 1), "1 2 3 4 5 6 7 8 9 10"),
        ((0.5, 1, 3.5, 5), (0.5, 5, 0.5), "0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0"),
        ((1, 3, 5), (1, 5, 2), "1 3 5"),
        ((0, 1), (0, 1, 1), "0 1"),
        ((-1, 0, 1), (-1, 1, 1), "-1 0 1"),
        ((0.1, 0.2, 0.3), (0.1, 0.3, 0.1), "0.1 0.2 0.3"),
        ((3.3, 3.6), (3.3, 3.6, 0.3), "3.3 3.6"),  # neither is exact in 32 bits
        ((0.25, 0.75, 1), (0.25, 1, 0.25), "0.25 0.50 0.75 1.00"),
    ],
)
def test_the_scale_is_read_off_the_ratings(
    ratings: tuple[float, ...], scale: tuple[float, ...], labels: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Scale.of(rows(*ratings))
    assert (found.low, found.high, found.step) == pytest.approx(scale)
    assert list(found.labels) == labels.split()
    assert [float(label) for label in found.labels] == pytest.approx(found.values.tolist())


@pytest.mark.parametrize(
    ("ratings", "labels"),
    [
        ((1, 2, 100), "0 10 20 30 40 50 60 70 80 90 100"),
        ((-9.95, 0.01, 10), "-10 -8 -6 -4 -2 0 2 4 6 8 10"),
        ((1, 1.1, 5), "1 2 3 4 5"),
        ((0.31, 0.32, 0.98), "0 1"),
        ((0, 1, 1000), "0 100 200 300 400 500 600 700 800 900 1000"),
    ],
)
def test_a_finer_scale_is_told_in_whole_labels_and_says_so(
    ratings: tuple[float, ...], labels: str
) -> None:
    with pytest.warns(DataWarning, match="too fine"):
        found = Scale.of(rows(*ratings))
    assert list(found.labels) == labels.split()
    assert found.bounds == pytest.approx((min(ratings), max(ratings)))


@pytest.mark.parametrize(
    ("ratings", "says"),
    [
        ((4, 4, 4), "every rating is 4"),
        ((), "no rating"),
        ((1, float("nan")), "found nan"),
        ((1, float("inf")), "found inf"),
        ((1, 2, 86_400), "counts or"),
        ((1, 1.00001), "every rating is 1"),
    ],
)
def test_what_is_no_scale_is_an_error(ratings: tuple[float, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        Scale.of(rows(*ratings))


@pytest.mark.parametrize("numbers", [(5, 1, 1), (1, 1, 1), (1, 5, 0), (1, 5, 9)])
def test_a_scale_goes_up(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="goes up"):
        Scale(*numbers)


def test_predictions_are_kept_within() -> None:
    assert Scale(1, 5, 1).within(np.array([-3.0, 4.5, 7.0])).tolist() == [1.0, 4.5, 5.0]


def test_the_fingerprint_tells_scales_apart() -> None:
    assert Scale(1, 5, 1).fingerprint == Scale(1, 5, 1).fingerprint != Scale(1, 10, 1).fingerprint
