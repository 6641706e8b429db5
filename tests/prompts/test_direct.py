import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.golden_files import golden, shown
from tandemrec.llm.base import Prompt
from tandemrec.prompts import direct, sequential
from tandemrec.prompts.direct import LABELS, Facts, parse_labels

FACTS = Facts("movie", ["Heat", "Fargo"], similar=["Babe", "Alien"], hint=["Aliens", "Speed"])
PROMPTS = {
    "listwise": direct.listwise(FACTS, ["Aliens", "Speed", "Babe"]),
    "pointwise": direct.pointwise(FACTS, "Aliens"),
    "pairwise": direct.pairwise(FACTS, "Aliens", "Speed"),
    "continuation": direct.continuation(FACTS),
    "plain": direct.continuation(Facts("movie", ["Heat", "Fargo"])),
    "passages": direct.continuation(
        Facts("movie", ["Heat"], passages=[["Babe", "Heat"], ["Speed"]])
    ),
    "prior": direct.prior("movie"),
    "next-listwise": sequential.listwise(FACTS, ["Aliens", "Speed", "Babe"]),
    "next-pointwise": sequential.pointwise(FACTS, "Aliens"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_is_its_golden_file(name: str) -> None:
    assert shown(PROMPTS[name]) == golden(name)


def test_a_continuation_grows_by_lines() -> None:
    """The dense text goes on exactly where a question would have put its option."""
    short = direct.continuation(Facts("movie", ["Heat", "Fargo"]))
    longer = direct.continuation(Facts("movie", ["Heat", "Fargo", "Babe"]))
    assert longer.user == short.user + direct.line("Babe")
    assert direct.continuation(Facts("movie", [])) == direct.prior("movie")


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        ("B, A, C", [1, 0, 2]),
        ("B>A>B", [1, 0]),
        ("Aliens is best, then Babe", []),
        ("D, A", [0]),
        ("Answer: C.", [2]),
        ("", []),
    ],
)
def test_labels_are_read(answer: str, places: list[int]) -> None:
    assert parse_labels(answer, 3) == places


@given(st.text(), st.integers(0, 26))
def test_no_answer_breaks_the_parser(answer: str, n: int) -> None:
    places = parse_labels(answer, n)
    assert len(set(places)) == len(places)
    assert all(0 <= place < n for place in places)


def test_there_are_labels_for_all_candidates_that_a_run_may_have() -> None:
    assert len(LABELS) == 26
    assert isinstance(direct.prior("book"), Prompt)
