"""Ratings by a language model that answers as each test wants."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prompts.test_rated import SIMILAR, hints, profiles, split
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.rate import (
    NOT_A_NUMBER,
    NOTHING,
    UNREADABLE,
    Calibration,
    RateConfig,
    Said,
    rate,
    read_together,
)
from tandemrec.ratings import Ratings

KNOWN = split()
STARS = Scale(1, 5, 1)
EXPECTED, GREEDY, WRITTEN = (
    RateConfig(answer="expected"),
    RateConfig(answer="greedy"),
    RateConfig(answer="written"),
)


def ask(llm: FakeLLM, config: RateConfig, pairs: Interactions = KNOWN.test) -> Said:
    return rate(pairs, profiles(KNOWN), llm, config, scale=STARS, fallback=hints(pairs))


def sure(shares: dict[str, float]) -> Callable[[Prompt, str], float]:
    return lambda prompt, label: float(np.log(shares.get(label, 1e-30)))


def test_the_expected_rating_is_the_mean_of_the_labels() -> None:
    llm = FollowingLLM(sure({"1": 0.1, "4": 0.2, "5": 0.1}))  # the rest is no rating at all
    found = ask(llm, EXPECTED)
    assert found.ratings.values == pytest.approx([(0.1 + 0.8 + 0.5) / 0.4] * 6)
    assert found.ratings.same_pairs(hints(KNOWN.test)) and found.rejected == {}
    assert llm.log[0][1] == ("1", "2", "3", "4", "5")


def test_the_greedy_rating_is_the_likeliest_label() -> None:
    found = ask(FollowingLLM(sure({"1": 0.4, "4": 0.3, "5": 0.3})), GREEDY)
    assert found.ratings.values.tolist() == [1.0] * 6


def test_the_rating_is_of_its_own_pair() -> None:
    """The model reads the candidate's number; the pairs are not in the prompts' order of films."""

    def says(prompt: Prompt, label: str) -> float:
        number = int(prompt.user.partition("to rate: ")[2].split("\n")[0].split()[-1])
        return 0.0 if int(label) == 1 + number % 5 else -99.0

    found = ask(FollowingLLM(says), EXPECTED)
    assert found.ratings.values == pytest.approx(1 + KNOWN.test.items % 5)


@pytest.mark.parametrize("answer", ["expected", "greedy", "written"])
def test_the_pairs_own_ratings_are_not_looked_at(answer: str) -> None:
    blank = replace(KNOWN.test, ratings=np.full(6, np.nan, np.float32))
    config = RateConfig(answer=answer)
    assert ask(FakeLLM(), config).fingerprint == ask(FakeLLM(), config, blank).fingerprint


class Odd(FollowingLLM):
    """Gives logarithms that are none."""

    def logprob(self, prompt: Prompt, option: str) -> float:
        user = int(prompt.user.partition("- Film ")[2][:2])
        return [np.nan, -np.inf, np.inf][user] if user < 3 else (-1.0 if option == "2" else -99.0)


@pytest.mark.parametrize("config", [EXPECTED, GREEDY])
def test_an_answer_of_no_use_keeps_the_backbones_rating_and_is_counted(config: RateConfig) -> None:
    found = ask(Odd(lambda *_: 0.0), config)
    assert found.rejected == {NOTHING: 1, NOT_A_NUMBER: 2}
    assert found.ratings.values == pytest.approx([2.0, 2.1, 2.2, 2, 2, 2])
    assert found.used.tolist() == [False] * 3 + [True] * 3
    moved = found.on(Calibration(0.5, 3.0), STARS)
    assert moved.values == pytest.approx([2.0, 2.1, 2.2, 4, 4, 4])  # no line for the backbone's


def test_one_label_that_is_no_number_spoils_the_answer() -> None:
    llm = FollowingLLM(lambda prompt, label: np.nan if label == "5" else -1.0)
    assert ask(llm, EXPECTED).rejected == {NOT_A_NUMBER: 6}


def test_a_written_answer_is_parsed() -> None:
    texts = iter(["4", "I'd say 2 stars", "10", "no idea", "3 or 4", "4.5"])
    found = ask(FollowingLLM(lambda *_: 0.0, lambda prompt: next(texts)), WRITTEN)
    assert found.ratings.values == pytest.approx([4, 2, 2.2, 2.3, 2.4, 4.5])
    assert found.rejected == {UNREADABLE: 3}


def test_a_backbones_rating_beyond_the_scale_is_cut() -> None:
    wild = hints(KNOWN.test).with_values(np.array([-3.0, 9, 1, 5, 2, 3]))
    llm = FollowingLLM(lambda *_: np.nan)
    found = rate(KNOWN.test, profiles(KNOWN), llm, EXPECTED, scale=STARS, fallback=wild)
    assert found.ratings.values.tolist() == [1, 5, 1, 5, 2, 3]


class Digits(FakeLLM):
    """Says "1" with 0.6, and after it "0" with 0.5: the answer 1 with 0.3, 10 with 0.3; 8 with 0.4.

    Digit by digit, or with a token for 10.
    """

    def __init__(self, by_digit: bool) -> None:
        super().__init__("digits")
        self.by_digit = by_digit

    def choose(self, prompts, options):  # type: ignore[no-untyped-def]
        said = {"1": 0.6 if self.by_digit else 0.3, "10": 0.3, "8": 0.4}
        row = np.log([said.get(label, 1e-30) for label in options[0]], dtype=np.float32)
        tokens = [len(label) if self.by_digit else 1 for label in options[0]]
        return [Choice(row, np.array(tokens))] * len(prompts)


@pytest.mark.parametrize("by_digit", [True, False])
def test_a_label_that_begins_another_is_not_counted_for_it(by_digit: bool) -> None:
    """On a scale of ten, by digits, 1 is said with 0.6 but meant with 0.3."""
    scale = Scale(1, 10, 1)
    tens = replace(profiles(KNOWN), scale=scale)
    pairs, fallback = KNOWN.test, hints(KNOWN.test)
    ways = [
        rate(pairs, tens, Digits(by_digit), config, scale=scale, fallback=fallback)
        for config in (EXPECTED, GREEDY)
    ]
    assert ways[0].ratings.values == pytest.approx([0.3 * 1 + 0.3 * 10 + 0.4 * 8] * 6, rel=1e-5)
    assert ways[1].ratings.values.tolist() == [8.0] * 6


class Hundreds(FakeLLM):
    """By digits: 0 with 0.2, 10 with 0.2, 100 with 0.6, so that "10" is said with 0.8."""

    def choose(self, prompts, options):  # type: ignore[no-untyped-def]
        said = {"0": 0.2, "10": 0.8, "100": 0.6}
        row = np.log([said.get(label, 1e-30) for label in options[0]], dtype=np.float32)
        return [Choice(row, np.array([len(label) for label in options[0]]))] * len(prompts)


def test_nothing_is_taken_off_twice() -> None:
    scale, pairs = Scale(0, 100, 1), KNOWN.test
    wide = replace(profiles(KNOWN), scale=scale)
    found = rate(pairs, wide, Hundreds(), EXPECTED, scale=scale, fallback=hints(pairs))
    assert found.ratings.values == pytest.approx([0.2 * 10 + 0.6 * 100] * 6, rel=1e-5)


def test_other_pairs_and_other_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="same pairs"):
        rate(
            KNOWN.test,
            profiles(KNOWN),
            FakeLLM(),
            EXPECTED,
            scale=STARS,
            fallback=hints(KNOWN.valid),
        )
    with pytest.raises(ValueError, match="scale"):
        rate(
            KNOWN.test,
            profiles(KNOWN),
            FakeLLM(),
            EXPECTED,
            scale=Scale(1, 10, 1),
            fallback=hints(KNOWN.test),
        )


@pytest.mark.parametrize("answer", ["expected", "greedy", "written"])
def test_nobody_to_ask_is_no_question(answer: str) -> None:
    llm, none = FakeLLM(), KNOWN.test.rows(np.array([], np.int64))
    found = ask(llm, RateConfig(answer=answer), none)
    assert (len(found.ratings), found.rejected, llm.asked) == (0, {}, 0)


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = ask(Odd(lambda *_: 0.0), EXPECTED)
    found.save(tmp_path)
    again = Said.load(tmp_path)
    assert again.fingerprint == found.fingerprint and again.rejected == found.rejected
    assert again.used.tolist() == found.used.tolist() != [True] * 6
    assert Said(found.ratings, found.used, {}).fingerprint != found.fingerprint
    assert Said(found.ratings, ~found.used, found.rejected).fingerprint != found.fingerprint


@pytest.mark.parametrize("answer", ["expected", "written"])
def test_what_was_read_together_is_not_asked_again(answer: str, tmp_path: Path) -> None:
    plain, config = profiles(KNOWN), RateConfig(answer=answer)
    told = plain.telling(similar=SIMILAR, hints=hints(KNOWN.test))
    inner = FakeLLM()
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        llm = Remembering(inner, store)
        read_together(KNOWN.test, [plain, told], llm, config, scale=STARS)
        before = inner.asked
        assert before == 12
        first, second = (prompt.user for prompt, _ in inner.log[:2])
        assert second.startswith(first.rpartition("\n")[0])  # one pair, and then the next
        for known in (plain, told):
            rate(KNOWN.test, known, llm, config, scale=STARS, fallback=hints(KNOWN.test))
        assert inner.asked == before


def ratings(*values: float) -> Ratings:
    n = len(values)
    return Ratings(np.arange(n), np.zeros(n, np.int64), np.array(values, np.float64))


def truth(*values: float) -> Interactions:
    n = len(values)
    stars = np.array(values, np.float32)
    users, items = np.arange(n), np.zeros(n, np.int64)
    return Interactions.sorted(users, items, stars, n_users=max(n, 1), n_items=1)


def test_a_calibration_is_the_line_of_least_squares() -> None:
    x, y = [3.0, 3.5, 4.0, 4.5, 3.2], [1.0, 3.0, 4.0, 5.0, 2.0]
    line = Calibration.fit(ratings(*x), truth(*y))
    slope, intercept = np.polyfit(x, y, 1)
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept))
    applied = line.apply(ratings(3.0, 9.0), STARS)
    assert applied.values == pytest.approx([intercept + 3 * slope, 5.0])
    assert line == Calibration(line.slope, line.intercept)  # plain numbers


@pytest.mark.parametrize(
    "x",
    [
        (5.0, 4.0, 3.0, 2.0, 1.0, 1.0),  # the wrong way round
        (4.0, 4.0, 4.0, 4.0, 4.0, 4.0),  # says nothing
        (3.0, 3.1, 2.9, 3.0, 3.0, 3.1),  # rises by chance: worse than the mean on what it left out
    ],
)
def test_a_line_that_does_not_help_is_the_mean(x: tuple[float, ...]) -> None:
    line = Calibration.fit(ratings(*x), truth(1, 2, 3, 4, 5, 3))
    assert (line.slope, line.intercept) == (0.0, 3.0)


def test_the_errors_of_what_was_left_out_are_those_of_a_new_fit() -> None:
    """Whether a line is taken agrees with fitting it anew without each pair."""
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(60):
        x = rng.normal(size=8)
        y = (3 + 0.4 * x + rng.normal(size=8)).astype(np.float32).astype(np.float64)
        worse = better = 0.0
        for left in range(8):
            rest = np.arange(8) != left
            slope, intercept = np.polyfit(x[rest], y[rest], 1)
            better += (y[left] - slope * x[left] - intercept) ** 2
            worse += (y[left] - y[rest].mean()) ** 2
        helps = bool(better < worse and np.polyfit(x, y, 1)[0] > 0)
        assert (Calibration.fit(ratings(*x), truth(*y)).slope > 0) == helps
        kinds.add(helps)
    assert kinds == {True, False}


def test_too_few_pairs_and_no_calibration_leave_ratings_as_they_are() -> None:
    few, wide = Calibration.fit(ratings(1, 2), truth(5, 4)), Scale(-9, 9, 1)
    none = Calibration.none(ratings(1, 2, 3), truth(5, 4, 3))
    for line in (few, none, Calibration.fit(ratings(), truth())):
        assert line.apply(ratings(1.25, 7.5), wide).values.tolist() == [1.25, 7.5]


def test_a_calibration_needs_the_same_pairs() -> None:
    with pytest.raises(ValueError, match="same pairs"):
        Calibration.fit(ratings(1, 2, 3), truth(1, 2, 3, 4))
