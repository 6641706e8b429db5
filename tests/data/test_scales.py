import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.errors import DataError


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
        ((0, 1, 10), (0, 10, 1), "0 1 2 3 4 5 6 7 8 9 10"),
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
        ((0, 1, 1000), "0 100 200 300 400 500 600 700 800 900 1000"),
    ],
)
def test_a_finer_scale_is_told_in_whole_labels(ratings: tuple[float, ...], labels: str) -> None:
    found = Scale.of(rows(*ratings))
    assert found.coarse and list(found.labels) == labels.split()
    assert found.bounds == pytest.approx((min(ratings), max(ratings)))


@pytest.mark.parametrize(
    ("ratings", "labels"),
    [
        ((0, 0.01, 1), "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0"),
        ((0.31, 0.32, 0.98), "0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0"),
        ((3.2, 3.21, 3.4), "3.20 3.22 3.24 3.26 3.28 3.30 3.32 3.34 3.36 3.38 3.40"),
        ((1, 1.1, 4), "1.0 1.5 2.0 2.5 3.0 3.5 4.0"),
        ((-0.35, -0.34, 0.3), "-0.4 -0.3 -0.2 -0.1 0.0 0.1 0.2 0.3"),
        ((2.5, 2.5001, 2.5012), "2.5000 2.5002 2.5004 2.5006 2.5008 2.5010 2.5012"),
    ],
)
def test_a_narrow_one_is_told_in_parts_of_one(ratings: tuple[float, ...], labels: str) -> None:
    """Whole labels would be fewer than five."""
    found = Scale.of(rows(*ratings))
    assert found.coarse and list(found.labels) == labels.split()
    assert [float(label) for label in found.labels] == pytest.approx(found.values.tolist())


@pytest.mark.parametrize(
    ("ratings", "bounds", "scale"),
    [
        ((2, 3, 4), (1, 5), (1, 5, 1)),
        ((2, 4), (1, 5), (1, 5, 1)),
        ((1, 3), (1, 5), (1, 5, 2)),
        ((4, 4), (0.5, 5), (0.5, 5, 0.5)),
    ],
)
def test_a_scale_that_is_known_goes_as_far_as_it_says(
    ratings: tuple[float, ...], bounds: tuple[float, float], scale: tuple[float, ...]
) -> None:
    found = Scale.of(rows(*ratings), bounds)
    assert (found.low, found.high, found.step) == pytest.approx(scale)


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
