from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tandemrec.data.attributes import DISAGREE, MODEL, TABLE, UNKNOWN, Attributes, Found
from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.evaluation.attributes import Accuracy, Truth, accuracy, judged, read_truth
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FollowingLLM
from tandemrec.prompts.kinds import LLAMA4REC as KINDS

DIRECTOR, STAR = KINDS["movie"]
GENRE, PAGES = KINDS["book"]


def said(*values: object, source: str = MODEL) -> list[Found]:
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [Found(row, source if row else UNKNOWN) for row in rows]  # type: ignore[arg-type]


def data(n: int = 4) -> Dataset:
    none = np.array([], np.int64)
    rows = Interactions.sorted(none, none, n_users=1, n_items=n)
    titles = [f"Film {item} (1995)" for item in range(n)]
    return Dataset("films", rows, Catalogue([0], [str(10 + n) for n in range(n)], titles), "movie")


def counts(found: Accuracy) -> tuple[int, ...]:
    return found.right, found.wrong, found.unknown, found.rejected, found.n


def test_right_wrong_unknown_rejected_and_what_nobody_knows() -> None:
    rows = [*said("Ann Lee", "Bob Ray", ()), Found((), DISAGREE), *said("Cy Fox")]
    known = Attributes((DIRECTOR,), {"director": rows})
    truth = Truth({"director": [("Lee, Ann", "Joe"), ("Ann Lee",), ("X",), ("X",), ()]})
    found = accuracy(known, truth)
    assert counts(found) == (1, 1, 1, 1, 4)
    assert found.share == 0.5


def test_the_interval_is_wilsons() -> None:
    """45 of 50: the textbook's formula."""
    rows = said(*["Ann Lee"] * 45, *["Bob Ray"] * 5)
    found = accuracy(
        Attributes((DIRECTOR,), {"director": rows}), Truth({"director": [("Ann Lee",)] * 50})
    )
    p, n, z = 0.9, 50, 1.959964
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-5)


def test_nothing_given_is_no_share() -> None:
    none = Attributes((DIRECTOR,), {"director": said((), ())})
    found = accuracy(none, Truth({"director": [("Ann Lee",), ("Ann Lee",)]}))
    assert found == Accuracy(0, 0, 2, 0, 2, 0.0, 0.0, 1.0)
    assert counts(accuracy(none, Truth({}))) == (0, 0, 0, 0, 0)


def test_one_star_of_several_is_enough_and_pages_are_within_a_tenth() -> None:
    stars = said(("Al Pacino", "Nobody Else"), ("Nobody Else",))
    known = Attributes(
        (STAR, PAGES, GENRE),
        {"star": stars, "pages": said("268", "345"), "genre": said("sci-fi", "Fiction")},
    )
    truth = Truth(
        {
            "star": [("Val Kilmer", "A. Pacino")] * 2,
            "pages": [("300", "310")] * 2,
            "genre": [("Science Fiction", "War")] * 2,
        }
    )
    assert counts(accuracy(known, truth, "star")) == (1, 1, 0, 0, 2)
    assert counts(accuracy(known, truth, "pages")) == (0, 2, 0, 0, 2)
    assert counts(accuracy(known, truth, "genre")) == (1, 1, 0, 0, 2)
    assert counts(accuracy(known, truth)) == (2, 4, 0, 0, 6)
    near = Attributes((PAGES,), {"pages": said("270", "341")})
    assert counts(accuracy(near, truth)) == (2, 0, 0, 0, 2)


def test_of_one_source_alone() -> None:
    rows = [*said("Ann Lee"), *said("Ann Lee", source=TABLE), *said(())]
    known = Attributes((DIRECTOR,), {"director": rows})
    truth = Truth({"director": [("Bob Ray",), ("Ann Lee",), ("Ann Lee",)]})
    assert counts(accuracy(known, truth, source=MODEL)) == (0, 1, 1, 0, 2)
    assert counts(accuracy(known, truth, source=TABLE)) == (1, 0, 1, 0, 2)


def test_an_unknown_kind_is_an_error() -> None:
    known = Attributes((DIRECTOR,), {"director": said("Ann Lee")})
    with pytest.raises(DataError, match=r"'directr'.*director"):
        accuracy(known, Truth({}), "directr")


def test_truth_is_found_by_id_within_its_data_set(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "dataset": ["films", "others", "films"],
            "item_id": [11, 10, 13],
            "directors": [["Ann Lee"], ["Bob Ray"], ["Cy Fox", "Di Ode"]],
            "pages": [300, 1, None],
            "pages_min": [290, 1, None],
            "pages_max": [310, 1, None],
        }
    )
    frame.write_parquet(tmp_path / "truth.parquet")
    truth = read_truth(tmp_path / "truth.parquet", data(), [DIRECTOR, STAR, PAGES])
    assert truth.accepted == {
        "director": [(), ("Ann Lee",), (), ("Cy Fox", "Di Ode")],
        "pages": [(), ("290", "310"), (), ()],
    }


def test_truth_out_of_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("isbn,genres,pages\n10,Crime | Drama,300\n12,,\n")
    truth = read_truth(tmp_path / "truth.csv", data(), [GENRE, PAGES])
    assert truth.accepted == {
        "genre": [("Crime", "Drama"), (), (), ()],
        "pages": [("300", "300"), (), (), ()],
    }


def test_several_stars_between_commas_as_in_a_table_that_attributes_come_from() -> None:
    stars = ["['Al Pacino', 'Val Kilmer']", "Al Pacino, Val Kilmer"]
    truth = read_truth(pl.DataFrame({"item_id": [10, 11], "stars": stars}), data(2), [STAR])
    assert truth.accepted == {"star": [("Al Pacino", "Val Kilmer")] * 2}


def test_of_pages_that_are_not_known_nothing_is_true() -> None:
    frame = pl.DataFrame({"item_id": [10, 11], "pages": [float("nan"), 300.0]})
    truth = read_truth(frame, data(2), [PAGES])
    assert truth.accepted == {"pages": [(), ("300", "300")]}


def test_what_is_not_known_is_not_true_and_pages_go_by_their_other_names() -> None:
    frame = pl.DataFrame(
        {"item_id": [10, 11], "stars": ["\\N", "Al Pacino|N/A"], "num_pages": [100.0, None]}
    )
    truth = read_truth(frame, data(2), [STAR, PAGES])
    assert truth.accepted == {"star": [(), ("Al Pacino",)], "pages": [("100", "100"), ()]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("item_id,genres\n99,Crime\n98,War\n", "no row is of an item of films"),
        ("item_id,colour\n10,red\n11,blue\n", "no column of genre"),
        ("colour,genres\nred,Crime\nblue,War\n", "no column of items"),
    ],
)
def test_a_table_that_says_nothing_is_an_error(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        read_truth(tmp_path / "truth.csv", data(), [GENRE])


def test_a_second_model_judges_each_value_that_was_given() -> None:
    def says(prompt: Prompt, answer: str) -> float:
        if "Film 3" in prompt.user:
            return float("nan")
        return -1.0 if (answer == "Yes") == ("Ann Lee" in prompt.user) else -2.0

    judge = FollowingLLM(says)
    known = Attributes((DIRECTOR,), {"director": said("Ann Lee", "Bob Ray", (), "Ann Lee")})
    found = judged(known, judge, data())
    assert counts(found) == (1, 1, 1, 0, 3)
    assert [options for _, options in judge.log] == [("Yes", "No")] * 3
    assert 'the director of the movie "Film 0 (1995)" is Ann Lee?' in judge.log[0][0].user
    assert counts(judged(known, judge, data(), source=TABLE)) == (0, 0, 1, 0, 1)


def test_the_real_truth_is_right_of_itself(real_data: Path) -> None:
    import tandemrec as tr

    movies = tr.load("ml-100k")
    truth = read_truth(real_data / "truth" / "movies_truth.parquet", movies, KINDS["movie"])
    known = sum(bool(value) for value in truth.accepted["director"])
    assert known > 1650
    rows = {kind: [Found(v[:1], MODEL) for v in values] for kind, values in truth.accepted.items()}
    assert accuracy(Attributes(KINDS["movie"], rows), truth).share == 1.0
    turned = {kind: rows[kind][1:] + rows[kind][:1] for kind in rows}
    assert accuracy(Attributes(KINDS["movie"], turned), truth, "director").share < 0.05
