import random

import pytest

from tandemrec.data.names import folded, parted, same_person, same_text, title_keys, year_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Christopher Nolan", "christopher  NOLAN"),
        ("Nolan, Christopher", "Christopher Nolan"),
        ("Pedro Almodóvar", "Pedro Almodovar"),
        ("Lasse Hallström", "Lasse Hallstrom"),
        ("J.R.R. Tolkien", "John Ronald Reuel Tolkien"),
        ("J. R. R. Tolkien", "J.R.R. Tolkien"),
        ("Bong Joon-ho", "Joon-ho Bong"),
        ("Francis Coppola", "Francis Ford Coppola"),
        ("Robert Downey Jr.", "Robert Downey"),
        ("Robert De Niro", "Robert DeNiro"),
        ("Sønke Wortmann", "Sonke Wortmann"),
        ("Leon", "Léon"),
    ],
)
def test_one_person(one: str, other: str) -> None:
    assert same_person(one, other) and same_person(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Joel Coen", "Ethan Coen"),
        ("Coen", "Joel Coen"),
        ("Christopher Nolan", "Christopher Walken"),
        ("John Ford", "Ford Madox"),
        ("Jane Smith", "John Smith"),
        ("", ""),
        ("...", "!!!"),
        ("J. Smith", "K. Smith"),
        ("Robert Wise|Jerome Robbins", "Robert Robbins"),
        ("Robert Wise; Jerome Robbins", "Robert Robbins"),
    ],
)
def test_two_persons(one: str, other: str) -> None:
    assert not same_person(one, other) and not same_person(other, one)


def test_bars_and_semicolons_part_values_and_commas_do_not() -> None:
    assert parted(" Robert Wise | Jerome Robbins;;") == ["Robert Wise", "Jerome Robbins"]
    assert parted("Wise, Robert") == ["Wise, Robert"] and parted("|") == []


def test_texts_are_words() -> None:
    assert same_text("Science-Fiction", "science fiction") and same_text("Sci-Fi", "SF")
    assert same_text("Fiction, Historical", "historical fiction")
    assert not same_text("Fiction", "Science Fiction") and not same_text("", "")
    assert folded("  Non-Fiction ") == "nonfiction"


@pytest.mark.parametrize(
    ("title", "main", "others"),
    [
        ("Matrix, The (1999)", "matrix", set()),
        ("The Matrix", "matrix", set()),
        ("Postino, Il (1994)", "postino", set()),
        ("Seven (Se7en) (1995)", "seven", {"se7en"}),
        ("Shanghai Triad (Yao a yao) (1995)", "shanghai triad", {"yao a yao"}),
        ("Thelma & Louise (1991)", "thelma and louise", set()),
        ("Amélie", "amelie", set()),
        ("A (1998)", "a", set()),
        ("The", "the", set()),
        ("(1995)", "1995", set()),
        ("2001: A Space Odyssey (1968)", "2001 a space odyssey", set()),
        ("I, Robot", "i robot", set()),
        ("", "", set()),
    ],
)
def test_a_title_is_found_by(title: str, main: str, others: set[str]) -> None:
    assert title_keys(title) == (main, others)


def test_a_year_is_one_in_parentheses_at_the_end() -> None:
    titles = ["Heat (1995)", "1984", "2001 (1968) ", "Heat (95)", "Heat (1995) x", "Heat (9999)"]
    assert [year_of(title) for title in titles] == [1995, None, 1968, None, None, None]


def test_no_text_breaks_them() -> None:
    rng = random.Random(0)
    for _ in range(5000):
        text = "".join(rng.choice("aÉ,.()'-&ß\0\n\u202e🎬 1") for _ in range(rng.randint(0, 30)))
        other = text[::-1]
        assert same_person(text, other) == same_person(other, text)
        main, others = title_keys(text)
        assert main not in others and "" not in others
    assert len(title_keys("(" * 100_000)[0]) < 2000
