"""What the language model is told on each part of the data, and what a recommendation's score is
made of."""

import re
from pathlib import Path

import numpy as np
import pytest

import tandemrec as tr
from recipes.hidden_kinds import CONFIG, FAST, hidden, knowing, run
from tandemrec import aggregate
from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.prompts.rated import RatedProfiles
from tandemrec.ranking import similar_users
from tandemrec.rate import rate
from tandemrec.ratings import Ratings
from tandemrec.recipes.arms import Weighing
from tandemrec.recipes.finished import Finished

QUICK = {"training": {**FAST, "epochs": 10}}


@pytest.mark.parametrize("history", ["valid", "train"])
def test_each_view_tells_its_own_backbone_and_test_goes_on_to_validation(
    history: str, tmp_path: Path
) -> None:
    split, kinds = hidden()
    llm = knowing(kinds)
    config = CONFIG.model_copy(update={**QUICK, "history_at_test": history})
    seed = run(split, llm, tmp_path, config).seeds[0]
    further = split.before_test if history == "valid" else None
    for model, name in ((seed.augmented, "augmented"), (seed.base, "base")):
        similar = similar_users(model)
        for views, pairs, own in (
            (seed.valid, split.valid, None),
            (seed.test, split.test, further),
        ):
            told = RatedProfiles.of(split, config.rated, own)
            hints = tr.predict(model, pairs)
            how = {"llm": llm, "config": config.rate, "scale": told.scale, "fallback": hints}
            said = rate(pairs, told.telling(similar=similar, hints=hints), **how)
            view = views[f"{name}-told"]
            assert view.backbone.values == pytest.approx(hints.values)
            assert view.said.ratings.values == pytest.approx(said.ratings.values)
    assert (similar != similar_users(seed.augmented)).any()


def share(prompt: Prompt, kinds: list[str]) -> float:
    """How likely a 5 is, as the user rated items of the same kind; where he rated none, by half of
    what the hint is above a 2. Of every third item it thinks little."""
    own, _, rest = prompt.user.partition("Item to rate: item ")
    told = re.findall(r"- item ([0-9]+): ([25])", own)
    asked = int(rest.split("\n")[0])
    stars = [int(star) for item, star in told if kinds[int(item)] == kinds[asked]]
    hint = re.search(r"A recommender predicts: ([0-9.]+)", rest)
    above = (float(hint[1]) - 2) / 3 if hint else 0.9
    likely = (0.8 * np.mean(stars) - 1.6) / 3 if stars else above / 2
    return float(np.clip(likely - 0.15 * (asked % 3 == 0), 0.05, 0.95))


def following(kinds: list[str]) -> FollowingLLM:
    def score(prompt: Prompt, option: str) -> float:
        likely = share(prompt, kinds)
        return float(np.log(likely if option == "5" else 1 - likely))

    def write(prompt: Prompt) -> str:
        return knowing(kinds).generate([prompt], max_tokens=9)[0]

    return FollowingLLM(score, write)


def told_of(llm: FakeLLM, item: str) -> Prompt:
    """The last prompt about the item."""
    asked = f"Item to rate: item {item}\n"
    return next(prompt for prompt, _ in reversed(llm.log) if asked in prompt.user)


def weight(done: Finished, user: int) -> float:
    """Alpha, by all that the user ever rated."""
    blend, choice = done.setup.config.blend, done.seeds[0].choices["Llama4Rec"]
    weighing = Weighing.of(done.setup.split.train, blend)
    rows = done.setup.split.data.interactions
    tail = aggregate.long_tail(rows.counts[[user]], blend.tail)
    return float(weighing.alpha_of(tail, choice.arm.order, choice.grid)[0])


@pytest.mark.parametrize("tell", ["always", "validated"])
def test_a_recommended_score_blends_the_backbone_and_the_calibrated_model(
    tell: str, tmp_path: Path
) -> None:
    """The model is told all that the user rated, and, where Llama4Rec has prompt augmentation, the
    similar user and the backbone's rating."""
    split, kinds = hidden()
    llm, blend = following(kinds), {"alpha1": (0.4,), "alpha2": (0.4,)}
    update = {**QUICK, "blend": CONFIG.blend.model_copy(update=blend), "tell": tell}
    done = run(split, llm, tmp_path, CONFIG.model_copy(update=update))
    seed, user, alpha = done.seeds[0], 7, weight(done, 7)
    line = seed.choices["Llama4Rec"].calibration
    assert 0.05 < alpha < 1 and line.slope > 0.1, "both say something"
    assert abs(line.slope - 1) + abs(line.intercept) > 0.1, "and calibration too"
    found = done.recommend([user], k=10)
    items = found["item_id"].cast(int).to_numpy()
    backbone = rated_by(seed.backbone, user, items, split.train)
    similar = int(similar_users(seed.backbone)[user])
    last = split.train.of(similar)[-1]
    assert np.abs(found["score"].to_numpy() - backbone).max() > 0.05, "they do not agree"
    for item, score, before in zip(items, found["score"], backbone, strict=True):
        prompt = told_of(llm, str(item))
        hint = f"A recommender predicts: {before:.1f}\n" in prompt.user
        other = f"- item {last}:" in prompt.user.partition("Ratings by a similar user")[2]
        assert hint == other == seed.choices["Llama4Rec"].arm.told == (tell == "always")
        assert f"- item {split.test.of(user)[0]}:" in prompt.user.partition("Item to rate")[0]
        said = np.clip(line.intercept + line.slope * (2 + 3 * share(prompt, kinds)), 2, 5)
        assert score == pytest.approx(alpha * said + (1 - alpha) * before, abs=1e-4)


def rated_by(model: object, user: int, items: np.ndarray, train: Interactions) -> np.ndarray:
    """The backbone's ratings of these items, in this order."""
    users = np.full(len(items), user)
    order = np.argsort(items)
    pairs = Interactions.sorted(users, items[order], n_users=train.n_users, n_items=train.n_items)
    known: Ratings = tr.predict(model, pairs)
    return known.values[np.argsort(order)]


def test_behind_the_candidates_the_score_is_the_backbones_rating(tmp_path: Path) -> None:
    split, kinds = hidden()
    done = run(split, knowing(kinds), tmp_path, CONFIG.model_copy(update=QUICK))
    few, many = done.recommend([7], k=10), done.recommend([7], k=25)
    assert few.equals(many[:10]) and done.setup.config.candidates == 10
    items, scores = many["item_id"].cast(int).to_numpy(), many["score"].to_numpy()
    expected = rated_by(done.seeds[0].backbone, 7, items, split.train)
    assert scores[10:] == pytest.approx(expected[10:], abs=1e-5)
    assert (np.diff(scores[10:]) <= 0).all() and (np.diff(scores[:10]) <= 0).all()
