"""Negatives are never met, each equally likely; extra triples join once, as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemrec.data import batches, blocks
from tandemrec.data.batches import Rated, rated, stated, triples
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import checkerboard, clubs
from tandemrec.errors import DataError


def world(pairs: list[tuple[int, int]], n_users: int, n_items: int) -> Interactions:
    users, items = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Interactions.sorted(users, items, n_users=n_users, n_items=n_items)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=40),
    st.integers(0, 2**32 - 1),
)
def test_what_is_drawn_was_never_met(pairs: list[tuple[int, int]], seed: int) -> None:
    train = world(pairs, 5, 7)  # pairs may repeat
    unmet = train.unmet
    everybody = np.arange(5)
    assert unmet.counts(everybody).tolist() == [7 - len(set(train.of(u))) for u in range(5)]
    users = np.repeat(everybody[unmet.counts(everybody) > 0], 20)
    drawn = unmet.draw(users, np.random.default_rng(seed))
    assert not train.met(users, drawn).any()
    assert ((drawn >= 0) & (drawn < 7)).all()


def test_every_unmet_item_is_drawn_equally_often() -> None:
    train = world([(0, 0), (0, 2), (0, 3), (1, 1)], 2, 6)
    drawn = train.unmet.draw(np.zeros(30_000, np.int64), np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=6) / 30_000
    np.testing.assert_allclose(shares, [0, 1 / 3, 0, 0, 1 / 3, 1 / 3], atol=0.02)


def test_an_epoch_holds_every_interaction_once_in_a_new_order() -> None:
    train, rng = clubs(), np.random.default_rng(0)
    one, two = (list(triples(train, 32, rng)) for _ in range(2))
    assert [len(batch.users) for batch in one[:-1]] == [32] * (len(one) - 1)
    pairs = [torch.cat([b.users * train.n_items + b.liked for b in e]).numpy() for e in (one, two)]
    expected = np.sort(train.users * train.n_items + train.items)
    assert (np.sort(pairs[0]) == expected).all() and (np.sort(pairs[1]) == expected).all()
    assert (pairs[0] != pairs[1]).any()


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table is a long one."""
    for module in (batches, blocks):
        monkeypatch.setattr(module, "LONG", 10)


@pytest.mark.usefixtures("long")
def test_an_epoch_of_a_long_table_holds_every_interaction_and_statement_once() -> None:
    train, said = clubs(), (np.array([3, 3, 59]), np.array([0, 1, 2]), np.array([5, 6, 7]))
    epoch = list(triples(train, 32, np.random.default_rng(0), said))
    assert [len(batch.users) for batch in epoch[:-1]] == [32] * (len(epoch) - 1)
    found = np.stack([torch.cat(column).numpy() for column in zip(*epoch, strict=True)], axis=1)
    stated_rows = {tuple(row) for row in np.stack(said, axis=1).tolist()}
    own = np.array([row for row in found.tolist() if tuple(row) not in stated_rows])
    assert len(own) == len(train) and len(found) == len(train) + 3
    pairs = np.sort(own[:, 0] * train.n_items + own[:, 1])
    assert (pairs == np.sort(train.users * train.n_items + train.items)).all()
    assert not train.met(own[:, 0], own[:, 2]).any()


@pytest.mark.usefixtures("long")
def test_a_long_table_leaves_out_users_who_met_everything() -> None:
    train = world([(0, i) for i in range(4)] + [(u, 1) for u in range(1, 12)], 12, 4)
    found = torch.cat([batch.users for batch in triples(train, 5, np.random.default_rng(0))])
    assert sorted(found.tolist()) == list(range(1, 12))


def test_the_same_seed_gives_the_same_epoch() -> None:
    one, two = (list(triples(clubs(), 50, np.random.default_rng(5))) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_who_met_everything_is_left_out() -> None:
    train = world([(0, 0), (0, 1), (1, 0)], 2, 2)
    (batch,) = triples(train, 10, np.random.default_rng(0))
    assert [column.tolist() for column in batch] == [[1], [0], [1]]


def test_extra_triples_join_once_as_they_are() -> None:
    train = checkerboard(6)
    extra = (np.array([0, 0, 3]), np.array([1, 3, 2]), np.array([5, 5, 4]))
    (batch,) = triples(train, 1000, np.random.default_rng(0), extra)
    rows = list(zip(*(column.tolist() for column in batch), strict=True))
    assert len(rows) == len(train) + 3
    assert all(rows.count(row) == 1 for row in zip(*(c.tolist() for c in extra), strict=True))


def test_wrong_extra_triples_are_named() -> None:
    train = checkerboard(6)
    with pytest.raises(DataError, match="one length"):
        stated((np.array([0]), np.array([1, 2]), np.array([1])), train)
    with pytest.raises(DataError, match=r"name a user .* from 9 to 9; allowed are 0 to 5"):
        stated((np.array([9]), np.array([1]), np.array([2])), train)
    with pytest.raises(DataError, match="name an item"):
        stated((np.array([0]), np.array([1]), np.array([-1])), train)


def test_an_epoch_of_ratings_holds_each_with_its_context_once_in_a_new_order() -> None:
    rows = clubs()
    numbers = np.arange(len(rows), dtype=np.float32)
    train = replace(rows, ratings=numbers, context={"half": numbers + 0.5})
    fields, rng = Fields.of(train), np.random.default_rng(0)
    whole = Rated.of(train, fields)
    one, two = (list(rated(whole, 32, rng)) for _ in range(2))
    assert [len(batch.users) for batch in one[:-1]] == [32] * (len(one) - 1)
    for epoch in (one, two):
        columns = [torch.cat(column) for column in zip(*epoch, strict=True)]
        order = columns[2].argsort()
        assert all(torch.equal(a[order], b) for a, b in zip(columns, whole, strict=True))
    assert not torch.equal(one[0].ratings, two[0].ratings)


def test_pairs_anywhere_have_unknown_context() -> None:
    train = replace(clubs(), context={"half": np.arange(len(clubs())) + 0.5})
    fields = Fields.of(train)
    pairs = Rated.anywhere(torch.tensor([0, -1]), torch.tensor([3, 4]), fields)
    assert pairs.slots.tolist() == [[fields.unknown[2]]] * 2
    assert pairs.weights.tolist() == [[1.0]] * 2 and pairs.slots.dtype == torch.int32


@pytest.mark.parametrize(
    ("n", "size", "sizes"), [(65, 64, [65]), (129, 64, [64, 65]), (1, 64, [1])]
)
def test_no_rating_is_a_batch_by_itself_beside_others(n: int, size: int, sizes: list[int]) -> None:
    rows = Interactions.sorted(np.zeros(n, int), np.arange(n), n_users=1, n_items=n)
    whole = Rated.of(rows, Fields.of(rows))
    found = list(rated(whole, 64, np.random.default_rng(0)))
    assert [len(batch.items) for batch in found] == sizes
    assert sorted(torch.cat([batch.items for batch in found]).tolist()) == list(range(n))
