"""What is read from answers about attributes, one kind at a time or by instruction."""

import random

import pytest

from prompts.attribute_kinds import (
    BOTH,
    CUISINE,
    DIRECTOR,
    EMMA,
    FACTS,
    GENRE,
    HEAT,
    PAGES,
    STAR,
    WORDS,
)
from prompts.test_parsers import mutated
from tandemrec.data.attributes import Kind
from tandemrec.prompts.attributes import LONGEST, MOST_WORDS, instructed, parse, parse_instructed


@pytest.mark.parametrize(("noun", "kind"), BOTH)
def test_every_worked_example_is_read_as_it_is_written(noun: str, kind: Kind) -> None:
    for item, answer in kind.examples.items():
        assert ", ".join(parse(answer, noun, kind, item) or ()) == answer


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Michael Mann", ("Michael Mann",)),
        (" Michael Mann\n\nMovie: Fargo (1996)\nDirector: Joel Coen", ("Michael Mann",)),
        ("\n\nDirector: **Michael Mann**.", ("Michael Mann",)),
        ('"Michael Mann"', ("Michael Mann",)),
        ("Michael Mann (born 1943)", ("Michael Mann",)),
        ("Joel Coen and Ethan Coen", ("Joel Coen",)),
        ("Robert Downey Jr.", ("Robert Downey Jr",)),
        ("unknown", ()),
        ("Unknown.", ()),
        ("I don't know", ()),
        ("N/A", ()),
        ("N/A director", ()),
        ("NA.", ()),
        ("No one knows", ()),
        ("Nobody knows who it was", ()),
        ("No-one", ()),
        ("I can't tell", ()),
        ("not specified", ()),
        ("TBA", ()),
        ("No Zin-soo", ("No Zin-soo",)),
        ("Noone Ferguson", ("Noone Ferguson",)),
        ("Tba Lee", ("Tba Lee",)),
        ("The Coen brothers", ("The Coen brothers",)),
        ("Q", None),
        ("not sure, maybe Michael Mann", ()),
        ("Na Hong-jin", ("Na Hong-jin",)),
        ("1. Michael Mann", ("Michael Mann",)),
        ("Mann, Michael", None),
        ("", None),
        ("???", None),
        ("Heat", None),
        ("Heat (1995)", None),
        ("The director", None),
        ("director", None),
        ("movie", None),
        ("Movie: Fargo", None),
        ("The", None),
        ("1995", None),
        ("Michael Mann 2", None),
        ("The movie was directed by Michael Mann", None),
        ("Michael " * 9, None),
        ("M" * (LONGEST + 1), None),
        ("x" * 100_000, None),
        ("🎬", None),
    ],
)
def test_a_director_is_read(answer: str, value: tuple[str, ...] | None) -> None:
    assert parse(answer, "movie", DIRECTOR, HEAT) == value


def test_chat_tokens_do_not_come_through() -> None:
    found = parse("Ann <|im_end|> Lee", "movie", DIRECTOR, HEAT)
    assert found is None or "<|" not in found[0]


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Al Pacino", ("Al Pacino",)),
        ("Al Pacino, Robert De Niro and Val Kilmer", ("Al Pacino", "Robert De Niro", "Val Kilmer")),
        ("Al Pacino; Al Pacino", ("Al Pacino",)),
        ("1. Al Pacino\n2. Val Kilmer\n\nMovie: Fargo", ("Al Pacino", "Val Kilmer")),
        ("- Al Pacino\n- Val Kilmer", ("Al Pacino", "Val Kilmer")),
        ("Pacino, Al", None),
        ("Sandy Andrews", ("Sandy Andrews",)),  # "and" is no word of its own here
        ("Al Pacino, 1995", None),
        ("Al Pacino, N/A", None),
        (", ;", None),
    ],
)
def test_stars_are_read(answer: str, value: tuple[str, ...] | None) -> None:
    assert parse(answer, "movie", STAR, HEAT) == value


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("320", ("320",)),
        ("about 320 pages.", ("320",)),
        ("1,024", ("1024",)),
        ("Pages: 320 pp", ("320",)),
        ("Number of pages: 320", ("320",)),
        ("unknown", ()),
        ("0", None),
        ("-5", ("5",)),
        ("12345678", None),
        ("three hundred", None),
        ("320 or 340", None),
        ("٣٢٠", None),
        ("9" * 100_000, None),
    ],
)
def test_pages_are_read(answer: str, value: tuple[str, ...] | None) -> None:
    assert parse(answer, "book", PAGES, EMMA) == value


def test_a_genre_may_have_an_and_and_not_the_author() -> None:
    assert parse("Crime and Mystery", "book", GENRE, EMMA) == ("Crime and Mystery",)
    assert parse("Emma", "book", GENRE, EMMA) is None
    assert parse("Emma by Jane Austen", "book", GENRE, EMMA) is None


RIGHT = {
    "director": ("Michael Mann",),
    "actor": ("Al Pacino", "Val Kilmer"),
    "country": ("USA",),
    "language": ("English",),
}


@pytest.mark.parametrize(
    "answer",
    [
        instructed(FACTS, RIGHT),
        "director:Michael Mann, actor:Al Pacino|Val Kilmer, country:USA, language:English",
        "Director: Michael Mann\nActor: Al Pacino, Val Kilmer\nCountry: USA\nLanguage: English",
        "**Language**: English. **Country of production**: USA. **Leading actor**: Al Pacino and "
        "Val Kilmer. **Director**: Michael Mann",
    ],
)
def test_an_answer_to_an_instruction_is_read(answer: str) -> None:
    assert parse_instructed(answer, "movie", FACTS, HEAT) == RIGHT


def test_each_part_of_an_answer_is_read_by_itself() -> None:
    found = parse_instructed("director: 7, actor: unknown, country: USA", "movie", FACTS, HEAT)
    assert found == {"director": None, "actor": (), "country": ("USA",), "language": None}
    said = "country: USA, country: France, language: English"
    assert parse_instructed(said, "movie", FACTS, HEAT)["country"] == ("USA",)
    empty = dict.fromkeys(("director", "actor", "country", "language"))
    assert parse_instructed("Michael Mann", "movie", FACTS, HEAT) == empty
    assert instructed(FACTS, {**RIGHT, "director": ()}).startswith("director: unknown, actor: Al")


@pytest.mark.parametrize(
    "answer",
    [
        instructed([WORDS], {"genre_words": ("Action", "Crime", "Thriller")}),
        "Action|Crime|Thriller",
        "category: Action|Crime|Thriller",
        "Genres: Action, Crime, Thriller.",
        "Action, Crime, Thriller, Drama, Romance",
    ],
)
def test_genres_are_three_words(answer: str) -> None:
    found = parse_instructed(answer, "movie", [WORDS], HEAT)
    assert found == {"genre_words": ("Action", "Crime", "Thriller")}
    assert MOST_WORDS == 3


def test_no_answer_to_an_instruction_breaks_the_parser() -> None:
    rng, kept = random.Random(0), 0
    for _ in range(5_000):
        text = mutated(mutated(mutated(instructed(FACTS, RIGHT), rng), rng), rng)
        found = parse_instructed(text, "movie", FACTS, HEAT)
        assert list(found) == [kind.name for kind in FACTS]
        for value in found.values():
            assert all(0 < len(part) <= LONGEST and part.isprintable() for part in value or ())
        kept += sum(map(bool, found.values()))
    assert 0.3 < kept / 20_000 < 0.98  # both kinds were met
    for long in ("director:" * 20_000, "director: " + "x" * 100_000, "*" * 100_000):
        assert not any(parse_instructed(long, "movie", FACTS, HEAT).values())


def test_no_answer_breaks_the_parser() -> None:
    rng, kept = random.Random(0), 0
    texts = ["Michael Mann", "Al Pacino, Val Kilmer", "320 pages", "unknown", "Answer: Crime", "(("]
    for _ in range(20_000):
        kind = rng.choice([DIRECTOR, STAR, GENRE, PAGES, CUISINE])
        answer = mutated(mutated(rng.choice(texts), rng), rng)
        value = parse(answer, "movie", kind, HEAT)
        for text in value or ():
            assert 0 < len(text) <= LONGEST and text.isprintable() and "\n" not in text
        kept += bool(value)
    assert 0.2 < kept / 20_000 < 0.9  # both kinds were met


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("United States, the", ("United States",)),
        ("English, in the form of a", ("English",)),
        ("Republic of Korea, where it was made", ("Republic of Korea",)),
        ("Trinidad and Tobago", ("Trinidad and Tobago",)),
        ("Washington, D.C.", ("Washington, D.C",)),
    ],
)
def test_what_goes_on_behind_a_value_is_cut(answer: str, value: tuple[str, ...]) -> None:
    country = Kind(name="country", about="the country of production")
    assert parse(answer, "movie", country, HEAT) == value
