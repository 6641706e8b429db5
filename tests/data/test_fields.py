"""Columns of any kind become fields; what is not known is "unknown", and never an error."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tandemrec.data.catalogue import Catalogue
from tandemrec.data.codings import FAR, NOTHING
from tandemrec.data.fields import FILE, Field, Fields, FieldsConfig
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError

ALL = FieldsConfig(least=1)


def train(n: int = 4, **context: Any) -> Interactions:
    """User n met item n; of one user and item more, nothing is known."""
    both = np.arange(n)
    known = {name: np.array(values) for name, values in context.items()}
    return Interactions.sorted(both, both, n_users=n + 1, n_items=n + 1, context=known)


def fields_of(values: Any, config: FieldsConfig = ALL, *, kind: Any = None) -> Fields:
    """The fields where users, one a row and the last of them not in training, have one column."""
    frame = pl.DataFrame({"it": pl.Series(values, dtype=kind)})
    return Fields.of(train(len(frame) - 1), Catalogue([], [], [], users=frame), config)


def said(fields: Fields) -> list[dict[int, float]]:
    """The slots of the users' column, counted from its field's first, and their weights; of
    every user and of nobody."""
    field = fields.fields[1]
    slots, weights = fields.users.slots[:, 1:], fields.users.weights[:, 1:]
    rows = []
    for one, many in zip(slots.tolist(), weights.tolist(), strict=True):
        filled = {slot: weight for slot, weight in zip(one, many, strict=True) if slot != NOTHING}
        assert all(0 <= slot - field.first < field.size for slot in filled)
        assert [weight for slot, weight in zip(one, many, strict=True) if slot == NOTHING] == (
            [0.0] * (len(one) - len(filled))
        )
        rows.append({slot - field.first: weight for slot, weight in filled.items()})
    return rows


def test_users_and_items_are_numbered_and_the_unmet_and_nobody_are_unknown() -> None:
    fields = Fields.of(train(2))
    assert fields.fields == (Field("user", "one of", 1, 3, 1), Field("item", "one of", 4, 3, 1))
    assert fields.users.slots.tolist() == [[2], [3], [1], [1]]
    assert fields.items.slots.tolist() == [[5], [6], [4], [4]]
    assert (fields.n_slots, fields.unknown.tolist()) == (7, [1, 4])
    assert fields.users.slots[-1] == fields.unknown[0]  # so does the number -1


def test_names_are_in_the_order_of_the_alphabet_and_what_only_the_unmet_has_is_unknown() -> None:
    fields = fields_of(["b", "a", " b ", "new"])
    assert fields.fields[1] == Field("user it", "one of", 5, 3, 1)
    assert said(fields) == [{2: 1}, {1: 1}, {2: 1}, {0: 1}, {0: 1}]


def test_nulls_and_blanks_are_unknown() -> None:
    assert said(fields_of(["b", None, "a", "", "  ", "b", "a"])) == [
        *({2: 1}, {0: 1}, {1: 1}, {0: 1}, {0: 1}, {2: 1}, {1: 1}, {0: 1})
    ]


def test_rare_names_are_unknown() -> None:
    rows = ["a", "a", "b", "b", "c", "c"]
    assert said(fields_of(rows, FieldsConfig())) == [{1: 1}] * 2 + [{2: 1}] * 2 + [{0: 1}] * 3
    assert list(fields_of(rows, FieldsConfig(least=3)).left_out) == ["user it"]


def test_several_values_share_the_weight_each_named_once() -> None:
    rows = [["b", "a"], ["a", "a", " a"], [], None, [None, "", "c"], ["b", "never"]]
    fields = fields_of(rows)
    assert fields.fields[1] == Field("user it", "several of", 7, 4, 2)
    half = {1: 0.5, 2: 0.5}
    assert said(fields) == [half, {1: 1}, {0: 1}, {0: 1}, {3: 1}, {2: 1}, {0: 1}]


def test_no_row_tells_more_than_the_longest() -> None:
    fields = fields_of([["a", "b", "c"], ["c"], ["b"]], FieldsConfig(least=1, longest=2))
    assert said(fields)[:2] == [{1: 0.5, 2: 0.5}, {3: 1}]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["x|y", "y", "x"], pl.String),
        ([[1, 2], [2], [1]], pl.List(pl.Int64)),
        ([["x", "y"], ["y", "y"], ["x", "x"]], pl.Array(pl.String, 2)),
        ([["x", "y"], ["y"], ["x"]], pl.List(pl.Categorical)),
    ],
)
def test_lists_of_any_writing(values: Any, kind: Any) -> None:
    fields = fields_of([*values, None], kind=kind)
    assert fields.fields[1].kind == "several of"
    assert said(fields)[:3] == [{1: 0.5, 2: 0.5}, {2: 1}, {1: 1}]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["x", "y", "x"], pl.Categorical),
        (["x", "y", "x"], pl.Enum(["z", "y", "x"])),
        ([False, True, False], pl.Boolean),
        ([3, 7, 3], pl.Int8),
        ([3.0, 7.0, 3.0], pl.Float64),
        ([3, 2**62 + 1, 3], pl.UInt64),
        (
            [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1), datetime.date(2020, 1, 1)],
            pl.Date,
        ),
    ],
)
def test_single_names_of_any_type(values: Any, kind: Any) -> None:
    fields = fields_of([*values, None], kind=kind)
    assert fields.fields[1][1:] == ("one of", 5, 3, 1)
    first, second, third, unmet, nobody = said(fields)
    assert first == third != second and {*first, *second} == {1, 2}
    assert unmet == nobody == {0: 1}


def test_numbers_are_in_standard_deviations_from_the_mean_of_training() -> None:
    fields = fields_of([10.5, 20.5, 30.5, None, 40.5])
    assert fields.fields[1] == Field("user it", "number", 6, 2, 1)
    spread = np.std([10.5, 20.5, 30.5])
    first, mean, third, null, unmet, nobody = said(fields)
    assert (mean, null, nobody) == ({1: 0}, {0: 1}, {0: 1})
    assert [first[1], third[1], unmet[1]] == pytest.approx([-10 / spread, 10 / spread, 20 / spread])


def test_nan_and_infinite_numbers_are_unknown_and_no_number_is_far() -> None:
    fields = fields_of([1.5, 2.5, np.nan, np.inf, -np.inf, 1e300])
    assert said(fields)[2:5] == [{0: 1}] * 3
    assert said(fields)[5] == {1: FAR}


@pytest.mark.parametrize("values", [[1e308, -1e308, 0.5], [1e-320, 2e-320, 0.5]])
def test_numbers_that_float64_cannot_measure_are_left_out_or_finite(values: list[float]) -> None:
    fields = fields_of([*values, 1.0])
    assert np.isfinite(fields.users.weights).all()
    assert len(fields.fields) == 3 or list(fields.left_out) == ["user it"]


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.Date, pl.Decimal(10, 2)])
def test_many_whole_numbers_are_an_amount(kind: Any) -> None:
    fields = fields_of(pl.Series(list(range(100)), dtype=pl.Int32).cast(kind))
    assert fields.fields[1].kind == "number"
    few = FieldsConfig(few=99, least=1)
    assert fields_of(list(range(100)), few).fields[1].kind == "one of"


def test_few_whole_numbers_are_names_only_where_two_are_frequent_enough() -> None:
    once, twice = list(range(1990, 2010)), [1990, 1990, 1991, 1991, 1992, 1993]
    config = FieldsConfig()
    assert fields_of([*once, 0], config).fields[1].kind == "number"
    assert fields_of([*twice, 0], config).fields[1].kind == "one of"


def test_a_sentinel_does_not_make_all_others_one_value() -> None:
    values = [*np.linspace(20_000, 90_000, 200), 999_999_999_999.0, 0.5]
    weights = [row[1] for row in said(fields_of(values))[:201]]
    usual = np.array(weights[:200])
    assert usual.std() == pytest.approx(1, abs=1e-4) and weights[200] == FAR


def test_postcodes_are_names_however_many_there_are() -> None:
    """A number of a postcode says nothing; the user says which others are names."""
    numbers = pl.Series(np.arange(200) // 2 * 1000)
    for column in ("zip", "Zip-Code", "post code", "shop_id", "shopId", "shopID", "postalCode"):
        frame = pl.DataFrame({column: numbers, "sum": numbers})
        fields = Fields.of(train(199), Catalogue([], [], [], users=frame))
        assert [field.kind for field in fields.fields[1:3]] == ["one of", "number"]
    fields = Fields.of(train(199), Catalogue([], [], [], users=frame), FieldsConfig(names=("sum",)))
    assert fields.fields[2].kind == "one of"


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (["a", "a", "a", "b"], pl.String, "one value in training is 'a'"),  # of two
        ([5.5, 5.5, None, 6.5], pl.Float64, "one number in training is 5.5"),
        ([None, None, None, 6.5], pl.Float64, "it is empty in training"),
        ([1e-320, 2e-320, None, 1.0], pl.Float64, "too near each other"),
        ([None, None, None, None], pl.Null, "it is empty in training"),
        ([["a"], ["a"], [], ["b"]], pl.List(pl.String), "one value in training is 'a'"),
        (
            ["one", "of", "each", "text"],
            pl.String,
            "of its 3 values in training, not two are those of 2 users or more",
        ),
        ([[0.5, 0.1], [0.2, 0.3], [0.1, 0.9], [0.3, 0.4]], pl.List(pl.Float64), "List.*neither"),
        ([[["a"]], [["b"]], [["a"]], [["b"]]], pl.List(pl.List(pl.String)), "List.* neither"),
        ([{"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}], pl.Struct({"a": pl.Int64}), "Struct.* neither"),
        ([b"x", b"y", b"x", b"y"], pl.Binary, "its cells are Binary, neither names nor numbers"),
    ],
)
def test_what_says_nothing_or_is_no_field_is_left_out_with_its_reason(
    values: Any, kind: Any, reason: str
) -> None:
    fields = fields_of(values, FieldsConfig(), kind=kind)
    assert [field.name for field in fields.fields] == ["user", "item"]
    assert list(fields.left_out) == ["user it"] and re.search(reason, fields.left_out["user it"])


def test_the_wanted_columns_alone_are_read() -> None:
    frame = pl.DataFrame({"age": [1.5, 2.5, 3.5, 4.5, 5.5], "mood": ["a", "b", "a", "b", "a"]})
    known = Catalogue([], [], [], items=frame, users=frame)
    wanted = FieldsConfig(users=("mood", "mood"), items=())
    names = [field.name for field in Fields.of(train(), known, wanted).fields]
    assert names == ["user", "user mood", "item"]
    with pytest.raises(ConfigError, match=r"no column 'agee' of user fields. Did you mean 'age'"):
        Fields.of(train(), known, FieldsConfig(users=("agee",)))
    with pytest.raises(ConfigError, match=r"no column 'hour' of context fields.* Known: none"):
        Fields.of(train(), known, FieldsConfig(context=("hour",)))


def test_a_table_of_others_is_refused() -> None:
    frame = pl.DataFrame({"age": [1, 2]})
    with pytest.raises(ConfigError, match=r"each of the 5 items of the .* Received: 2"):
        Fields.of(train(), Catalogue([], [], [], items=frame))


@pytest.mark.parametrize(
    ("values", "kind", "size"),
    [
        ([n // 2 for n in range(100)], "token", 50),
        ([0.5, 1.5] * 50, "token", 3),
        (["a b", "a"] * 50, "token", 3),
        (["a|b", "a"] * 50, "token", 3),
        (["Com Dra", "Dra", " Com  Act "] * 40, "token_seq", 4),
        (["Sci Fi|Drama", "Drama"] * 50, "token_seq", 3),
        ([1, 2] * 50, "float", 2),
    ],
)
def test_recboles_types_are_kept(values: Any, kind: str, size: int) -> None:
    """Whole numbers may be names or few of them an amount; a token is never several."""
    users = pl.DataFrame({"it": values})
    known = Catalogue([], [], [], users=users, types={"user it": kind})
    field = Fields.of(train(len(values) - 1), known).fields[1]
    expected = {"token": "one of", "token_seq": "several of", "float": "number"}
    assert (field.kind, field.size) == (expected[kind], size)


def test_lists_of_numbers_are_no_field_and_names_that_were_asked_for_are_names() -> None:
    users = pl.DataFrame({"it": ["0.5 1", "2"] * 50, "sum": [1, 2] * 50})
    types = {"user it": "float_seq", "user sum": "float"}
    known = Catalogue([], [], [], users=users, types=types)
    fields = Fields.of(train(99), known, FieldsConfig(names=("sum",)))
    assert fields.left_out == {"user it": "its cells are float_seq, neither names nor numbers"}
    assert fields.fields[1][:2] == ("user sum", "one of")


CONTEXT = {
    "device": ["tv", "phone", "tv", "phone"],
    "hour": [23.0, 7.0, 23.0, 7.0],
    "lag": [0.5, 1.5, np.nan, 2.5],
    "same": ["x", "x", "x", "x"],
}


def test_context_is_read_row_by_row() -> None:
    rows = train(**CONTEXT)
    fields = Fields.of(rows)
    kinds = [(field.name, field.kind) for field in fields.fields[2:]]
    named = [("context device", "one of"), ("context hour", "one of")]
    assert kinds == [*named, ("context lag", "number")]
    assert fields.left_out == {"context same": "its one value in training is 'x'"}
    slots, weights = fields.context_of(rows)
    first = [field.first for field in fields.fields[2:]]
    assert (slots - first).tolist() == [[2, 1, 1], [1, 2, 1], [2, 1, 0], [1, 2, 1]]
    spread = np.std([0.5, 1.5, 2.5])
    np.testing.assert_allclose(weights[:, 2], [-1 / spread, 0, 1, 1 / spread], atol=1e-6)
    assert (weights[:, :2] == 1).all()


def test_what_a_value_is_does_not_hang_on_the_other_rows() -> None:
    fields = Fields.of(train(hour=np.array([1.0, 2.0, 1.0, 2.0])))
    known, _ = fields.context_of(train(hour=np.array([1.0, 2.0, 1.0, 2.0])))
    beside, _ = fields.context_of(train(hour=np.array([1.0, 2.0, 2.5, np.nan])))
    first = fields.fields[2].first
    assert beside[:2].tolist() == known[:2].tolist() and (known != first).all()
    assert beside[2:].tolist() == [[first], [first]]


def test_context_of_several_names_is_read_row_by_row() -> None:
    """Of a later table a row may tell more names, unknown ones, or none."""
    fields = Fields.of(train(tags=np.array(["x|z", "x", " z | x ", ""])))
    assert fields.fields[2] == Field("context tags", "several of", 11, 3, 2)
    later = train(tags=np.array(["z|new", "x|y|z|x", "", "z"]))
    slots, weights = fields.context_of(later)
    assert slots.tolist() == [[13, NOTHING], [12, 13], [11, NOTHING], [13, NOTHING]]
    assert weights.tolist() == [[1, 0], [0.5, 0.5], [1, 0], [1, 0]]
    assert fields.context_of(None)[0].tolist() == [[11, NOTHING]]


def test_no_row_of_context_tells_more_than_the_longest() -> None:
    rows = train(tags=np.array(["a|b|c", "a|b|c", "c", "c"]))
    fields = Fields.of(rows, config=FieldsConfig(longest=2))
    assert fields.fields[2].width == 2
    assert fields.context_of(rows)[0].tolist()[1:3] == [[12, 13], [14, NOTHING]]


def test_unknown_context_is_unknown() -> None:
    """A value of tomorrow, a column that is gone, text where numbers were, nothing at all."""
    fields = Fields.of(train(**CONTEXT))
    first = [field.first for field in fields.fields[2:]]
    words = np.array(["watch", "", "tv", " tv "])
    tomorrow = train(device=words, lag=np.array(["0.5", "soon", "", "1.5"]))
    slots, weights = fields.context_of(tomorrow)
    assert (slots - first).tolist() == [[0, 0, 1], [0, 0, 0], [2, 0, 0], [2, 0, 1]]
    assert weights[0, 2] < 0 and weights[3, 2] == pytest.approx(0)
    assert (fields.context_of(train())[0] == first).all()
    assert fields.context_of(None)[0].tolist() == [first]


@pytest.mark.parametrize("values", [np.array([23, 7, 23, 5]), np.array(["23", "7", "23", "5"])])
def test_an_hour_is_the_same_hour_however_it_is_written(values: Any) -> None:
    fields = Fields.of(train(hour=CONTEXT["hour"]))
    slots, _ = fields.context_of(train(hour=values))
    assert (slots[:, 0] - fields.fields[2].first).tolist() == [1, 2, 1, 0]


def test_what_was_saved_is_loaded_and_the_fingerprint_follows_all_of_it(tmp_path: Path) -> None:
    rows = train(**CONTEXT)
    frame = pl.DataFrame({"tags": [["a"], ["a", "b"], ["b"], [], []], "age": [1.5, 2, 3, 4, 5]})
    known = Catalogue([], [], [], items=frame)
    fields = Fields.of(rows, known, ALL)
    fields.save(tmp_path / "deep")
    loaded = Fields.load(tmp_path / "deep")
    assert loaded.fields == fields.fields and loaded.left_out == fields.left_out
    assert loaded.fingerprint == fields.fingerprint
    for one, two in zip(loaded.context_of(rows), fields.context_of(rows), strict=True):
        assert np.array_equal(one, two)
    other = frame.with_columns(age=pl.Series([1.5, 2, 3, 4.5, 5]))
    others = [
        Fields.of(rows, known, FieldsConfig(least=1, longest=1)),
        Fields.of(rows, Catalogue([], [], [], items=other), ALL),
        Fields.of(train(**CONTEXT | {"device": ["tv", "tv", "pad", "pad"]}), known, ALL),
    ]
    assert len({each.fingerprint for each in (fields, *others)}) == 4


def test_fields_that_were_saved_without_reasons_and_widths_are_loaded(tmp_path: Path) -> None:
    rows = train(**CONTEXT)
    fields = Fields.of(rows)
    fields.save(tmp_path)
    with np.load(tmp_path / FILE) as file:
        kept = dict(file)
    known, context, left_out = json.loads(str(kept["note"]))
    older = [known, [(name, note[:3]) for name, note in context], list(left_out)]
    np.savez(tmp_path / FILE, **kept | {"note": np.array(json.dumps(older))})
    loaded = Fields.load(tmp_path)
    for one, two in zip(loaded.context_of(rows), fields.context_of(rows), strict=True):
        assert np.array_equal(one, two)
    assert loaded.left_out == {"context same": "no two of its values are known in training"}


def test_columns_know_their_field() -> None:
    frame = pl.DataFrame({"tags": [["a", "b"], ["a"], ["b"], [], []]})
    fields = Fields.of(train(device=CONTEXT["device"]), Catalogue([], [], [], items=frame))
    assert [field.width for field in fields.fields] == [1, 1, 2, 1]
    assert fields.owners.tolist() == [0, 1, 2, 2, 3]


def test_a_field_knows_of_how_many_it_tells_something() -> None:
    items = pl.DataFrame(
        {"tags": [["a", "b"], ["a"], ["b"], [], ["c"]], "n": [1.5, 2.5, None, 3, 4]}
    )
    users = pl.DataFrame({"job": ["x", "x", "y", "y", "z"]})
    known = Catalogue([], [], [], items=items, users=users)
    fields = Fields.of(train(device=CONTEXT["device"]), known)
    told = {name: fields.told(name) for name in ("item tags", "item n", "user job")}
    assert told == {"item tags": 3, "item n": 4, "user job": 4}
