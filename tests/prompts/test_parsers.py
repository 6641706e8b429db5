"""Answers that a language model might write, mutated a million times: no parser ever raises."""

import random

import pytest

from tandemrec.prompts.direct import LABELS, parse_labels

TITLES = ["Star Wars (1977)", "A Bug's Life", "Plan B", "Ünïcödé", "<|im_end|>", "J, K or L?"]
JUNK = ["\0", "\n\n", "```json", "{", "}", '"', "’", "\u202e", "🎬", "1.", "**", "None", "\\"]
JUNK += ["A" * 300]
MILLION = 1_000_000


def written(rng: random.Random) -> str:
    """A ranking as a model might write it: letters or titles, in some dress."""
    n = rng.randint(1, 12)
    names = rng.choices(LABELS, k=n) if rng.random() < 0.7 else rng.choices(TITLES, k=n)
    dress = rng.choice(["{}", "[{}]", "Ranking: {}", '{{"ranking": "{}"}}', "The answer is {}."])
    return dress.format(rng.choice([", ", " > ", "\n", "", "; ", "|"]).join(names))


def mutated(text: str, rng: random.Random) -> str:
    """Cut, doubled, turned round, or with something thrown in."""
    place, other = rng.randint(0, len(text)), rng.randint(0, len(text))
    way = rng.randrange(6)
    if way == 0:
        return text[:place]
    if way == 1:
        return text[:place] + rng.choice(JUNK) + text[place:]
    if way == 2:
        return text[place:] + text[:other]
    if way == 3:
        return text[:place] + chr(rng.randrange(0x10000)) + text[place + 1 :]
    return text.lower() if way == 4 else text


@pytest.mark.slow
def test_a_million_mutated_answers_give_places_without_repeats() -> None:
    rng = random.Random(0)
    empty = 0
    for _ in range(MILLION):
        n = rng.randint(0, 26)
        found = parse_labels(mutated(mutated(written(rng), rng), rng), n)
        assert len(set(found)) == len(found) <= n
        assert all(0 <= place < n for place in found)
        empty += not found
    assert 0.1 < empty / MILLION < 0.9  # both kinds were met


def test_a_clean_answer_survives_its_dress() -> None:
    for dress in ("B, A, C", "[B > A > C]", '{"ranking": "B, A, C"}', "Ranking: B\nA\nC."):
        assert parse_labels(dress, 3) == [1, 0, 2]


def test_words_are_no_labels() -> None:
    assert parse_labels("I recommend B, A", 10) == [1, 0]
    assert parse_labels("A Bug's Life, then C", 3) == [2]
    assert parse_labels("B over A and C", 3) == [1, 0, 2]
    assert parse_labels("Star Wars", 26) == []
