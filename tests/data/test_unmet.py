"""The set of pairs tells what it holds, whatever falls beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemrec.data import blocks, unmet
from tandemrec.data.interactions import Interactions
from tandemrec.data.unmet import Pairs
from tandemrec.data.worlds import clubs

PAIRS = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 11)), max_size=60)


def met(pairs: set[tuple[int, int]], n_users: int, n_items: int) -> Interactions:
    users, items = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    return Interactions.sorted(users, items, n_users=n_users, n_items=n_items)


@pytest.mark.parametrize("long", [2**22, 0])
@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_a_set_holds_what_it_was_made_of_and_nothing_else(
    long: int, inside: set[tuple[int, int]]
) -> None:
    """Also where all pairs look likely."""
    pairs = Pairs.of(met(inside, 8, 12).matrix)
    users, items = np.divmod(np.arange(8 * 12), 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unmet, "LONG", long)
        found = pairs.held(users, items)
        pairs.marks[:] = bool(inside)
        assert (pairs.held(users, items) == found).all()
    assert set(zip(users[found].tolist(), items[found].tolist(), strict=True)) == inside


def test_large_numbers_of_items_do_not_overflow_into_the_set() -> None:
    last = 2**31 - 2
    pairs = Pairs.of(met({(0, 0), (2, 5), (2, last)}, 3, last + 1).matrix)
    users, items = np.array([2, 2, 0, 1, 0, 2]), np.array([last, last - 1, last, last, 0, 5])
    assert pairs.held(users, items).tolist() == [0, 4, 5]


def test_many_users_are_marked_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    world, whole = clubs(), clubs().unmet
    monkeypatch.setattr(unmet, "PART", 16 * 7)
    pairs = Pairs.of(world.matrix)
    assert (pairs.marks == whole.met.marks).all() and pairs.marks.any()


def test_draws_for_many_rows_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmet, "LONG", 10)
    monkeypatch.setattr(blocks.parts, "__defaults__", (10,))
    train = met({(0, 0), (0, 2), (0, 3), (1, 1)}, 2, 6)
    drawn = train.unmet.draw(np.repeat([0, 1], 15_000), np.random.default_rng(0))
    first, second = (np.bincount(part, minlength=6) / 15_000 for part in drawn.reshape(2, -1))
    np.testing.assert_allclose(first, [0, 1 / 3, 0, 0, 1 / 3, 1 / 3], atol=0.02)
    np.testing.assert_allclose(second, [0.2, 0, 0.2, 0.2, 0.2, 0.2], atol=0.02)


@pytest.mark.parametrize("long", [2**22, 0])
def test_unmet_items_go_by_number(long: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """User 0 met 0, 3 and 4 of six items, user 1 nothing, user 2 all but 4."""
    monkeypatch.setattr(unmet, "LONG", long)
    users, items = np.array([0, 0, 0, *[2] * 5]), np.array([4, 0, 3, 0, 1, 2, 3, 5])
    sampler = Interactions.sorted(users, items, n_users=3, n_items=6).unmet
    assert sampler.counts(np.arange(3)).tolist() == [3, 6, 1]
    asked, numbers = np.array([0, 0, 0, 2, *[1] * 6]), np.array([0, 1, 2, 0, *range(6)])
    assert sampler.numbered(asked, numbers).tolist() == [1, 2, 5, 4, *range(6)]


@pytest.mark.parametrize("long", [2**22, 0])
@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_every_unmet_item_has_its_number(long: int, inside: set[tuple[int, int]]) -> None:
    sampler = met(inside, 8, 12).unmet
    unmet_items = [[n for n in range(12) if (user, n) not in inside] for user in range(8)]
    users = np.repeat(np.arange(8), [*map(len, unmet_items)])
    numbers = np.array([n for items in unmet_items for n in range(len(items))], dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unmet, "LONG", long)
        found = sampler.numbered(users, numbers)
    assert found.tolist() == [item for items in unmet_items for item in items]
