"""Recommendations of a rating run for somebody new, who tells his ratings or does not."""

import re
from pathlib import Path

import numpy as np
import pytest

from recipes.hidden_kinds import CONFIG, FAST, hidden, run
from tandemrec.augment.attributes import AttributesConfig
from tandemrec.cli import main
from tandemrec.errors import TandemrecError
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FollowingLLM
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.rating_recommend import level

NONE = {"attributes": AttributesConfig(source="none"), "training": {**FAST, "epochs": 2}}
ITEMS = list(range(1, 7))
asked: list[Prompt] = []


def score(prompt: Prompt, option: str) -> float:
    asked.append(prompt)
    return -1.0 if option == "5" else -2.0


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    split, _ = hidden()
    config = CONFIG.model_copy(update=NONE)
    return run(split, FollowingLLM(score), tmp_path_factory.mktemp("run"), config)


def test_who_tells_no_ratings_gets_the_backbones(done: Finished) -> None:
    asked.clear()
    frame = done.recommend_new(ITEMS, k=3)
    assert len(frame) == 3 and set(frame["user_id"]) == {"new"}
    assert not asked and frame["score"].is_sorted(descending=True)


@pytest.mark.parametrize("stars", [2, 5])
def test_ratings_move_the_backbone_and_are_told_to_the_model(stars: int, done: Finished) -> None:
    n_items = done.setup.split.data.interactions.n_items
    before = done.recommend_new(ITEMS, k=n_items)
    asked.clear()
    frame = done.recommend_new(ITEMS, k=n_items, ratings=[stars] * len(ITEMS))
    assert asked
    for prompt in asked:
        own, _, rest = prompt.user.partition("Item to rate: ")
        told = re.findall(r"- item ([0-9]+): ([25])", own)
        assert told == [(str(item), str(stars)) for item in ITEMS]
        assert "Ratings by a similar user:" in rest and "A recommender predicts:" in rest
    assert set(frame["item_id"]) == set(before["item_id"])
    behind = slice(CONFIG.candidates, None)  # the LLM is not asked about these
    moved = (frame["score"][behind] - before["score"][behind]).to_numpy()
    assert np.sign(moved.mean()) == (1 if stars == 5 else -1)


def test_a_level_is_drawn_towards_what_is_predicted() -> None:
    """(2 + 1) over two told and ten more; what nobody is predicted says nothing."""
    predicted = np.array([3.0, 4.0, -np.inf])
    assert level(np.array([5.0, 5.0, 5.0]), predicted) == pytest.approx(3 / 12)
    assert level(np.array([5.0]), predicted[2:]) == 0


@pytest.mark.parametrize(
    ("ratings", "error"),
    [
        ([2, 5], r"one for each item\. Received: 2 ratings of 3 items"),
        ([2, 7, 5], "item 2 is rated 7; the run's ratings go from 2 to 5"),
        ([2, 5, float("nan")], "item 3 is rated nan"),
    ],
)
def test_bad_ratings_are_refused(ratings: list[float], error: str, done: Finished) -> None:
    with pytest.raises(TandemrecError, match=error):
        done.recommend_new([1, 2, 3], ratings=ratings)


def test_a_file_of_ratings_by_the_command_line(
    done: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("tandemrec.recipes.execute.finished", lambda folder, progress: done)
    file = tmp_path / "mine.csv"
    words = ["recommend", str(tmp_path), "--history", str(file), "--json"]
    file.write_text("item,rating\n1,5\n2,2\n")
    asked.clear()
    assert main(words) == 0 and asked
    for text, error in (("item,rating\n1,9\n", "item 1 is rated 9"), ("item\n77x\n", "'77x'")):
        file.write_text(text)
        assert main(words) == 2
        assert re.search(rf"mine\.csv: .*{error}", capsys.readouterr().err)
