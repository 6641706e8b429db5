"""Few examples: from training data and what is known alone, and never with the answer in the
question."""

import re

import numpy as np
import polars as pl
import pytest

from tandemrec.data.attributes import TABLE, Attributes, Found
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions
from tandemrec.data.tastes import Tastes
from tandemrec.errors import ConfigError, DataError
from tandemrec.prompts.interactions import TasteProfiles, TastePromptConfig, like
from tandemrec.prompts.kinds import kinds_of
from tandemrec.tuning.fewshot import (
    FewShotConfig,
    attribute_examples,
    released,
    summary_examples,
    yes_no,
)

N_USERS, N_ITEMS = 40, 30
FEW = FewShotConfig(examples=16)


def catalogue(**columns: list[object]) -> Catalogue:
    titles = [f"Film {n:02d} (19{n + 50})" for n in range(N_ITEMS)]
    return Catalogue(list(range(N_USERS)), list(range(N_ITEMS)), titles, pl.DataFrame(columns))


def profiles(rows: list[tuple[int, int, float]]) -> TasteProfiles:
    users, items, ratings = np.array(rows).T
    train = Interactions.sorted(
        users.astype(np.int64),
        items.astype(np.int64),
        ratings.astype(np.float32),
        n_users=N_USERS,
        n_items=N_ITEMS,
    )
    return TasteProfiles.of(Tastes.of(train, 3), catalogue(), "film", TastePromptConfig())


def rated() -> list[tuple[int, int, float]]:
    """Every user has rated ten films: those with an even number 5, the others 1."""
    rng = np.random.default_rng(0)
    return [
        (user, int(item), 1.0 if item % 2 else 5.0)
        for user in range(N_USERS)
        for item in rng.permutation(N_ITEMS)[:10]
    ]


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"Film (\d\d)", text)]


def test_half_the_answers_are_yes_and_true_and_none_is_told() -> None:
    found = yes_no(profiles(rated()), FEW)
    assert [e.answer for e in found].count("Yes") == len(found) // 2 == 8
    for example in found:
        *told, item = numbers(example.prompt.user)
        assert item not in told and len(told) >= 5
        assert example.answer == ("No" if item % 2 else "Yes")
    answers = "".join(e.answer[0] for e in found)
    assert "YN" in answers and "NY" in answers  # not one half behind the other


def test_every_example_is_of_another_user_as_he_is_asked() -> None:
    people, possible = profiles(rated()), {}
    for user, item, _ in rated():
        possible[like(people.facts(user, item))] = user
    users = [possible[example.prompt] for example in yes_no(people, FEW)]
    assert len(set(users)) == len(users) == 16


def test_a_seed_draws_others_and_an_equal_one_the_same() -> None:
    people = profiles(rated())
    assert yes_no(people, FEW) == yes_no(people, FEW)
    assert yes_no(people, FEW) != yes_no(people, FewShotConfig(examples=16, seed=1))


def test_a_scarce_side_makes_both_small() -> None:
    rows = [(user, item, 5.0) for user in range(20) for item in range(4)]
    found = yes_no(profiles([*rows, (0, 7, 1.0), (1, 8, 2.0)]), FEW)
    assert sorted(e.answer for e in found) == ["No", "No", "Yes", "Yes"]


def test_the_same_two_users_on_both_sides_are_one_each() -> None:
    rows = [(user, item, 5.0 - 4 * (item % 2)) for user in range(2) for item in range(4)]
    assert sorted(e.answer for e in yes_no(profiles(rows), FEW)) == ["No", "Yes"]


@pytest.mark.parametrize(
    "rows",
    [
        [(user, item, 5.0) for user in range(9) for item in range(3)],  # no dislike
        [(user, user, 1.0 + 4 * (user % 2)) for user in range(9)],  # one rating each
    ],
)
def test_one_answer_alone_teaches_nothing(rows: list[tuple[int, int, float]]) -> None:
    with pytest.raises(DataError, match=r"no examples of both Yes and No.*tune=none"):
        yes_no(profiles(rows), FEW)


def test_genres_are_completed_to_three() -> None:
    genres = [["Action", "Crime", "Drama", "War"], ["Action", "Crime"], ["Comedy"]]
    known = catalogue(genres=[genres[n % 3] for n in range(N_ITEMS)])
    found = attribute_examples(known, "movie", kinds_of("movie", "dallrec"), FEW)
    assert len(found) == 10 and {e.answer for e in found} == {"Action, Crime, Drama"}
    told = [re.findall(r"Known so far: (.*)", e.prompt.user)[0].split(", ") for e in found]
    assert {len(words) for words in told} == {1, 2}
    assert all(set(words) < {"Action", "Crime", "Drama"} for words in told)
    assert all(n % 3 == 0 for e in found for n in numbers(e.prompt.user))


def given(kinds, rows):  # type: ignore[no-untyped-def]
    """Every kind's value of every item, or none."""
    values = {
        kind.name: [Found(tuple(row.get(kind.name, ())), TABLE) for row in rows] for kind in kinds
    }
    return Attributes(tuple(kinds), values)


def test_a_table_gives_facts_and_only_whole_rows_count() -> None:
    kinds = kinds_of("movie", "dallrec")
    whole = {"director": ["Ada Quill"], "actor": ["A", "B", "C"], "country": ["UK"]}
    rows = [{**whole, "language": ["English"]} if n < 5 else whole for n in range(N_ITEMS)]
    rows[0] |= {"genre_words": ["Noir", "Heist", "Rain"]}
    known = catalogue(genres=[["Crime"]] * N_ITEMS)
    genres, *facts = attribute_examples(known, "movie", kinds, FEW, given(kinds, rows))
    assert genres.answer == "Noir, Heist, Rain" and "Known so far: Crime" in genres.prompt.user
    answer = "director: Ada Quill, actor: A | B, country: UK, language: English"
    assert [e.answer for e in facts] == [answer] * 5
    assert {n for e in facts for n in numbers(e.prompt.user)} == set(range(5))


def test_of_what_nobody_knows_there_are_no_examples() -> None:
    assert attribute_examples(catalogue(), "book", kinds_of("book", "dallrec"), FEW) == []
    assert summary_examples(catalogue(), "film", FEW) == []


def test_summaries_are_the_catalogues_own_two_sentences() -> None:
    text = "A tired cop chases a careful thief. Both lose a lot on the way. Nobody wins."
    known = catalogue(description=[text if n % 2 else None for n in range(N_ITEMS)])
    found = summary_examples(known, "film", FEW)
    assert len(found) == 15
    assert {e.answer for e in found} == {
        "A tired cop chases a careful thief. Both lose a lot on the way."
    }
    assert all(n % 2 for e in found for n in numbers(e.prompt.user))
    assert len(summary_examples(known, "film", FewShotConfig(examples=4))) == 4


def test_there_are_released_sets_of_movies_and_books_alone() -> None:
    with pytest.raises(ConfigError, match=r"of movie and book.*'film'.*examples\.released=none"):
        released(FewShotConfig(released="x.zip"), "film")
    with pytest.raises(DataError, match="no zip that can be read"):
        released(FewShotConfig(released="x.zip"), "movie")


def test_settings_refuse_none_and_keep_a_place_whole(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="examples"):
        FewShotConfig(examples=0)
    monkeypatch.chdir(tmp_path)
    assert FewShotConfig(released="sets.zip").released == str(tmp_path / "sets.zip")
