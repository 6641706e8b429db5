import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tandemrec.errors import LLMError
from tandemrec.llm.base import Prompt
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.tokens import Encoder
from tandemrec.tuning import learner as learning
from tandemrec.tuning import tune as tuning
from tandemrec.tuning.examples import Example
from tandemrec.tuning.plan import IGNORED, collate, lessons, plan
from tandemrec.tuning.tune import TuneConfig, Tuned, tune
from tuning_lessons import FAST, LORA, OPENING, weights

EXAMPLES = [
    *(Example(OPENING, "Star Wars\nFargo\nAlien\n" * (1 + n % 4)) for n in range(16)),
    *(Example(Prompt("Answer.", f"Heat {n}"), "Yes") for n in range(4)),
]


def equal(first: Tuned, second: Tuned) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_only_answers_are_labels(net):
    encoder = Encoder(net.tokenizer)
    plain, chat, bare = lessons(
        [
            Example(OPENING, "Heat\n"),
            Example(Prompt("", "Heat"), "Yes"),
            Example(Prompt("", "", chat=False), "Heat\nAlien\n"),
        ],
        encoder,
        100,
    )
    assert plain.tokens == encoder.prompt(OPENING) + encoder.text("Heat\n")
    assert plain.given == len(encoder.prompt(OPENING))
    assert chat.tokens[chat.given :] == [*encoder.text("Yes"), 1]  # the end is learnt
    assert (bare.tokens, bare.given) == (encoder.text("Heat\nAlien\n"), 1)
    batch = collate([plain, bare])
    assert batch["tokens"].shape == batch["labels"].shape
    assert batch["lengths"].tolist() == [len(plain.tokens), len(bare.tokens)]
    first, second = batch["labels"].split(batch["lengths"].tolist())
    assert first.tolist() == [
        *[IGNORED] * (plain.given - 1),  # a label stands where it is predicted
        *encoder.text("Heat\n"),
        IGNORED,
    ]
    assert second.tolist() == [*bare.tokens[1:], IGNORED]
    assert (batch["labels"] >= 0).sum() == len(plain.tokens) - plain.given + len(bare.tokens) - 1


def test_an_example_over_the_context_is_an_error(net):
    with pytest.raises(LLMError, match=r"Example 0 has \d+ tokens; at most 8 are learnt"):
        lessons([Example(OPENING, "Star Wars\n" * 9)], Encoder(net.tokenizer), 8)


def test_a_plan_learns_all_and_stops_where_it_is_told():
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 30, 100)]
    options = {"epochs": 2, "batch_tokens": 64, "seed": 1, "steps": None, "max_tokens": None}
    whole = plan(lengths, **options)
    assert sorted(n for batch in whole.batches for n in batch) == sorted([*range(100)] * 2)
    sizes = [sum(lengths[n] for n in batch) for batch in whole.batches]
    assert max(sizes) <= 64 and np.mean(sizes) > 64 - 30  # full, up to an example that did not fit
    assert whole.tokens[-1] == 2 * sum(lengths)
    assert plan(lengths, **options) == whole != plan(lengths, **options | {"seed": 2})
    assert len(plan(lengths, **options | {"steps": 3}).batches) == 3
    assert 150 < plan(lengths, **options | {"max_tokens": 200}).tokens[-1] <= 200
    assert len(plan(lengths, **options | {"max_tokens": 1}).batches) == 1


def test_the_loss_is_transformers_own(net):
    rows = lessons(EXAMPLES[:3], Encoder(net.tokenizer), 100)
    loss = learning.Learner(net)(**collate(rows))["loss"]
    longest = max(len(row.tokens) for row in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full_like(tokens, IGNORED)
    for place, (row, given) in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row)
        labels[place, given : len(row)] = torch.tensor(row[given:])
    theirs = net.model(input_ids=tokens, labels=labels).loss
    torch.testing.assert_close(loss, theirs)


def test_the_loss_falls_and_the_answer_is_learnt(base, tmp_path):
    tuned = tune(EXAMPLES, base, TuneConfig(**FAST, epochs=8), tmp_path / "out")
    losses = [loss for _, loss in tuned.curve]
    assert losses[-1] < losses[0] / 3
    asked = [Prompt("Answer.", "Heat 9")], [["Yes", "No"]]
    (before,) = LocalLLM(base, device="cpu").choose(*asked)
    (after,) = tuned.llm("tuned", device="cpu").choose(*asked)
    assert np.ptp(after.logprobs) > np.ptp(before.logprobs) or after.logprobs.argmax() == 0
    assert after.logprobs[0] > before.logprobs[0]
    assert tuned.llm("tuned", device="cpu").generate(asked[0], max_tokens=9) == ["Yes"]


def test_only_the_top_layers_learn(base, tmp_path):
    tuned = tune(EXAMPLES, base, TuneConfig(**FAST, trainable_layers=1, steps=3), tmp_path / "out")
    old, new = load_file(base / "model.safetensors"), weights(tuned)
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all(name.startswith(("model.layers.2.", "model.norm.")) for name in changed)


def test_an_adapter_in_chosen_layers(base, tmp_path):
    tuned = tune(EXAMPLES, base, TuneConfig(**LORA, layers=(2, 0), steps=3), tmp_path)
    assert {name.split(".layers.")[1][0] for name in weights(tuned)} == {"0", "2"}


def test_an_adapter_in_the_top_layer_only(base, tmp_path):
    tuned = tune(EXAMPLES, base, TuneConfig(**LORA, trainable_layers=1, steps=3), tmp_path / "out")
    assert weights(tuned)
    assert all(".layers.2." in name for name in weights(tuned))
    assert tuned.adapter == tmp_path / "out"
    assert tuned.model == base.resolve()


@pytest.mark.parametrize("settings", [FAST, LORA], ids=["full", "lora"])
def test_an_artefact_that_is_saved_loaded_and_named_by_its_content(base, tmp_path, settings):
    config = TuneConfig(**settings, steps=2)
    one = tune(EXAMPLES, base, config, tmp_path / "one")
    two = tune(EXAMPLES, base, config, tmp_path / "two")
    assert equal(one, two)
    assert one.fingerprint == two.fingerprint
    one.save(tmp_path / "saved")
    again = Tuned.load(tmp_path / "saved")
    shutil.rmtree(tmp_path / "one")
    assert (again.fingerprint, again.curve) == (one.fingerprint, one.curve)
    asked = [OPENING], [["Heat\n"]]
    (ours,) = again.llm("x", device="cpu").choose(*asked)
    (theirs,) = two.llm("x", device="cpu").choose(*asked)
    np.testing.assert_array_equal(ours.logprobs, theirs.logprobs)
    assert again.llm("x").fingerprint == two.llm("x").fingerprint != LocalLLM(base).fingerprint


def test_a_seed_draws_another_order(base, tmp_path):
    one = tune(EXAMPLES, base, TuneConfig(**FAST, steps=3), tmp_path / "one")
    two = tune(EXAMPLES, base, TuneConfig(**FAST, steps=3, seed=1), tmp_path / "two")
    assert one.fingerprint != two.fingerprint


class Killed(Exception):
    """Stands in for a kill: nothing after it is done."""


def killed_after(steps: int):
    seen = []

    def progress(stage, done, total, note=""):
        seen.append(done)
        if len(seen) == steps:
            raise Killed

    return progress


@pytest.mark.parametrize("settings", [FAST, LORA], ids=["full", "lora"])
def test_goes_on_after_a_kill_to_the_same_weights(base, tmp_path, settings):
    config = TuneConfig(**settings, epochs=2, checkpoint_seconds=0, dropout=0.1)
    whole = tune(EXAMPLES, base, config, tmp_path / "whole")
    seen: list[float] = []
    for steps in (3, 2):
        with pytest.raises(Killed):
            tune(EXAMPLES, base, config, tmp_path / "out", progress=killed_after(steps))
    resumed = tune(
        EXAMPLES, base, config, tmp_path / "out", progress=lambda *call: seen.append(call[1])
    )
    assert equal(resumed, whole)
    assert resumed.curve == whole.curve
    assert len(seen) < len(whole.curve) - 2
    assert not list(resumed.folder.glob("**/checkpoint-*"))


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from test_tune import EXAMPLES, FAST
from tandemrec.tuning.tune import TuneConfig, tune
tune(EXAMPLES, sys.argv[1], TuneConfig(**FAST, epochs=6, checkpoint_seconds=0), sys.argv[2])
"""


def test_goes_on_after_sigkill_to_the_same_weights(base, tmp_path):
    out = tmp_path / "out"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", SCRIPT, str(base), str(out)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(out.glob("checkpoints/*/complete")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / tuning.NOTE).exists()
    config = TuneConfig(**FAST, epochs=6, checkpoint_seconds=0)
    resumed = tune(EXAMPLES, base, config, out)
    assert equal(resumed, tune(EXAMPLES, base, config, tmp_path / "whole"))


def test_a_checkpoint_cut_short_is_not_used(base, tmp_path):
    config = TuneConfig(**FAST, checkpoint_seconds=0)
    with pytest.raises(Killed):
        tune(EXAMPLES, base, config, tmp_path / "out", progress=killed_after(4))
    newest = max(tmp_path.glob("out/checkpoints/*"), key=lambda path: int(path.name[11:]))
    (newest / "complete").unlink()
    (newest / "learnt.safetensors").write_bytes(b"half")
    resumed = tune(EXAMPLES, base, config, tmp_path / "out")
    assert equal(resumed, tune(EXAMPLES, base, config, tmp_path / "whole"))


def test_done_once_it_is_loaded_and_another_request_starts_anew(base, tmp_path):
    config, calls = TuneConfig(**FAST, steps=2), []
    count = {"progress": lambda *call: calls.append(call)}
    one = tune(EXAMPLES, base, config, tmp_path / "out", **count)
    first = len(calls)
    assert tune(EXAMPLES, base, config, tmp_path / "out", **count).fingerprint == one.fingerprint
    assert len(calls) == first > 0
    lora = tune(EXAMPLES, base, TuneConfig(**LORA, steps=2), tmp_path / "out", **count)
    assert len(calls) > first
    assert not (lora.folder / "model.safetensors").exists()


def test_another_folder_of_files_is_left_alone(base, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    tune(EXAMPLES, base, TuneConfig(**FAST, steps=1), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_leaves_no_trace(base, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    tune(EXAMPLES, base, TuneConfig(**FAST, steps=2), tmp_path / "out")
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert capfd.readouterr() == ("", "")


def test_progress_says_loss_and_rate(base, tmp_path):
    calls: list[tuple] = []
    config = TuneConfig(**FAST, epochs=1)
    tuned = tune(EXAMPLES, base, config, tmp_path / "o", progress=lambda *c: calls.append(c))
    assert [call[1] for call in calls] == [tokens for tokens, _ in tuned.curve]
    assert calls[-1][0] == "tuning" and calls[-1][1] == calls[-1][2]
    assert "loss" in calls[-1][3] and "tokens/s" in calls[-1][3]


def test_an_adapter_that_says_nothing_is_an_error(base, tmp_path, monkeypatch):
    real = tuning._write

    def emptied(model, net, base, out):
        real(model, net, base, out)
        file = out / "adapter_model.safetensors"
        from safetensors.torch import save_file

        save_file({name: torch.zeros_like(p) for name, p in load_file(file).items()}, file)

    monkeypatch.setattr(tuning, "_write", emptied)
    with pytest.raises(LLMError, match="does not answer as the tuned one"):
        tune(EXAMPLES, base, TuneConfig(**LORA, steps=3), tmp_path / "out")
    assert not (tmp_path / "out" / tuning.NOTE).exists()


@pytest.mark.parametrize("settings", [FAST, LORA], ids=["full", "lora"])
def test_learning_nothing_is_an_error(base, tmp_path, settings):
    with pytest.raises(LLMError, match="does not answer as the tuned one"):
        tune(EXAMPLES, base, TuneConfig(**settings | {"learning_rate": 1e-30}), tmp_path / "out")
