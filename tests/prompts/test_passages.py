import numpy as np

from tandemrec.data.interactions import Interactions
from tandemrec.prompts.passages import Passages


def world() -> Interactions:
    rows = {0: [1, 2, 3], 1: [9, 8, 2, 3, 7, 6], 2: [3, 5], 3: [1, 2, 3, 4], 4: [0]}
    users = np.repeat(list(rows), [len(items) for items in rows.values()])
    items = np.concatenate([np.array(items) for items in rows.values()])
    times = np.arange(len(items))
    return Interactions.sorted(users, items, times=times, n_users=5, n_items=10)


def found(n: int, length: int, recent: int, user: int = 0) -> list[list[int]]:
    history = world().of(user)
    return [list(map(int, p)) for p in Passages(world()).of(history, user, n, length, recent)]


def test_the_best_passages_hold_the_latest_items() -> None:
    """User 3 holds 3 (1), 2 (.71) and 1 (.58); user 1 holds 3 and 2; user 2 holds 3 alone."""
    assert found(3, 4, 3) == [[1, 2, 3, 4], [9, 8, 2, 3], [3, 5]]


def test_a_passage_stays_within_one_user_and_within_its_length() -> None:
    assert found(3, 2, 3) == [[2, 3], [2, 3], [3, 5]]  # users 1 and 3 tie: the first row wins
    assert found(1, 100, 3) == [[1, 2, 3, 4]]


def test_only_recent_items_count() -> None:
    assert [p for p in found(9, 2, 1) if 3 not in p] == []


def test_nobody_quotes_himself() -> None:
    assert found(9, 3, 1, user=4) == []  # nobody else met item 0


def test_the_same_as_looking_at_every_window() -> None:
    """Against the plain way, on random histories."""
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(8), 12), rng.integers(0, 20, 96)
    train = Interactions.sorted(users, items, times=np.arange(96), n_users=8, n_items=20)
    for user in range(8):
        history = train.of(user)
        worth = {int(item): 0.0 for item in history[-5:]}
        for place, item in enumerate(history[::-1][:5], 1):
            worth[int(item)] += 1 / np.sqrt(place)
        best = [
            max(
                sum(worth.get(int(item), 0.0) for item in train.of(other)[start : start + 4])
                for start in range(12)
            )
            for other in range(8)
            if other != user
        ]
        ours = Passages(train).of(history, user, 3, 4, 5)
        values = [sum(worth.get(int(item), 0.0) for item in passage) for passage in ours]
        assert np.allclose(values, sorted(best, reverse=True)[:3])


def about(items: list[int], n: int = 9, length: int = 4, recent: int = 3) -> list[list[int]]:
    history = world().of(0)  # 1, 2, 3
    passages = Passages(world()).of(history, 0, n, length, recent, np.array(items, np.int64))
    return [list(map(int, passage)) for passage in passages]


def test_about_candidates_only_passages_that_hold_one_are_quoted() -> None:
    """User 1's best window with a 7 is 2, 3, 7, 6; his best of all, 9, 8, 2, 3, holds none."""
    assert about([7]) == [[2, 3, 7]]  # and of that window, 6 is neither met nor a candidate
    assert about([4, 5]) == [[1, 2, 3, 4], [3, 5]]
    assert about([0]) == []  # no window has it beside a match
    assert about([]) == []


def test_among_equal_matches_more_candidates_win() -> None:
    assert about([8, 7]) == [[8, 2, 3, 7]]  # not 9, 8, 2, 3, which comes first and holds one
