"""Splits by hand: which row goes where, what a tie in time decides, what a core keeps."""

import numpy as np
import polars as pl
import pytest

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.frame import from_frames
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split, k_core, leave_last_out, ratio_split, released
from tandemrec.errors import DataError

Row = tuple[int, int, int]  # user, item, time


def data(rows: list[Row], **features: pl.DataFrame) -> Dataset:
    users, items, times = np.array(rows).T
    sizes = {"n_users": int(users.max()) + 1, "n_items": int(items.max()) + 1}
    ratings = np.arange(len(rows), dtype=np.float32)  # the row's place in the source
    table = Interactions.sorted(users, items, ratings, times, **sizes)
    user_ids = [f"u{n}" for n in range(sizes["n_users"])]
    item_ids = [f"i{n}" for n in range(sizes["n_items"])]
    titles = [f"Film {n}" for n in range(sizes["n_items"])]
    return Dataset("by hand", table, Catalogue(user_ids, item_ids, titles, **features))


def pairs(rows: Interactions) -> list[tuple[int, int]]:
    return list(zip(rows.users.tolist(), rows.items.tolist(), strict=True))


def test_the_last_is_test_and_the_one_before_validation() -> None:
    split = leave_last_out(
        data([(0, 3, 40), (0, 1, 10), (0, 2, 30), (0, 0, 20), (1, 2, 3), (1, 1, 2), (1, 0, 1)])
    )
    assert pairs(split.train) == [(0, 1), (0, 0), (1, 0)]
    assert pairs(split.valid) == [(0, 2), (1, 1)]
    assert pairs(split.test) == [(0, 3), (1, 2)]


def test_a_tie_in_time_is_broken_by_the_place_in_the_source() -> None:
    split = leave_last_out(data([(0, 3, 7), (0, 1, 7), (0, 2, 7), (0, 0, 7)]))
    assert pairs(split.train) == [(0, 3), (0, 1)]
    assert pairs(split.valid) == [(0, 2)]
    assert pairs(split.test) == [(0, 0)]


def test_time_comes_before_the_place_in_the_source() -> None:
    """Of three at time 5 the last in the source is test, though a row of time 1 stands after it."""
    split = leave_last_out(data([(0, 9, 5), (0, 4, 5), (0, 6, 5), (0, 2, 1)]))
    assert pairs(split.train) == [(0, 2), (0, 9)]
    assert (pairs(split.valid), pairs(split.test)) == ([(0, 4)], [(0, 6)])


@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_the_tie_rule_holds_from_a_file_on(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Interleaved users, ids that sort against their order in the file."""
    file = tmp_path / "log.csv"
    rows = ["b,z,5", "a,z,5", "b,y,5", "a,x,5", "b,x,5", "a,y,5", "b,w,4"]
    file.write_text("user,item,time\n" + "\n".join(rows) + "\n")
    split = leave_last_out(from_frames(file))
    ids = split.catalogue
    held = {str(ids.user_ids[u]): str(ids.item_ids[i]) for u, i in pairs(split.test)}
    assert held == {"a": "y", "b": "x"}
    before = {str(ids.user_ids[u]): str(ids.item_ids[i]) for u, i in pairs(split.valid)}
    assert before == {"a": "x", "b": "y"}


def test_ratings_and_times_stay_with_their_rows() -> None:
    split = leave_last_out(data([(0, 3, 40), (0, 1, 10), (0, 2, 30)]))
    parts = [split.train, split.valid, split.test]
    assert [part.ratings.tolist() for part in parts] == [[1], [2], [0]]
    assert [part.times.tolist() for part in parts] == [[10], [30], [40]]
    assert {(part.n_users, part.n_items) for part in parts} == {(1, 4)}


def test_who_has_fewer_than_three_stays_in_training_whole() -> None:
    split = leave_last_out(data([(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 2), (1, 2, 3)]))
    assert pairs(split.train) == [(0, 0), (0, 1), (1, 0)]
    assert set(split.test.users) == set(split.valid.users) == {1}
    with pytest.raises(DataError, match=r"nobody can be split.*2 interactions of 1 users"):
        leave_last_out(data([(0, 0, 1), (0, 1, 2)]))


def test_before_test_is_training_and_validation_in_order() -> None:
    split = leave_last_out(data([(0, 5, 1), (0, 4, 2), (0, 3, 3), (1, 0, 9), (1, 1, 8), (1, 2, 7)]))
    assert pairs(split.before_test) == [(0, 5), (0, 4), (1, 2), (1, 1)]


TEN = [(0, item, time) for time, item in enumerate([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])]


def test_shares_are_cut_in_time_order() -> None:
    split = ratio_split(data([*TEN, (1, 0, 5), (1, 1, 4)]), 0.6, 0.2)
    assert [i for u, i in pairs(split.train) if u == 0] == [3, 1, 4, 0, 5, 9]
    assert [i for u, i in pairs(split.valid) if u == 0] == [2, 6]
    assert [i for u, i in pairs(split.test) if u == 0] == [8, 7]
    assert [i for u, i in pairs(split.train) if u == 1] == [1]  # the first of two


def test_a_random_cut_follows_its_seed_and_loses_nothing() -> None:
    whole = data([*TEN, *[(1, item, time) for _, item, time in TEN]])
    one, again, other = (ratio_split(whole, 0.6, 0.2, by_time=False, seed=s) for s in (1, 1, 2))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    in_time = ratio_split(whole, 0.6, 0.2)
    assert pairs(one.train) != pairs(in_time.train)
    for split in (one, other):
        parts = [*pairs(split.train), *pairs(split.valid), *pairs(split.test)]
        assert sorted(parts) == sorted(pairs(whole.interactions))
        assert split.train.counts.tolist() == [6, 6] and split.test.counts.tolist() == [2, 2]


def test_everybody_keeps_something_to_learn_from() -> None:
    split = ratio_split(data([(0, 0, 1), (1, 0, 1), (1, 1, 2)]), 0.1, 0.1)
    assert split.train.counts.tolist() == [1, 1]


def test_no_validation_is_a_split_but_negative_shares_are_none() -> None:
    split: Split = ratio_split(data(TEN), 0.8, 0)
    assert (len(split.train), len(split.valid), len(split.test)) == (8, 0, 2)
    for shares in ((0.0, 0.1), (0.8, 0.2), (0.8, -0.1), (1.0, 0.0)):
        with pytest.raises(DataError, match=rf"leave some for test. Received: {shares[0]} and"):
            ratio_split(data(TEN), *shares)


def test_a_random_cut_is_eight_one_one_for_each_user() -> None:
    rows = [(user, item, item) for user in range(30) for item in range(20)]
    split = ratio_split(data(rows), by_time=False, seed=3)
    for part, size in ((split.train, 16), (split.valid, 2), (split.test, 2)):
        assert part.counts.tolist() == [size] * 30
    assert len(np.unique(split.test.items)) > 10  # not the last two of everybody


def test_a_pair_that_is_there_twice_is_not_held_out() -> None:
    rows = [(0, item, 0) for item in (0, 1, 2, 3, 4, 4)]
    for seed in range(5):
        for split in (
            ratio_split(data(rows), 0.4, 0.3, by_time=False, seed=seed),
            released(labelled(rows, ["train"] * 5 + ["test"]), 0.9, by_time=seed > 2, seed=seed),
        ):
            assert (0, 4) in pairs(split.train) and (0, 4) not in pairs(split.valid)
    assert (0, 4) not in pairs(ratio_split(data(rows), 0.4, 0.3).test)


def labelled(rows: list[Row], parts: list[str]) -> Dataset:
    """Rows in order, and what the column "part" says of each."""
    users, items, times = np.array(rows).T
    context = {"part": np.array(parts), "hour": np.arange(len(rows))}
    sizes = {"n_users": int(users.max()) + 1, "n_items": int(items.max()) + 1}
    table = Interactions.sorted(users, items, None, times, **sizes, context=context)
    user_ids, item_ids = ([f"{kind}{n}" for n in range(9)] for kind in "ui")
    return Dataset("theirs", table, Catalogue(user_ids, item_ids, item_ids))


def test_a_released_split_is_as_it_says() -> None:
    rows = [(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 1), (1, 2, 2)]
    split = released(labelled(rows, ["train", "test", "valid", "train", "test"]))
    assert pairs(split.train) == [(0, 0), (1, 0)]
    assert pairs(split.valid) == [(0, 2)]  # there is one, so none is drawn
    assert pairs(split.test) == [(0, 1), (1, 2)]
    assert list(split.train.context) == ["hour"] and split.test.context["hour"].tolist() == [1, 4]


def test_validation_is_drawn_where_there_is_none() -> None:
    rows = [(user, item, item) for user in range(3) for item in range(9)]
    whole = labelled([*rows, (3, 0, 0), (3, 1, 1)], (["train"] * 8 + ["test"]) * 3 + ["train"] * 2)
    one, again, other = (released(whole, 0.25, by_time=False, seed=n) for n in (1, 1, 2))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert one.train.counts.tolist() == [6, 6, 6, 2] and one.valid.counts.tolist() == [2, 2, 2, 0]
    assert pairs(one.test) == [(user, 8) for user in range(3)]
    assert sorted(pairs(one.before_test)) == sorted(
        (u, i) for u, i in pairs(whole.interactions) if (i < 8 or u == 3)
    )
    drawn = {tuple(one.valid.of(user)) for user in range(3)}
    assert len(drawn) > 1  # each user's own draw
    last = released(whole, 0.25)
    assert pairs(last.valid) == [(user, item) for user in range(3) for item in (6, 7)]
    assert last.train.counts.tolist() == [6, 6, 6, 2]
    assert released(whole, 0.99).train.counts.tolist() == [1, 1, 1, 1]
    assert len(released(whole, 0).valid) == 0


def test_what_cannot_be_a_released_split() -> None:
    rows = [(0, 0, 1), (0, 1, 2), (0, 2, 3)]
    with pytest.raises(DataError, match=r"by hand has no column 'part' .*context=\['part'\]"):
        released(data(rows))
    wrong = r"column 'part': expected train, valid or test, found 'Test' in theirs for user u0 and "
    with pytest.raises(DataError, match=wrong + r"item i1, one of 2 rows\."):
        released(labelled(rows, ["train", "Test", ""]))
    with pytest.raises(DataError, match="found nothing in theirs"):
        released(labelled(rows, ["train", "", "test"]))
    for parts, absent in ((["train", "valid", "valid"], "test"), (["test"] * 3, "train")):
        with pytest.raises(DataError, match=f"no row of theirs says {absent}"):
            released(labelled(rows, parts))
    with pytest.raises(DataError, match=r"from 0 to below 1. Received: 1"):
        released(labelled(rows, ["train", "train", "test"]), 1)


@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_a_released_split_of_ones_own_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "log.csv"
    file.write_text("user,item,Part\na,x,train\nb,x,train\na,y, test\nb,z,valid\nb,y,test\n")
    split = released(from_frames(file, context=["part"]))
    assert pairs(split.train) == [(0, 0), (1, 0)] and pairs(split.valid) == [(1, 2)]
    assert pairs(split.test) == [(0, 1), (1, 1)]
    file.write_text("user,item,part\na,x,0\na,y,1\n")
    with pytest.raises(DataError, match=r"found '0.0' in data for user a and item x"):
        released(from_frames(file, context=["part"]))


CORE = [
    *[(0, 1, 1), (0, 2, 2), (0, 4, 3)],
    *[(1, 1, 1), (1, 2, 2)],
    *[(3, 1, 9), (3, 2, 8), (3, 3, 7)],
    (4, 3, 5),  # leaves, and so item 3 has one user left, and leaves too
]


def test_a_core_is_cut_until_nothing_more_leaves() -> None:
    core = k_core(data(CORE), users=2, items=2)
    assert core.catalogue.user_ids == ["u0", "u1", "u3"]
    assert core.catalogue.item_ids == ["i1", "i2"]
    assert core.interactions.counts.min() >= 2 and core.interactions.popularity.min() >= 2


def test_a_core_is_numbered_anew_and_keeps_its_names_and_order() -> None:
    features = pl.DataFrame({"year": [1990 + n for n in range(5)]})
    ages = pl.DataFrame({"age": [20 + n for n in range(5)]})
    core = k_core(data(CORE, items=features, users=ages), users=2, items=2)
    rows, catalogue = core.interactions, core.catalogue
    assert (rows.n_users, rows.n_items) == (3, 2)
    assert pairs(rows) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 0)]
    assert catalogue.titles == ["Film 1", "Film 2"]
    assert catalogue.items["year"].to_list() == [1991, 1992]
    assert catalogue.users["age"].to_list() == [20, 21, 23]
    assert rows.times.tolist() == [1, 2, 1, 2, 8, 9]
    assert rows.ratings.tolist() == [0, 1, 3, 4, 6, 5]  # the rows that they were
    assert catalogue.user("u3") == 2 and catalogue.item("i2") == 1


def test_a_core_of_one_drops_the_unmet_alone() -> None:
    """Numbers 2 of the users and 0 of the items stand for nobody and nothing."""
    core = k_core(data(CORE), users=1, items=1)
    assert len(core.interactions) == len(CORE)
    assert core.catalogue.user_ids == ["u0", "u1", "u3", "u4"]
    assert core.catalogue.item_ids == ["i1", "i2", "i3", "i4"]


def test_the_whole_is_left_as_it_was() -> None:
    whole = data(CORE)
    before = whole.fingerprint
    k_core(whole, 2, 2)
    assert whole.fingerprint == before and len(whole.interactions) == len(CORE)


def test_a_core_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"Nothing is left of by hand after the 9-core of users"):
        k_core(data(CORE), users=9, items=1)


def test_context_goes_through_splits_and_cores() -> None:
    users, items = np.array([0, 0, 0, 0, 1, 1, 1, 2]), np.array([0, 1, 2, 3, 0, 1, 2, 0])
    told = {"place": np.char.add("u", np.char.add(users.astype(str), items.astype(str)))}
    rows = Interactions.sorted(users, items, n_users=3, n_items=4, context=told)
    data = Dataset("told", rows, Catalogue(range(3), range(4), list("abcd")))

    def right(part: Interactions) -> bool:
        texts = [f"u{u}{i}" for u, i in zip(part.users, part.items, strict=True)]
        return part.context["place"].tolist() == texts

    for split in (leave_last_out(data), ratio_split(data, 0.5, 0.25)):
        parts = (split.train, split.valid, split.test, split.before_test)
        assert all(right(part) for part in parts)
        assert len(split.before_test) == len(split.train) + len(split.valid)
    kept = k_core(data, users=3, items=2).interactions
    assert kept.n_users == 2 and right(kept)


def test_what_holds_data_is_shown_in_a_line() -> None:
    whole = labelled([(0, 0, 1), (0, 1, 2), (0, 2, 3)], ["train", "valid", "test"])
    assert repr(whole) == "Dataset('theirs': 3 interactions of 1 user and 3 items)"
    assert repr(whole.interactions) == "Interactions(3 interactions of 1 user and 3 items)"
    assert repr(whole.catalogue) == "Catalogue(9 users and 9 items)"
    assert repr(released(whole)) == (
        "Split('theirs': 1 training, 1 validation, 1 test interactions)"
    )


@pytest.mark.parametrize("split", [leave_last_out, ratio_split])
def test_only_a_data_set_can_be_split(split) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=r"only a data set .* Received: str\. Give what tr\.load"):
        split("my.csv")
