"""Frozen layers that are read once: the same learning, in less work."""

import pytest
import torch

from tandemrec.config import ConfigError
from tandemrec.llm.tokens import Encoder
from tandemrec.tuning import frozen
from tandemrec.tuning.examples import Example
from tandemrec.tuning.plan import lessons
from tandemrec.tuning.tune import TuneConfig, Tuned, tune
from tuning_lessons import FAST, LORA, OPENING, weights

EXAMPLES = [Example(OPENING, "Star Wars\nFargo\nAlien\n" * (1 + n % 4)) for n in range(12)]


def near(first: Tuned, second: Tuned) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(
        torch.allclose(one[name], two[name], atol=1e-4) for name in one
    )


@pytest.mark.parametrize("settings", [FAST, LORA], ids=["full", "lora"])
def test_learns_what_it_would_without(base, tmp_path, settings):
    config = TuneConfig(**settings, epochs=3, trainable_layers=2, keep_frozen=True)
    whole = config.model_copy(update={"keep_frozen": False})
    ours, theirs = (
        tune(EXAMPLES, base, config, tmp_path / "a"),
        tune(EXAMPLES, base, whole, tmp_path / "b"),
    )
    assert near(ours, theirs)
    assert [loss for _, loss in ours.curve] == pytest.approx([x for _, x in theirs.curve], 1e-4)
    assert not list(ours.folder.glob(f"**/{frozen.OUTPUTS}"))


def kept(lower, made, folder, progress=lambda *call: None) -> frozen.Kept:
    return frozen.keep(lower, dict(enumerate(made)), folder, 64, torch.float32, progress)


def test_every_lesson_is_read_once_and_never_again(net, tmp_path):
    made = lessons(EXAMPLES, Encoder(net.tokenizer), 200)
    parts = frozen.cut(net, 2)
    heard = []
    found = kept(parts.lower, made, tmp_path, lambda *call: heard.append(call[1:3]))
    total = sum(len(lesson.tokens) for lesson in made)
    assert heard[-1] == (total, total)
    hidden = parts.upper.texts(found.of([3, 0]), [len(made[n].tokens) for n in (3, 0)])
    tokens = torch.tensor(made[3].tokens + made[0].tokens)
    whole = net.texts(tokens, [len(made[n].tokens) for n in (3, 0)])
    torch.testing.assert_close(hidden, whole, atol=1e-5, rtol=1e-4)
    again: list = []
    kept(parts.lower, made, tmp_path, lambda *call: again.append(call))
    assert not again


def test_reading_goes_on_after_a_kill(net, tmp_path):
    made = lessons(EXAMPLES, Encoder(net.tokenizer), 200)
    lower = frozen.cut(net, 2).lower
    heard: list[float] = []

    def stop(stage, done, total, note=""):
        heard.append(done)
        if len(heard) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(lower, made, tmp_path, stop)
    with (tmp_path / "frozen.part").open("ab") as file:
        file.write(b"a row that was cut short")
    found = kept(lower, made, tmp_path, stop)
    assert heard[3] > heard[2]  # none of what was whole was read again
    for place in (0, len(made) - 1):
        alone = lower.texts(torch.tensor(made[place].tokens), [len(made[place].tokens)])
        torch.testing.assert_close(found.of([place]), alone.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("content", [b"", b"x" * 1000])
def test_what_is_damaged_is_read_again(net, tmp_path, content):
    made = lessons(EXAMPLES, Encoder(net.tokenizer), 200)
    lower = frozen.cut(net, 2).lower
    (tmp_path / frozen.OUTPUTS).write_bytes(content)
    alone = lower.texts(torch.tensor(made[0].tokens), [len(made[0].tokens)])
    found = kept(lower, made, tmp_path).of([0])
    torch.testing.assert_close(found, alone.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "reads"),
    [
        ({"epochs": 2}, "all"),
        ({"epochs": 1}, "none"),  # nothing would be read twice
        ({"epochs": 3, "steps": 2}, "none"),
        ({"epochs": 3, "steps": 2, "keep_frozen": True}, "some"),
        ({"epochs": 2, "keep_frozen": False}, "none"),
    ],
)
def test_frozen_layers_read_what_is_learnt_and_only_where_it_saves(base, tmp_path, settings, reads):
    heard = []
    config = TuneConfig(**FAST, trainable_layers=1, **settings)
    tune(EXAMPLES, base, config, tmp_path, progress=lambda *call: heard.append(call))
    read = [call[2] for call in heard if call[0] == "reading the frozen layers"]
    learnt = max(call[1] for call in heard if call[0] == "tuning")
    wanted = {"all": learnt / 2, "none": 0, "some": learnt}[reads]
    assert max(read, default=0) == wanted


def test_layers_are_frozen_where_they_are_told_to_be(base, tmp_path):
    with pytest.raises(ConfigError, match="needs lowest layers that do not learn"):
        tune(EXAMPLES, base, TuneConfig(**FAST, keep_frozen=True), tmp_path)


def test_a_model_that_cannot_be_cut_is_refused_or_read_whole(base, tmp_path, monkeypatch):
    def never(network, below):
        raise ConfigError("cannot be cut in two")

    config = TuneConfig(**FAST, trainable_layers=1, epochs=2)
    whole = tune(EXAMPLES, base, config.model_copy(update={"keep_frozen": False}), tmp_path / "a")
    monkeypatch.setattr(frozen, "cut", never)
    assert near(tune(EXAMPLES, base, config, tmp_path / "b"), whole)
    with pytest.raises(ConfigError, match="cannot be cut"):
        tune(EXAMPLES, base, config.model_copy(update={"keep_frozen": True}), tmp_path / "c")


def test_parts_that_do_not_give_the_whole_are_no_cut(net, monkeypatch):
    layer = net.model.base_model.layers[0]
    plain = type(layer).forward
    counts = []

    def different(self, hidden, *rest, **others):
        counts.append(1)
        return plain(self, hidden + len(counts), *rest, **others)

    monkeypatch.setattr(type(layer), "forward", different)
    with pytest.raises(ConfigError, match="cannot be cut in two"):
        frozen.cut(net, 2)


def test_a_body_without_a_list_of_layers_is_no_cut(net, monkeypatch):
    monkeypatch.delattr(net.model.base_model, "norm")
    with pytest.raises(ConfigError, match="cannot be cut in two"):
        frozen.cut(net, 2)


def test_layers_computed_again_learn_the_same(base, tmp_path, monkeypatch):
    from transformers.models.llama.modeling_llama import LlamaMLP

    plain, calls = LlamaMLP.forward, []
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: calls.append(1) or plain(self, x))
    config = TuneConfig(**FAST, epochs=2)
    first = tune(EXAMPLES, base, config, tmp_path / "a")
    once = len(calls)
    second = tune(EXAMPLES, base, config.model_copy(update={"checkpointing": True}), tmp_path / "b")
    layers, steps = 3, len(first.curve)
    assert len(calls) - 2 * once == layers * steps  # each layer once more a step
    assert near(first, second)
