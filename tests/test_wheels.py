"""What pip is asked for, and what is told of it; a script stands in for the Python that runs it."""

import sys

import pytest

from tandemrec import wheels


@pytest.fixture
def pip(tmp_path, monkeypatch):
    def says(script: str) -> None:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return says


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "to").mkdir()
    return tmp_path / "to"


def test_that_wheel_alone_is_asked_for_and_not_installed(tmp_path, folder, pip):
    pip(f'echo "$@" > {tmp_path}/asked; touch {folder}/pack-1-py3-none-any.whl')
    assert wheels.download("pack==1", folder, 1.0).name == "pack-1-py3-none-any.whl"
    words = (tmp_path / "asked").read_text().split()
    assert words[:3] == ["-m", "pip", "download"]
    assert {"--no-deps", "--no-cache-dir"} <= set(words)
    assert words[-3:] == ["-d", str(folder), "pack==1"]
    assert not any("index" in word or "://" in word for word in words)


def test_what_has_come_so_far_is_told(folder, pip):
    pip(f'head -c 3000000 /dev/zero > "$TMPDIR/part"; sleep 1; mv "$TMPDIR/part" {folder}/a.whl')
    told = []
    wheels.download("pack==1", folder, 4.0, lambda *each: told.append(each))
    assert ("downloading pack==1", 3.0, 4.0, "MB") in told
    assert told[-1] == ("downloading pack==1", 4.0, 4.0, "MB")


def test_a_failing_pip_says_its_last_line(folder, pip):
    pip("echo 'WARNING: x' >&2; echo 'ERROR: nothing found' >&2; exit 1")
    with pytest.raises(wheels.NoWheel, match=r"download pack==1: ERROR: nothing found\.$"):
        wheels.download("pack==1", folder, 1.0)


def test_a_pip_that_brings_nothing_is_no_success(folder, pip):
    pip("exit 0")
    with pytest.raises(wheels.NoWheel, match="it says nothing"):
        wheels.download("pack==1", folder, 1.0)
