"""Attributes by a language model that knows what a test says, or nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from tandemrec.augment.attributes import AttributesConfig, attributes
from tandemrec.data.attributes import (
    DISAGREE,
    IDLE,
    MODEL,
    TABLE,
    UNKNOWN,
    UNREADABLE,
    Attributes,
    Kind,
)
from tandemrec.data.catalogue import Catalogue
from tandemrec.errors import ConfigError, DataWarning
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.prompts.kinds import DALLREC, LLAMA4REC

TITLES = ["Heat (1995)", "Fargo (1996)", "Babe (1995)", "Alien (1979)"]
FILMS = Catalogue([], [1, 2, 3, 4], TITLES)
DIRECTOR = LLAMA4REC["movie"][:1]


def last(prompt: Prompt) -> str:
    """What is asked, behind the examples."""
    return prompt.user.rpartition("\n\n")[2]


def saying(first: Callable[[str], str], second: Callable[[str], str]) -> FollowingLLM:
    """One answer in each wording, from the lines that name the item."""

    def write(prompt: Prompt) -> str:
        return (second if "Question" in prompt.user else first)(last(prompt))

    return FollowingLLM(lambda *_: 0.0, write)


def known(asked: str) -> str:
    right = {"Heat": "Michael Mann", "Fargo": "Joel Coen", "Babe": "Chris Noonan"}
    return next((name for title, name in right.items() if title in asked), "unknown")


def ask(llm: FakeLLM, **config: object) -> Attributes:
    return attributes(FILMS, "movie", llm, AttributesConfig(kinds=DIRECTOR, **config))


def values(found: Attributes) -> list[str]:
    return [each.value[0] if each.value else each.source for each in found.values["director"]]


def test_what_two_wordings_agree_on_is_kept() -> None:
    def other(asked: str) -> str:
        return "George Miller" if "Babe" in asked else known(asked).replace("Joel", "Ethan")

    found = ask(saying(known, other))
    assert values(found) == ["Michael Mann", DISAGREE, DISAGREE, UNKNOWN]
    assert found.asked == 8
    spelled = ask(saying(known, lambda asked: known(asked).upper() + "\n\nQuestion: who"))
    assert values(spelled) == ["Michael Mann", "Joel Coen", "Chris Noonan", UNKNOWN]
    assert spelled.counts == {"director": {MODEL: 3, UNKNOWN: 1}}


def test_an_answer_that_cannot_be_read_is_rejected() -> None:
    found = ask(saying(known, lambda asked: "Heat" if "Heat" in asked else known(asked)))
    assert values(found)[0] == UNREADABLE and found.rejected == {"unreadable": 1}


def test_who_is_known_in_one_wording_alone_is_unknown_and_not_rejected() -> None:
    nobody = saying(known, lambda asked: "unknown")
    for llm in (nobody, saying(lambda asked: "unknown", known)):
        found = ask(llm)
        assert found.counts == {"director": {UNKNOWN: 4}} and found.rejected == {}


def test_a_model_that_copies_an_example_gives_nothing() -> None:
    def first_example(prompt: Prompt) -> str:
        return prompt.user.partition("\n\n")[2].split("\n")[1].partition(": ")[2]

    found = ask(FollowingLLM(lambda *_: 0.0, first_example))
    assert values(found) == [DISAGREE] * 4


def test_who_made_invented_films_too_is_not_believed() -> None:
    """Both wordings say one name of whatever they do not know."""
    found = ask(saying(*[lambda asked: known(asked).replace("unknown", "Christopher Nolan")] * 2))
    assert values(found) == ["Michael Mann", "Joel Coen", "Chris Noonan", IDLE]
    genre = (Kind(name="genre", about="the genre"),)
    config = AttributesConfig(kinds=genre)  # which can be guessed from any title
    found = attributes(FILMS, "movie", saying(*[lambda asked: "Drama"] * 2), config)
    assert found.counts == {"genre": {MODEL: 4}}


@pytest.mark.parametrize("idle", [0, 1])
def test_who_made_invented_films_in_either_wording_is_not_believed(idle: int) -> None:
    """Of invented films one wording names Michael Mann, and the other nobody."""

    def naming(asked: str) -> str:
        return known(asked).replace("unknown", "Michael Mann" if "Alien" not in asked else "Al Po")

    found = ask(saying(naming, known) if idle == 0 else saying(known, naming))
    assert values(found) == [IDLE, "Joel Coen", "Chris Noonan", UNKNOWN]


def test_without_agreement_one_wording_is_asked_and_believed() -> None:
    llm = saying(lambda asked: known(asked).replace("unknown", "Christopher Nolan"), known)
    found = ask(llm, agree=False)
    assert values(found)[3] == "Christopher Nolan"
    assert (llm.asked, found.asked) == (4, 4)


def test_of_several_stars_those_named_twice_are_kept() -> None:
    stars = saying(lambda _: "Al Pacino, Val Kilmer", lambda _: "Val Kilmer and Jon Voight")
    books = Catalogue([], [1], ["Heat"])
    kind = Kind(name="star", about="the stars", form="list")
    found = attributes(books, "movie", stars, AttributesConfig(kinds=(kind,)))
    assert found.values["star"][0].value == ("Val Kilmer",)


def test_books_are_asked_for_genre_and_pages_with_their_author() -> None:
    books = Catalogue([], [1], ["Emma"], pl.DataFrame({"author": ["Jane Austen"]}))

    def write(asked: str) -> str:
        assert "Emma by Jane Austen" in asked
        return "450" if "pages" in asked else "Romance"

    found = attributes(books, "book", saying(write, write), AttributesConfig())
    assert [row[0].value for row in found.values.values()] == [("Romance",), ("450",)]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        first, second = saying(known, known), saying(known, known)
        ask(Remembering(first, store))  # type: ignore[arg-type]
        again = ask(Remembering(second, store))  # type: ignore[arg-type]
    assert first.asked == 2 * (4 + 8) and second.asked == 0
    assert values(again)[0] == "Michael Mann"


def table(tmp_path: Path) -> str:
    file = tmp_path / "films.csv"
    file.write_text("title,director\nHeat,Ann Lee\nAlien,Ridley Scott\n")
    return str(file)


def test_a_table_asks_nobody_and_both_fill_each_other(tmp_path: Path) -> None:
    llm = saying(known, known)
    alone = ask(llm, source="table", table=table(tmp_path))
    assert values(alone) == ["Ann Lee", UNKNOWN, UNKNOWN, "Ridley Scott"] and not llm.log
    both = ask(llm, source="both", table=table(tmp_path))
    assert values(both) == ["Ann Lee", "Joel Coen", "Chris Noonan", "Ridley Scott"]
    assert both.counts == {"director": {MODEL: 2, TABLE: 2}} and both.asked == 4
    assert not any("Heat" in last(prompt) for prompt, _ in llm.log)
    config = AttributesConfig(kinds=DIRECTOR, source="table", table=table(tmp_path))
    assert attributes(FILMS, "movie", None, config).fingerprint == alone.fingerprint


def test_none_and_unknown_items_get_no_attributes() -> None:
    llm = FakeLLM()
    assert attributes(FILMS, "movie", llm, AttributesConfig(source="none")).kinds == ()
    with pytest.warns(DataWarning, match="'item'"):
        found = attributes(FILMS, "item", llm, AttributesConfig())
    assert (found.kinds, found.found, found.counts, llm.asked) == ((), 0, {}, 0)
    assert found.joined(FILMS) is FILMS


@pytest.mark.parametrize(
    ("noun", "config", "says"),
    [
        ("movie", AttributesConfig(source="table"), r"attributes\.table"),
        ("movie", AttributesConfig(source="both"), r"attributes\.table"),
        ("item", AttributesConfig(source="table", table="x.csv"), r"attributes\.kinds"),
        ("movie", AttributesConfig(), "language model"),
    ],
)
def test_what_is_missing_is_said(noun: str, config: AttributesConfig, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        attributes(FILMS, noun, None, config)


def test_a_model_without_sense_makes_no_attributes(tmp_path: Path) -> None:
    found = ask(FakeLLM())
    assert found.found == 0 and sum(found.counts["director"].values()) == 4
    found.save(tmp_path)
    assert Attributes.load(tmp_path).fingerprint == found.fingerprint


def instructed(prompt: Prompt) -> str:
    """Knows Heat; of what else is asked it says that it does not."""
    if "genre" in prompt.user:
        return "Genres: Action, Crime, Thriller, Drama"
    if "Heat" not in prompt.user:
        return "director: unknown, actor: unknown, country: unknown, language: unknown"
    return "director: Michael Mann, actor: Al Pacino | Val Kilmer, country: Heat, language: English"


def test_dallrecs_attributes_by_instruction() -> None:
    llm = FollowingLLM(lambda *_: 0.0, instructed)
    config = AttributesConfig(paper="dallrec", manner="instruction")
    found = attributes(FILMS, "movie", llm, config)
    assert found.kinds == DALLREC["movie"] and llm.asked == found.asked == 2 * len(TITLES)
    assert found.values["genre_words"][0].value == ("Action", "Crime", "Thriller")
    assert found.values["actor"][0].value == ("Al Pacino", "Val Kilmer")
    assert found.counts["director"] == {MODEL: 1, UNKNOWN: 3}
    assert found.counts["country"] == {UNKNOWN: 3, UNREADABLE: 1}
    assert found.rejected == {"unreadable": 1}


def test_dallrecs_attributes_join_a_catalogue_that_has_genres() -> None:
    table = pl.DataFrame({"genres": [["Action"]] * 4})
    films = Catalogue([], [1, 2, 3, 4], TITLES, table)
    llm = FollowingLLM(lambda *_: 0.0, instructed)
    found = attributes(films, "movie", llm, AttributesConfig(paper="dallrec", manner="instruction"))
    assert found.joined(films).items["genre_words"].to_list()[1] == ["Action", "Crime", "Thriller"]
    asked = [prompt.user for prompt, _ in llm.log]
    assert all(("Known so far: Action" in text) == ("genre" in text) for text in asked)


def test_dallrecs_attributes_with_worked_examples_and_agreement() -> None:
    llm = saying(*[lambda asked: "unknown"] * 2)
    found = attributes(FILMS, "movie", llm, AttributesConfig(paper="dallrec"))
    assert found.asked == 5 * 2 * len(TITLES) and found.found == 0
    books = Catalogue([], [1], ["Emma"])
    genre = saying(*[lambda asked: "Romance, Comedy, Classic"] * 2)
    found = attributes(books, "book", genre, AttributesConfig(paper="dallrec"))
    assert found.values["genre_words"][0].value == ("Romance", "Comedy", "Classic")


def test_an_instruction_asks_only_about_what_a_table_does_not_know(tmp_path: Path) -> None:
    llm = FollowingLLM(lambda *_: 0.0, lambda prompt: "Joel Coen")
    found = ask(llm, source="both", table=table(tmp_path), manner="instruction")
    assert values(found) == ["Ann Lee", "Joel Coen", "Joel Coen", "Ridley Scott"]
    assert found.asked == llm.asked == 2
    assert not any("Heat" in prompt.user or "Alien" in prompt.user for prompt, _ in llm.log)


class Dying(FollowingLLM):
    """Dies once it has answered so many questions."""

    chunk = 2

    def __init__(self, left: int) -> None:
        super().__init__(lambda *_: 0.0, instructed)
        self.left = left

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        if self.asked + len(prompts) > self.left:
            raise KeyboardInterrupt
        return super().generate(prompts, max_tokens=max_tokens)


def test_instructions_go_on_where_a_run_was_killed(tmp_path: Path) -> None:
    config = AttributesConfig(paper="dallrec", manner="instruction")
    whole = attributes(FILMS, "movie", FollowingLLM(lambda *_: 0.0, instructed), config)
    first, second = Dying(5), Dying(99)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            attributes(FILMS, "movie", Remembering(first, store), config)
        again = attributes(FILMS, "movie", Remembering(second, store), config)
    assert again.fingerprint == whole.fingerprint
    assert (first.asked, second.asked) == (4, 4)
    assert not {prompt for prompt, _ in first.log} & {prompt for prompt, _ in second.log}
