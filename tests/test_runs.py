"""A run's folder: what is made once, what is made again, what is refused."""

import errno
import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from tandemrec import code, runs
from tandemrec.backbones import MF, Fitted
from tandemrec.code import code_of
from tandemrec.data.worlds import checkerboard
from tandemrec.errors import RunError
from tandemrec.ranking import rank
from tandemrec.rankings import Rankings
from tandemrec.runs import Run, describe
from tandemrec.training import TrainConfig, fit


@dataclass(frozen=True)
class Number:
    """The smallest artefact."""

    value: int

    @property
    def fingerprint(self) -> str:
        return str(self.value)

    def save(self, folder: Path) -> None:
        (folder / "value").write_text(str(self.value))

    @classmethod
    def load(cls, folder: Path) -> "Number":
        return cls(int((folder / "value").read_text()))


def double(number: int) -> Number:
    return Number(2 * number)


def test_equal_inputs_are_loaded_and_others_made_again(tmp_path: Path) -> None:
    first, second, third = Run(tmp_path), Run(tmp_path), Run(tmp_path)
    assert first.step("a/b", Number, double, number=2) == Number(4)
    assert second.step("a/b", Number, double, number=2) == Number(4)
    assert third.step("a/b", Number, double, number=3) == Number(6)
    assert (first.made, second.made, third.made) == (["a/b"], [], ["a/b"])
    assert list(third.seconds) == ["a/b"]


def test_stages_of_another_state_of_the_code_are_loaded_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Run(tmp_path).step("one", Number, double, number=2)
    monkeypatch.setattr(runs, "sources", lambda: "other")
    again = Run(tmp_path)
    again.step("one", Number, double, number=2)
    again.step("two", Number, double, number=3)
    assert (again.made, again.older) == (["two"], ["one"])
    note = tmp_path / "two" / runs.NOTE
    told = json.loads(note.read_text())
    assert told.pop("code") == "other"
    note.write_text(json.dumps(told))  # as older ones are
    assert again.older == ["one", "two"]


def test_the_state_of_the_code_is_that_of_its_files() -> None:
    root, digest = Path(code.__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    assert code.sources() == digest.hexdigest()[:12]


def test_in_a_common_folder_no_run_replaces_anothers_stage(tmp_path: Path) -> None:
    for number in (2, 3, 2):
        run = Run(tmp_path, common=True)
        assert run.step("a/b", Number, double, number=number) == Number(2 * number)
        assert run.places["a/b"].is_relative_to(tmp_path / "a")
    assert run.made == [] and len(list((tmp_path / "a").iterdir())) == 2
    closed = Run(tmp_path, common=True, closed=True)
    assert closed.step("a/b", Number, double, number=3) == Number(6)
    with pytest.raises(RunError, match="it is missing"):
        closed.step("a/b", Number, double, number=4)


def test_in_a_common_folder_one_makes_what_another_waits_for(tmp_path: Path) -> None:
    made, told = [], []

    def slowly(number: int) -> Number:
        made.append(number)
        time.sleep(0.3)
        return double(number)

    def tell(stage: str, done: float, total: float, note: str = "") -> None:
        told.append((stage, done))

    with ThreadPoolExecutor() as threads:
        runs = [Run(tmp_path, common=True, progress=tell) for _ in range(3)]
        found = list(threads.map(lambda run: run.step("a", Number, slowly, number=1), runs))
    assert found == [Number(2)] * 3 and made == [1]
    waiting = f"waiting for another process, which works in {tmp_path}"
    assert sorted(told) == [(waiting, 0)] * 2 + [(waiting, 1)] * 2


def test_who_works_in_a_folder_alone_is_waited_for(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    order: list[str] = []

    def tell(stage: str, done: float, total: float, note: str = "") -> None:
        told.append((stage, done))

    def second() -> None:
        with Run(tmp_path, progress=tell).alone():
            order.append("second")

    with ThreadPoolExecutor() as threads:
        with Run(tmp_path).alone():
            waits = threads.submit(second)
            time.sleep(0.2)
            order.append("first")
        waits.result(timeout=10)
    assert order == ["first", "second"]
    waiting = f"waiting for another process, which works in {tmp_path}"
    assert told == [(waiting, 0), (waiting, 1)]


@pytest.mark.parametrize(("common", "option"), [(False, "--out"), (True, "--shared")])
def test_a_folder_that_cannot_be_written_is_named_with_its_option(
    common: bool, option: str
) -> None:
    with pytest.raises(RunError, match=rf"/proc/none cannot be written: .* with {option}\."):
        Run("/proc/none", common=common)


def test_scratch_is_kept_until_the_stage_is_there(tmp_path: Path) -> None:
    kept = []

    def stage(number: int) -> Number:
        kept.append((run.scratch() / "half").exists())
        (run.scratch() / "half").touch()
        if len(kept) == 1:
            raise KeyboardInterrupt
        return double(number)

    for folder in (tmp_path / "alone", tmp_path / "common"):
        kept.clear()
        run = Run(folder, common=folder.name == "common")
        with pytest.raises(KeyboardInterrupt):
            run.step("a", Number, stage, number=1)
        run.step("a", Number, stage, number=1)
        assert kept == [False, True]
        assert not [each for each in folder.rglob("half")]


def test_only_what_a_run_asked_for_counts_as_its_time(tmp_path: Path) -> None:
    Run(tmp_path).step("earlier", Number, double, number=1)
    run = Run(tmp_path)
    run.step("b", Number, double, number=1)
    run.step("a", Number, double, number=1)
    assert list(run.seconds) == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"PK", b"\x00" * 40])
def test_a_damaged_artefact_says_what_to_delete(tmp_path: Path, content: bytes) -> None:
    """Of every kind that a run keeps: numbers, arrays, weights."""
    world = checkerboard()

    def fitted(seed: int) -> Fitted:
        return fit(MF, world, TrainConfig(epochs=1, seed=seed))

    def ranked(seed: int) -> Rankings:
        return rank(fitted(seed), world, None, 3)

    for name, kind, stage in (("a", Fitted, fitted), ("b", Rankings, ranked)):
        Run(tmp_path).step(name, kind, stage, seed=0)
        for file in (tmp_path / name).glob("*.[!j]*"):  # but what is JSON
            whole = file.read_bytes()
            file.write_bytes(content)
            with pytest.raises(RunError, match=rf"{name} is damaged \(.+\); delete it"):
                Run(tmp_path).step(name, kind, stage, seed=0)
            file.write_bytes(whole)
        assert Run(tmp_path).step(name, kind, stage, seed=0).fingerprint


def test_a_full_disk_under_an_artefact_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Number, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Number, "save", full)
    with pytest.raises(RunError, match=r"No space left on device\. Is the disk full"):
        Run(tmp_path).step("a", Number, double, number=2)


def test_a_stage_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def fails(number: int) -> Number:
        raise ZeroDivisionError

    run = Run(tmp_path)
    run.step("a", Number, double, number=2)
    with pytest.raises(ZeroDivisionError):
        run.step("a", Number, fails, number=2)
    assert Run(tmp_path).step("a", Number, double, number=2) == Number(4)
    assert run.doing == ""


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"inputs": 3}', b"\xff\xfe", b"null", b""]
)
def test_a_damaged_note_says_what_to_delete(tmp_path: Path, content: bytes) -> None:
    first = Run(tmp_path)
    first.step("a", Number, double, number=2)
    (tmp_path / "a" / "stage.json").write_bytes(content)
    with pytest.raises(RunError, match=r"stage\.json is damaged; delete .*a and run again"):
        Run(tmp_path).step("a", Number, double, number=2)
    if content != b'{"inputs": 3}':
        with pytest.raises(RunError, match="is damaged"):
            _ = first.seconds


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_is_no_run_folder(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RunError, match="is a file; a run needs a folder of its own"):
        Run(file / inside)
    assert file.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
@pytest.mark.parametrize("folder", ["/proc/x", "/proc"])
def test_a_place_that_takes_no_files_is_named(folder: str) -> None:
    with pytest.raises(RunError, match=rf"^{folder} cannot be written: .*with --out"):
        Run(folder)


def test_a_full_disk_is_known_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(RunError, match="No space left on device"):
        Run(tmp_path / "run")


def test_a_run_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    Run(tmp_path / "deep" / "run")
    assert not list((tmp_path / "deep" / "run").iterdir())


def test_a_closed_run_loads_and_makes_nothing(tmp_path: Path) -> None:
    Run(tmp_path).step("a", Number, double, number=2)
    closed = Run(tmp_path, closed=True)
    assert closed.step("a", Number, double, number=2) == Number(4)
    with pytest.raises(RunError, match=r"a is not what .* made from another number\. Another run"):
        closed.step("a", Number, double, number=3)
    with pytest.raises(RunError, match=r"b is not what .*: it is missing\."):
        closed.step("b", Number, double, number=3)
    assert closed.made == [] and not (tmp_path / "b").exists()
    assert Number.load(tmp_path / "a") == Number(4)
    Run(tmp_path / "none", closed=True)
    assert not (tmp_path / "none").exists()


def test_what_describes_an_input_follows_its_content() -> None:
    assert describe({"a": [1, None, "x"], "b": (2.5, True)}) == {"a": [1, None, "x"], "b": [2.5, 1]}
    assert describe(Number(3)) == "3"
    assert describe(np.arange(3)) != describe(np.arange(3)[::-1])
    assert json.dumps(describe([MF, Number]))
    with pytest.raises(TypeError, match="must have a fingerprint"):
        describe(object())


BASE = "class Base:\n    width = {width}\n"
MINE = (
    "from base_of_mine import Base\n"
    "class Settings:\n    size = {size}\n"
    "class Mine(Base):\n    Config = Settings\n    def loss(self, batch):\n        return {loss}\n"
    "class Other:\n    pass\n"
)


def own(folder: Path, *, name: str = "Mine", width: int = 1, size: int = 1, loss: int = 1) -> Any:
    """A class of somebody's module, as the next process would import it."""
    (folder / "base_of_mine.py").write_text(BASE.format(width=width))
    (folder / "my_backbone.py").write_text(MINE.format(loss=loss, size=size))
    for module in ("base_of_mine", "my_backbone"):
        sys.modules.pop(module, None)
    invalidate_caches()
    return getattr(import_module("my_backbone"), name)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.mark.parametrize("change", [{"loss": 2}, {"width": 2}, {"size": 2}])
def test_changed_code_is_another_class(elsewhere: Path, change: dict[str, int]) -> None:
    """In the class itself, in a base of it, in its settings; what stands beside does not count."""
    before, again = describe(own(elsewhere)), describe(own(elsewhere))
    assert before == again
    assert before.startswith("my_backbone.Mine, source ")
    assert describe(own(elsewhere, **change)) != before
    beside = describe(own(elsewhere, name="Other"))
    assert describe(own(elsewhere, name="Other", **change)) == beside


def test_our_own_classes_go_by_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code.metadata, "version", lambda name: "7.8.9")
    assert describe(MF) == "tandemrec.backbones.mf.MF, tandemrec 7.8.9"

    class Mine(MF):
        pass

    class Plain(nn.Module):
        pass

    assert code_of(Mine).startswith("tandemrec 7.8.9, source ")
    assert code_of(Plain).startswith("source ") and len(code_of(Plain)) == len("source ") + 16


def test_a_class_without_source_goes_by_its_name() -> None:
    found: dict[str, Any] = {"__name__": "typed_in"}
    exec("class Mine: pass", found)
    assert describe(found["Mine"]) == "typed_in.Mine, source unknown"
