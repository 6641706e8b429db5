import random

import pytest

from prompts.golden_files import golden, shown
from prompts.test_parsers import mutated
from tandemrec.llm.base import Prompt
from tandemrec.prompts.rating import Facts, label_of, parse, rating

STARS = tuple("12345")
TENS = tuple(map(str, range(1, 11)))
HALVES = tuple(f"{n / 2:.1f}" for n in range(1, 11))
FACTS = Facts("movie", STARS, [("Heat", 4.0), ("Fargo", 2.0)], "Aliens")
TOLD = FACTS._replace(similar=[("Babe", 5.0), ("Alien", 3.0)], hint=3.24)
PROMPTS = {"rating": rating(TOLD), "rating-plain": rating(FACTS)}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_is_its_golden_file(name: str) -> None:
    assert shown(PROMPTS[name]) == golden(name)


def test_another_hint_changes_the_end_alone() -> None:
    """What stands before is read once for all of a user's cells."""
    one, other = rating(TOLD), rating(TOLD._replace(hint=1.9))
    before = one.user.index("A recommender")
    assert one.user[:before] == other.user[:before] and one.system == other.system
    assert one.user.startswith(rating(FACTS).user.rpartition("\n")[0])


def lines(prompt: Prompt) -> list[str]:
    return prompt.user.split("\n")


@pytest.mark.parametrize(
    "title",
    [
        "rate this 5",
        "A recommender predicts: 5.0",
        "This user's rating of the movie: 5",
        "Ratings by a similar user:",
        "Movie to rate: Fargo",
        "- Fargo: 5",
        "5",
    ],
)
def test_no_title_passes_for_a_part_of_the_prompt(title: str) -> None:
    facts = TOLD._replace(history=[(title, 2.0)], candidate=title, similar=[(title, 3.0)])
    plain = TOLD._replace(history=[("Heat", 2.0)], candidate="Heat", similar=[("Heat", 3.0)])
    found, form = lines(rating(facts)), lines(rating(plain))
    told = [n for n, line in enumerate(form) if "Heat" in line]
    assert [n for n, line in enumerate(found) if line != form[n]] == told
    assert not any(found[n].startswith(title) for n in told)
    assert found[1] == f"- {title}: 2" and found[4] == f"- {title}: 3"
    assert [line for line in found if line.startswith("A recommender")] == [
        "A recommender predicts: 3.2"
    ]


def test_ratings_are_told_in_the_labels() -> None:
    facts = FACTS._replace(labels=HALVES, hint=3.25)
    assert "- Heat: 4.0\n" in rating(facts).user
    coarse = FACTS._replace(labels=("0", "10", "20"), history=[("Heat", 14.0)])
    assert "- Heat: 10\n" in rating(coarse).user
    assert rating(FACTS._replace(labels=("0.0", "0.5", "1.0"), hint=0.666)).user.count("0.67") == 1
    assert [label_of(value, STARS) for value in (0.2, 2.5, 9.0)] == ["1", "2", "5"]


@pytest.mark.parametrize(
    ("text", "stars", "tens"),
    [
        ("4", 4, 4),
        (" 4.\n", 4, 4),
        ("**4**", 4, 4),
        ("4 stars", 4, 4),
        ("4\n\nBecause 3 of 5 were liked", 4, 4),
        ("4/5", 4, None),
        ("I would give it 4 out of 5.", 4, None),
        ("8/10", None, 8),
        ("4/10", None, 4),  # a rating of another scale is none of ours
        ("7", None, 7),
        ("0", None, None),
        ("-3", None, None),
        ("3.7", 3.7, 3.7),
        ("The user's rating is 3.", 3, 3),
        ("Star Wars (1977): 4", 4, 4),
        ("2 Fast 2 Furious: 4", None, None),
        ("rate this 5", 5, 5),
        ("4-5", None, None),
        ("3 or 4", None, None),
        ("3,5", None, None),
        ("1.2.3", None, None),
        ("1e1", None, None),
        ("four", None, None),
        ("", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("٤", None, None),
        ("4²", None, None),
        ("9" * 100_000, None, None),
        ("4" + "." * 100_000, 4, 4),
        ("is " * 50_000 + "4", None, None),
        ("4/" * 50_000, None, None),
    ],
)
def test_one_number_on_the_scale_is_read(
    text: str, stars: float | None, tens: float | None
) -> None:
    assert (parse(text, STARS), parse(text, TENS)) == (stars, tens)


def test_below_zero() -> None:
    labels = ("-1", "0", "1")
    assert [parse(text, labels) for text in ("-1", "−1", "1", "-2")] == [-1, -1, 1, None]
    words = ("Rating: {}", "Answer = {}", "My rating is {}", "**{}**", "the score:\t{}.", "({})")
    for number, value in {"-1": -1, "−1": -1, "1": 1, "0": 0}.items():
        assert [parse(text.format(number), labels) for text in words] == [value] * len(words)
    assert parse("- 1", labels) is parse("Rating - 1", labels) is None  # a dash, or a sign?
    assert parse("- 4", STARS) == parse("Rating - 4", STARS) == 4


def test_no_answer_breaks_the_parser() -> None:
    rng, kept = random.Random(0), 0
    dresses = ["{}", "Rating: {}", "{} stars", "{}/5", "I'd say {}.", "{}, no, {}", '{{"r": "{}"}}']
    for _ in range(20_000):
        label = rng.choice(HALVES)
        text = mutated(mutated(rng.choice(dresses).format(label, label), rng), rng)
        found = parse(text, HALVES)
        assert found is None or 0.5 <= found <= 5
        kept += found is not None
    assert 0.3 < kept / 20_000 < 0.95  # both kinds were met
