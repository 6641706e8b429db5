from fractions import Fraction

import numpy as np
import pytest

from tandemrec import aggregate
from tandemrec.aggregate import (
    BlendConfig,
    Grid,
    blend_ratings,
    long_tail,
    pair,
    search,
    search_ratings,
    spread,
    utilities,
    weights,
)
from tandemrec.data.interactions import Interactions
from tandemrec.rankings import Rankings
from tandemrec.ratings import Ratings


def ranked(items: list[list[int]], scores: list[list[float]]) -> Rankings:
    return Rankings(np.arange(len(items)), np.array(items), np.array(scores, np.float32))


BACKBONE = ranked([[5, 7, 9], [1, 2, 3]], [[3, 2, 1], [9, 5, 1]])
LLM = ranked([[9, 7, 5], [2, 1, 3]], [[0, -1, -5], [-1, -2, -3]])


def test_the_long_tail_coefficient_is_equation_4() -> None:
    counts = np.array([0, 1, 9])
    assert long_tail(counts) == pytest.approx([0, np.log(2), np.log(10)])
    assert long_tail(counts, "log") == pytest.approx([0, 0, np.log(9)])
    assert long_tail(counts, "count").tolist() == [0, 1, 9]


def test_the_weights_are_equation_6() -> None:
    """l = 1, 2, 5: the fractions are 1, 3/4 and 0."""
    found = np.array([1.0, 2.0, 5.0])
    assert weights(found, 0.5, 0.3) == pytest.approx([0.5, 0.375, 0.15])
    assert weights(found, 0.5, 0.3, "outside") == pytest.approx([0.5, 0.375, 0.3])


def test_who_is_beyond_the_training_users_counts_as_the_last_of_them() -> None:
    """A user of whom training knows nothing has l = 0, below l_min."""
    found = weights(np.array([0.0, 1.0, 5.0, 9.0]), 0.5, 0.3, bounds=(1.0, 5.0))
    assert found == pytest.approx([0.5, 0.5, 0.15, 0.15])


def test_fewer_interactions_weigh_the_llm_more() -> None:
    alphas = weights(long_tail(np.arange(1, 200)), 0.9, 0.1)
    assert (np.diff(alphas) <= 0).all()
    assert alphas[0] == pytest.approx(0.9)


def test_users_alike_have_no_tail() -> None:
    assert weights(np.full(3, 2.0), 0.5, 0.3) == pytest.approx([0.15] * 3)


def test_rank_utilities_are_minus_the_position() -> None:
    assert utilities(BACKBONE).tolist() == [[-1, -2, -3]] * 2


def test_score_utilities_are_centred_and_scaled() -> None:
    """Deviations are +-1, 0 and +-4, 0: the mean square is (2 + 32) / 6."""
    one = spread(BACKBONE)
    assert one == pytest.approx(np.sqrt(34 / 6))
    assert utilities(BACKBONE, "score", one)[1] == pytest.approx(np.array([4, 0, -4]) / one)


def test_the_blend_is_equation_5() -> None:
    """Ranks of user 0: backbone 5 7 9, LLM 9 7 5. At 0.75: 5 has -.25 - 2.25, 9 has -.75 - .75."""
    lined_up = pair(BACKBONE, LLM, BlendConfig())
    blended = lined_up.blend(np.array([0.75, 0.75]))
    assert blended.items[0].tolist() == [9, 7, 5]
    assert blended.scores[0] == pytest.approx([-1.5, -2.0, -2.5])


def test_shares_are_the_softmax_of_the_scaled_scores() -> None:
    powers = np.exp(BACKBONE.scores[1] / 2)
    assert utilities(BACKBONE, "share", 2.0)[1] == pytest.approx(powers / powers.sum(), rel=1e-6)


def test_a_missing_candidate_has_no_share() -> None:
    items, scores = np.array([[4, 7, -1], [-1] * 3]), np.array([[1.0, 0, -np.inf], [-np.inf] * 3])
    short = Rankings(np.array([0, 1]), items, scores.astype(np.float32))
    shares = utilities(short, "share")
    assert shares[0] == pytest.approx([np.e / (np.e + 1), 1 / (np.e + 1), 0], rel=1e-6)
    assert shares[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("utility", ["rank", "score", "share"])
def test_the_ends_of_the_weight_are_the_two_rankers(utility: str) -> None:
    lined_up = pair(BACKBONE, LLM, BlendConfig(utility=utility))
    assert (lined_up.blend(0.0).items == BACKBONE.items).all()
    assert (lined_up.blend(1.0).items == LLM.items).all()


def test_ties_keep_the_backbones_order() -> None:
    blended = pair(BACKBONE, LLM, BlendConfig()).blend(0.5)
    assert blended.items.tolist() == [[5, 7, 9], [1, 2, 3]]


def test_missing_places_stay_at_the_end() -> None:
    short = ranked([[4, 2, -1]], [[2, 1, -np.inf]])
    other = ranked([[2, 4, -1]], [[5, 1, -np.inf]])
    for utility in ("rank", "score", "share"):
        blended = pair(short, other, BlendConfig(utility=utility)).blend(0.9)
        assert blended.items.tolist() == [[2, 4, -1]]


def test_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        pair(BACKBONE, ranked([[9, 7, 4], [2, 1, 3]], [[3, 2, 1]] * 2), BlendConfig())
    with pytest.raises(ValueError, match="same users"):
        pair(BACKBONE, LLM.of(np.array([1, 0])), BlendConfig())


def test_the_grid_is_searched_without_the_ranking_being_made_again() -> None:
    """User 0's target is the LLM's first item, so the most weight must win."""
    lined_up = pair(BACKBONE, LLM, BlendConfig())
    found = np.array([0.0, 1.0])

    def first_is_nine(rankings: Rankings) -> float:
        return float(rankings.items[0, 0] == 9)

    grid = search(lined_up, found, first_is_nine, BlendConfig(), bounds=(0.0, 1.0))
    assert grid.best == (0.7, 0.1)  # the smallest alpha1 above one half; alpha2 does not matter
    assert len(grid.values) == len(grid.values[0]) == 5
    assert sum(map(sum, grid.values)) == 10  # alpha1 of 0.7 and 0.9, with all five alpha2


def test_one_seen_user_is_blended_on_the_scale_of_validation() -> None:
    lined_up = pair(BACKBONE, LLM, BlendConfig(utility="score"))
    one = np.array([1])
    alone = pair(BACKBONE.of(one), LLM.of(one), BlendConfig(utility="score"), lined_up.spreads)
    assert alone.blend(0.3).scores[0] == pytest.approx(lined_up.blend(0.3).scores[1])
    assert aggregate.spread(BACKBONE.of(np.array([], np.int64))) == 1.0


def rated(*values: float, users: tuple[int, ...] = (0, 1, 1)) -> Ratings:
    return Ratings(np.array(users), np.array([4, 2, 3]), np.array(values))


STARS = Interactions.sorted(
    np.array([0, 1, 1]), np.array([4, 2, 3]), np.array([4, 2, 5], np.float32), n_users=2, n_items=5
)


def test_ratings_are_blended_by_equation_5() -> None:
    found = blend_ratings(rated(3, 3, 3), rated(5, 1, 4), np.array([0.25, 0.5, 0.0]))
    assert found.values.tolist() == [3.5, 2.0, 3.0]
    assert found.users.tolist() == [0, 1, 1] and found.items.tolist() == [4, 2, 3]
    assert blend_ratings(rated(3, 3, 3), rated(5, 1, 4), 1.0).values.tolist() == [5, 1, 4]
    assert blend_ratings(rated(3, 3, 3), rated(5, 1, 4), 0.0).values.tolist() == [3, 3, 3]


def test_ratings_of_other_pairs_are_refused() -> None:
    other = rated(5, 1, 4, users=(0, 0, 1))
    with pytest.raises(ValueError, match="same pairs"):
        blend_ratings(rated(3, 3, 3), other, 0.5)
    with pytest.raises(ValueError, match="held-out pairs"):
        search_ratings(other, other, np.zeros(3), STARS, BlendConfig(), bounds=(0.0, 1.0))


def test_weights_of_ratings_are_chosen_by_rmse() -> None:
    """User 0 is in the tail (weight a = alpha1), user 1 at its end (alpha1 * alpha2). Off by 1 - a,
    and with alpha2 = .1 by .6 a and .8 a: the sum of squares is (1 - a)^2 + a^2, least at .5."""
    backbone, llm = rated(3, 2, 5), rated(4, 8, -3)
    grid = search_ratings(
        backbone, llm, np.array([0.0, 1.0, 1.0]), STARS, BlendConfig(), bounds=(0.0, 1.0)
    )
    assert grid.lower and grid.best == (0.5, 0.1)
    assert grid.values[2][0] == pytest.approx(np.sqrt(0.5 / 3))


def test_the_smaller_weight_wins_ties_in_whatever_order_they_are_tried() -> None:
    flat = BlendConfig(alpha1=(0.9, 0.5), alpha2=(0.7, 0.3))
    same = rated(3, 3, 3)
    grid = search_ratings(same, same, np.zeros(3), STARS, flat, bounds=(0.0, 1.0))
    assert grid.best == (0.5, 0.3)
    assert Grid((0.9, 0.5), (0.7, 0.3), ((1.0, 1.0), (1.0, 1.0))).best == (0.5, 0.3)


def test_a_grid_knows_which_way_is_better() -> None:
    values = ((0.9, 0.8), (0.95, 0.85))
    assert Grid((0.1, 0.5), (0.3, 0.7), values, lower=True).best == (0.1, 0.7)
    assert Grid((0.1, 0.5), (0.3, 0.7), values).best == (0.5, 0.3)


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.7, 0.9])
def test_ties_keep_the_backbones_order_however_they_are_rounded(alpha: float) -> None:
    """Against exact arithmetic."""
    rng, exact = np.random.default_rng(0), Fraction(round(10 * alpha), 10)
    items = np.stack([rng.permutation(10) for _ in range(60)])
    said = np.stack([rng.permutation(row) for row in items])
    scores = np.tile(-np.arange(10.0, dtype=np.float32), (60, 1))
    one, two = (Rankings(np.arange(60), each, scores) for each in (items, said))
    blended = pair(one, two, BlendConfig()).blend(alpha).items
    for row, mine, theirs in zip(blended, items.tolist(), said.tolist(), strict=True):
        worth = [-exact * theirs.index(item) - (1 - exact) * n for n, item in enumerate(mine)]
        order = sorted(range(10), key=lambda n, worth=worth: -worth[n])  # stable
        assert row.tolist() == [mine[n] for n in order]
