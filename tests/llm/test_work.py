"""Work in shards: planned, answered by any number of processes, merged to the same bytes."""

import ast
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

import tandemrec
from tandemrec.errors import LLMError
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import CONSTRAINED, UNANSWERED, Choice, Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import (
    Block,
    Incomplete,
    Planning,
    Question,
    Shard,
    Unanswered,
    Work,
    answer,
    answering,
    like,
    merge,
    parts,
    write,
)

OPTIONS = ("Yes", "No", "perhaps\u2028so")


def questions(n: int) -> list[Question]:
    """Of both kinds, in no order."""
    drawn = np.random.default_rng(0).permutation(n)
    return [
        Question(Prompt("s", f"user {k}\r\n\x85"), OPTIONS if k % 3 else None, 0 if k % 3 else 9)
        for k in drawn.tolist()
    ]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """100 questions in 15 blocks, the last of two."""
    return write(tmp_path / "work", questions(100), FakeLLM(), block=7)


def answered(work: Work, out: Path, n: int) -> Path:
    for number in range(n, 0, -1):
        answer(work, FakeLLM(), out, Shard(number, n))
    return out


@given(st.text(st.characters(codec="utf-8")), st.lists(st.text(st.characters(codec="utf-8"))))
def test_a_question_is_read_as_it_was_written(user: str, options: list[str]) -> None:
    for question in (
        Question(Prompt("", user, chat=False), tuple(options)),
        Question(Prompt(user, "u"), None, 7),
    ):
        assert "\n" not in question.line and Question.read(question.line) == question


def test_equal_work_has_equal_names_and_another_model_others(work: Work, tmp_path: Path) -> None:
    again = write(tmp_path / "again", questions(100), FakeLLM(), block=7)
    other = write(tmp_path / "other", questions(100), FakeLLM("2"), block=7)
    assert again.name == work.name != other.name
    assert not {block.name for block in work.blocks} & {block.name for block in other.blocks}
    assert Work.load(work.folder) == work
    assert [q for block in work.blocks for q in work.read(block)] == questions(100)


@pytest.mark.parametrize("n", [1, 2, 8, 40])
def test_each_block_is_in_one_shard(work: Work, n: int) -> None:
    shards = [Shard(number, n).blocks(work) for number in range(1, n + 1)]
    assert sorted(block for shard in shards for block in shard) == sorted(work.blocks)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "a/b", "-1/8", "3/8/9", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LLMError, match="I/N with I from 1 to N"):
        Shard.read(text)


def test_the_merged_file_is_the_same_whatever_the_shards(work: Work, tmp_path: Path) -> None:
    found = set()
    for n in (1, 3, 8, 40):
        folders = [tmp_path / f"{n}-{number}" for number in range(1, n + 1)]
        for number, folder in enumerate(folders, 1):
            answer(work, FakeLLM(), folder, Shard(number, n))
        random.Random(n).shuffle(folders)
        merged = merge(work, folders)
        assert merged.sha256 == hashlib.sha256(merged.file.read_bytes()).hexdigest()
        found.add(merged.file.read_bytes())
    assert len(found) == 1
    keys = [json.loads(line)["key"] for line in found.pop().decode().split("\n")[:-1]]
    assert keys == [question.key for question in questions(100)]


def test_the_model_is_given_the_same_batches_whatever_the_shards(
    work: Work, tmp_path: Path
) -> None:
    class Noting(FakeLLM):
        def choose(self, prompts: Any, options: Any) -> list[Choice]:
            batches.append(tuple(prompts))
            return super().choose(prompts, options)

    seen = []
    for n in (1, 5):
        batches: list[tuple[Prompt, ...]] = []
        for number in range(1, n + 1):
            answer(work, Noting(), tmp_path / str(n), Shard(number, n))
        seen.append(sorted(batches))
    assert seen[0] == seen[1] and len(seen[0]) == len(work.blocks)


def test_after_the_merge_nothing_is_asked(work: Work, tmp_path: Path) -> None:
    into, model = tmp_path / "answers.sqlite", FakeLLM()
    answered(work, work.answers, 3)
    assert merge(work, into=into).new == 100
    assert merge(work, into=into).new == 0
    with AnswerStore(into) as store:
        asking = Remembering(model, store)
        choosing = [q for q in questions(100) if q.options]
        found = asking.choose([q.prompt for q in choosing], [q.options or () for q in choosing])
        writing = [q.prompt for q in questions(100) if not q.options]
        texts = asking.generate(writing, max_tokens=9)
    assert model.calls == 0
    assert texts == FakeLLM().generate(writing, max_tokens=9)
    plain = FakeLLM().choose([q.prompt for q in choosing], [q.options or () for q in choosing])
    for one, other in zip(found, plain, strict=True):
        assert np.array_equal(one.logprobs, other.logprobs)
        assert np.array_equal(one.tokens, other.tokens)


def test_odd_numbers_survive(tmp_path: Path) -> None:
    class Odd(FakeLLM):
        def logprob(self, prompt: Prompt, option: str) -> float:
            return {"Yes": math.nan, "No": -math.inf}.get(option, 0.1)

    work = write(tmp_path, questions(9), Odd())
    answer(work, Odd())
    merge(work, into=tmp_path / "store")
    with AnswerStore(tmp_path / "store") as store:
        prompts = [q.prompt for q in questions(9) if q.options]
        found = Remembering(FakeLLM(), store).choose(prompts, [OPTIONS] * len(prompts))
    assert all(np.isnan(c.logprobs[0]) and c.logprobs[1] == -np.inf for c in found)
    assert all(c.logprobs[2] == np.float32(0.1) for c in found)


def test_started_again_it_asks_nothing(work: Work) -> None:
    model = FakeLLM()
    assert answer(work, model, shard=Shard(2, 4)) == (4, 28, 0)
    calls = model.calls
    assert answer(work, model, shard=Shard(2, 4)) == (0, 0, 4)
    assert answer(work, model) == (11, 72, 4)
    assert model.calls > calls and model.asked == 100


def test_the_manifest_says_what_a_shard_has(work: Work) -> None:
    answer(work, FakeLLM(), shard=Shard(1, 2))
    (file,) = work.answers.glob("*shard-1-of-2.json")
    found = json.loads(file.read_bytes())
    assert (found["blocks"], found["answers"], found["model"]) == (8, 51, "fake")
    assert found["fingerprint"] == FakeLLM().fingerprint and "tandemrec" in found["versions"]
    for name, digest in found["sha256"].items():
        content = (work.answers / f"{name}.jsonl").read_bytes().partition(b"\n")[2]
        assert hashlib.sha256(content).hexdigest() == digest


class Dies(FakeLLM):
    """It is killed, as it were, at its third call."""

    def choose(self, prompts: Any, options: Any) -> list[Choice]:
        if self.calls > 2:
            raise KeyboardInterrupt
        return super().choose(prompts, options)


def test_what_was_answered_before_an_end_is_kept(work: Work) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer(work, Dies())
    kept = len(list(work.answers.glob("*.jsonl")))
    assert 0 < kept < 15 and answer(work, FakeLLM()).found == kept
    assert not list(work.answers.glob(".*.jsonl*"))
    assert not list(work.answers.glob(".scratch/*"))


class Torn(Dies):
    """The same of a model that is given two questions at a time."""

    chunk = 2


def test_what_a_block_had_when_it_ended_is_kept_too(tmp_path: Path) -> None:
    asked = [Question(Prompt("", f"user {n}"), OPTIONS) for n in range(40)]
    work = write(tmp_path, asked, FakeLLM(), block=20)
    with pytest.raises(KeyboardInterrupt):
        answer(work, Torn())
    assert not list(work.answers.glob("*.jsonl"))
    model = FakeLLM()
    assert answer(work, model).blocks == 2 and model.asked == 40 - 3 * Torn.chunk
    assert not list(work.answers.glob(".scratch/*"))


def test_a_store_in_flight_is_removed_only_while_it_is_held(work: Work, monkeypatch: Any) -> None:
    """Else it may be another process's, which has begun the block since."""

    class Watched(FileLock):  # type: ignore[misc, valid-type]
        def release(self, force: bool = False) -> None:
            released.append(list((work.answers / ".scratch").glob("*.sqlite*")))
            super().release(force)

    released: list[list[Path]] = []
    monkeypatch.setattr(answering, "FileLock", Watched)
    answer(work, FakeLLM())
    assert len(released) >= 15 and not any(released)


def test_a_block_that_another_process_ended_is_not_asked(work: Work, monkeypatch: Any) -> None:
    seen: list[str] = []

    def late(folder: Path, of: Work, block: Block) -> parts.Part | None:
        """At the first look there is none, as before another process had ended it."""
        seen.append(block.name)
        return parts_load(folder, of, block) if seen.count(block.name) > 1 else None

    answer(work, FakeLLM())
    parts_load, model = parts.load, FakeLLM()
    monkeypatch.setattr(parts, "load", late)
    answer(work, model)
    assert model.calls == 0 and len(seen) == 30


class Busy(FakeLLM):
    """A server that answers about all options together, by constrained choice, and not at once."""

    whole, chunk, refuses = True, 4, 9

    def choose(self, prompts: Any, options: Any) -> list[Choice]:
        found = []
        for choice in super().choose(prompts, options):
            self.refuses -= 1
            way = UNANSWERED if self.refuses >= 0 else CONSTRAINED
            found.append(Choice(choice.logprobs, choice.tokens, way, 0.25))
        return found


def test_unanswered_questions_are_asked_again_and_no_others(work: Work, tmp_path: Path) -> None:
    work = write(tmp_path / "busy", [q for q in questions(100) if q.options], Busy(), block=20)
    model = Busy()
    with pytest.raises(Incomplete, match=r"fake left 9 questions unanswered\. Start again") as some:
        answer(work, model)
    assert some.value.retryable and some.value.missing == 9
    assert len(list(work.answers.glob("*.jsonl"))) == 3 and not list(work.answers.glob("*.json"))
    again = FakeLLM()
    again.whole, again.chunk = True, 4  # type: ignore[attr-defined]
    assert answer(work, again) == (1, 20, 3) and again.asked == 9


def test_how_an_answer_came_about_is_kept(tmp_path: Path) -> None:
    asked = [Question(Prompt("", "q"), ("a", "b")), Question(Prompt("", "q"), ("a", "c"))]
    model = Busy()
    model.refuses = 0
    work = write(tmp_path / "work", asked, model, block=2)
    assert work.whole
    answer(work, model)
    merge(work, into=tmp_path / "store")
    with AnswerStore(tmp_path / "store") as store:
        silent = Busy()
        asking = Remembering(silent, store)
        found = asking.choose([q.prompt for q in asked], [q.options or () for q in asked])
    assert silent.calls == 0 and asking.ways == {CONSTRAINED: 2}
    assert [choice.missing for choice in found] == [0.25, 0.25]


def test_what_an_odd_part_holds_is_told(work: Work) -> None:
    answer(work, FakeLLM())
    one, other = (work.answers / f"{block.name}.jsonl" for block in work.blocks[:2])
    other.write_bytes(one.read_bytes())
    with pytest.raises(LLMError, match=r"no answers to its block .*of other questions"):
        merge(work, into=work.folder / "store")


def test_another_model_is_refused_before_it_is_asked(work: Work) -> None:
    model = FakeLLM("2")
    with pytest.raises(LLMError, match=r"asks 'fake'.*this is 'fake:2'.*--dtype"):
        answer(work, model)
    assert model.calls == 0


class Wrong(FakeLLM):
    """One answer too few, of either kind."""

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        return super().generate(prompts, max_tokens=max_tokens)[1:]


class Fewer(FakeLLM):
    def choose(self, prompts: Any, options: Any) -> list[Choice]:
        return [Choice(c.logprobs[1:], c.tokens) for c in super().choose(prompts, options)]


@pytest.mark.parametrize("model", [Wrong(), Fewer()])
def test_a_wrong_number_of_answers_is_no_part(work: Work, model: FakeLLM) -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        answer(work, model)
    assert not list(work.answers.glob("*.jsonl"))


def test_a_merge_names_what_is_missing(work: Work, tmp_path: Path) -> None:
    for number in (1, 3):
        answer(work, FakeLLM(), tmp_path / "out", Shard(number, 3))
    with pytest.raises(LLMError, match=f"Of 15 blocks .* 5 have no .*{work.blocks[1].name}"):
        merge(work, [tmp_path / "out"], into=tmp_path / "store")
    assert not (tmp_path / "store").exists() and not (work.folder / "merged").exists()


class Drawing(FakeLLM):
    """Says otherwise at another time."""

    def logprob(self, prompt: Prompt, option: str) -> float:
        return super().logprob(prompt, option) - ("user 50" in prompt.user)


def test_two_answers_to_one_question_are_an_error_that_names_both(
    work: Work, tmp_path: Path
) -> None:
    answer(work, FakeLLM(), tmp_path / "one")
    answer(work, Drawing(), tmp_path / "other")
    with pytest.raises(LLMError, match=r"one/.*jsonl and .*other/.*jsonl .*'user 50'"):
        merge(work, [tmp_path / "one", tmp_path / "other"], into=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_what_the_store_has_otherwise_is_an_error(work: Work, tmp_path: Path) -> None:
    store = tmp_path / "answers.sqlite"
    with AnswerStore(store) as known:
        Remembering(Drawing(), known).choose([Prompt("s", "user 50\r\n\x85")], [OPTIONS])
    answer(work, FakeLLM())
    with pytest.raises(LLMError, match=r"jsonl and .*answers.sqlite answer one question diff"):
        merge(work, into=store)


def test_one_question_in_two_blocks_that_differ_is_an_error(tmp_path: Path) -> None:
    class Counting(FakeLLM):
        def logprob(self, prompt: Prompt, option: str) -> float:
            return -float(self.calls)

    same = Question(Prompt("", "twice"), ("a", "b"))
    work = write(tmp_path, [same, same], Counting(), block=1)  # the two blocks are one
    assert work.blocks[0] == work.blocks[1]
    work = write(tmp_path, [same, Question(same.prompt, ("b",))], Counting(), block=1)
    answer(work, Counting())
    with pytest.raises(LLMError, match="answer one question differently"):
        merge(work, into=tmp_path / "store")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda text: text[:-20], "is damaged"),
        (lambda text: text.replace("tokens", "tokans", 1), "is damaged"),
        (lambda text: "", "cannot be read"),
        (lambda text: "[]\n" + text, "cannot be read"),
        (lambda text: text.replace(FakeLLM().fingerprint, "0" * 64), "by another model: 'fake'"),
    ],
)
def test_a_part_that_is_not_sound_is_named(work: Work, harm: Any, says: str) -> None:
    answer(work, FakeLLM())
    file = work.answers / f"{work.blocks[3].name}.jsonl"
    file.write_text(harm(file.read_text()))
    for act in (lambda: merge(work), lambda: answer(work, FakeLLM())):
        with pytest.raises(LLMError, match=says) as caught:
            act()
        assert str(file) in str(caught.value) and "Delete it" in str(caught.value)
    file.unlink()
    assert answer(work, FakeLLM()).blocks == 1
    merge(work)


def test_a_damaged_or_a_missing_work_is_told(work: Work, tmp_path: Path) -> None:
    with pytest.raises(LLMError, match=r"There is no .*work.json.*--plan"):
        Work.load(tmp_path)
    block = work.folder / "blocks" / f"{work.blocks[0].name}.jsonl"
    block.write_bytes(block.read_bytes()[:-5])
    with pytest.raises(LLMError, match="is damaged"):
        work.read(work.blocks[0])
    block.unlink()
    with pytest.raises(LLMError, match=r"cannot be read: No such file"):
        answer(work, FakeLLM())
    for content, says in (("{", "cannot be read"), ('{"format": 9}', "has format 9")):
        (work.folder / "work.json").write_text(content)
        with pytest.raises(LLMError, match=says):
            Work.load(work.folder)


def test_no_questions_are_no_work(tmp_path: Path) -> None:
    with pytest.raises(LLMError, match="no work to write"):
        write(tmp_path, [], FakeLLM())


def test_a_full_disk_leaves_no_half_part(work: Work, disk_for: Any) -> None:
    with disk_for(400), pytest.raises(LLMError, match="Make room"):
        answer(work, FakeLLM())
    assert not list(work.answers.glob("*.json*")) and answer(work, FakeLLM()).blocks == 15
    again = work.folder / "again"
    with disk_for(400), pytest.raises(LLMError, match=r"again.*cannot be written.*Make room"):
        write(again, questions(100), FakeLLM())
    assert not [file for file in again.glob("**/*") if file.is_file()]


def test_planning_writes_what_the_store_does_not_know(tmp_path: Path) -> None:
    asked = [q.prompt for q in questions(100)]
    with AnswerStore(tmp_path / "store") as store:
        Remembering(FakeLLM(), store).choose(asked[:10], [OPTIONS] * 10)
        Remembering(FakeLLM(), store).choose(asked[10:11], [OPTIONS[:1]])
        asking = Remembering(Planning(FakeLLM(), tmp_path / "work", store=store.path), store)
        with pytest.raises(Unanswered, match="90 questions in 2 blocks for fake are") as caught:
            asking.choose(asked, [OPTIONS] * 100)
    work = caught.value.work
    assert work == Work.load(tmp_path / "work") and work.store == str(store.path)
    found = [question for block in work.blocks for question in work.read(block)]
    assert [q.prompt for q in found] == sorted(asked[10:])  # those that begin alike are neighbours
    options = {q.prompt: q.options for q in found}
    assert options.pop(asked[10]) == OPTIONS[1:] and set(options.values()) == {OPTIONS}


def test_planning_is_the_model_in_all_else(tmp_path: Path) -> None:
    class Local(FakeLLM):
        folder, adapter, chunk = tmp_path / "weights", None, 3

        def writing(self, prompts: Any, *, max_tokens: int) -> Any:
            raise AssertionError("the model itself was asked")

    planning = Planning(Local(), tmp_path / "work")
    assert (planning.name, planning.folder) == ("fake", tmp_path / "weights")
    assert planning.fingerprint == FakeLLM().fingerprint and not hasattr(planning, "embed")
    with AnswerStore(tmp_path / "store") as store, pytest.raises(Unanswered) as caught:
        prompts = [q.prompt for q in questions(10)]
        Remembering(planning, store).generate(prompts, max_tokens=4)
    work = caught.value.work
    assert (len(work.blocks), work.llm) == (4, str(tmp_path / "weights"))
    other = like(planning, FakeLLM("tuned"))
    assert isinstance(other, Planning) and other.name == "fake:tuned"
    assert like(FakeLLM(), other) is like(planning, other) is other  # not one in the other


WORKER = """
import sys, time
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Shard, Work, answer

class Slow(FakeLLM):
    def choose(self, prompts, options):
        found = super().choose(prompts, options)
        time.sleep(0.02)
        with open(sys.argv[4], "a") as log:  # the answers exist from here on
            log.write("".join(prompt.user + "\\n" for prompt in prompts))
        return found

work = Work.load(sys.argv[1])
answer(work, Slow(), sys.argv[2], Shard.read(sys.argv[3]))
heavy = {"torch", "transformers", "polars", "pydantic", "tandemrec.data", "tandemrec.recipes"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
SHARDS, BLOCK, KILLS, QUESTIONS = 8, 10, 16, 1600


def begun(work: Work, out: Path, shard: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, str(work.folder), str(out), shard, str(log)]
    return subprocess.Popen(command)


def test_eight_shards_under_random_kills(tmp_path: Path) -> None:
    """Byte for byte what one undisturbed process gives; twice is asked only what was in flight."""
    asked = [Question(Prompt("", f"user {n:04d}"), OPTIONS) for n in range(QUESTIONS)]
    work = write(tmp_path / "work", asked, FakeLLM(), block=BLOCK)
    answer(work, FakeLLM(), tmp_path / "whole")
    out, rng = tmp_path / "shards", random.Random(0)
    logs = [tmp_path / f"log-{n}" for n in range(SHARDS)]
    names = [f"{n + 1}/{SHARDS}" for n in range(SHARDS)]
    running = [begun(work, out, *each) for each in zip(names, logs, strict=True)]
    hit: Counter[int] = Counter()
    deadline = time.monotonic() + 400  # on a machine that is busy with other things
    while any(process.poll() is None for process in running):
        assert time.monotonic() < deadline
        time.sleep(rng.uniform(0.02, 0.1))
        n = rng.randrange(SHARDS)
        if sum(hit.values()) < KILLS and running[n].poll() is None and logs[n].exists():
            os.kill(running[n].pid, signal.SIGKILL)
            if running[n].wait() == -signal.SIGKILL:
                hit[n] += 1
            running[n] = begun(work, out, names[n], logs[n])
    assert [process.wait() for process in running] == [0] * SHARDS
    assert sum(hit.values()) == KILLS
    whole = merge(work, [tmp_path / "whole"]).file.read_bytes()
    merged = merge(work, [out], into=tmp_path / "store")
    assert merged.file.read_bytes() == whole and merged.new == QUESTIONS
    lines = [log.read_text().split("\n")[:-1] for log in logs]
    assert {line for each in lines for line in each} == {q.prompt.user for q in asked}
    for n, each in enumerate(lines):  # a kill between an answer and its part: one block again
        assert len(each) <= QUESTIONS // SHARDS + hit[n] * BLOCK


BELOW = {"llm", "errors", "cache", "config", "oneline", "progress", "wheels", "writing"}
"All of the package that a worker has to do with; none of it imports data or backbones."


def imported(file: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in it, by their first name."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "tandemrec":
            names |= {f"tandemrec.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[1] for name in names if name.startswith("tandemrec.")}


def test_a_worker_has_to_do_with_little_of_the_package() -> None:
    root = Path(tandemrec.__file__).parent
    found = {file: imported(file) for file in (root / "llm").rglob("*.py")}
    found |= {root / f"{name}.py": imported(root / f"{name}.py") for name in BELOW - {"llm"}}
    assert len(found) > 40 and "llm" in set().union(*found.values())
    assert not {str(file): names - BELOW for file, names in found.items() if names - BELOW}


def test_two_processes_with_one_shard_do_no_harm(tmp_path: Path) -> None:
    asked = [Question(Prompt("", f"user {n:04d}"), OPTIONS) for n in range(200)]
    work = write(tmp_path / "work", asked, FakeLLM(), block=BLOCK)
    answer(work, FakeLLM(), tmp_path / "whole")
    both = [begun(work, tmp_path / "out", "1/1", tmp_path / f"log-{n}") for n in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    one = merge(work, [tmp_path / "out"]).sha256
    assert one == merge(work, [tmp_path / "whole"]).sha256
    assert not list((tmp_path / "out").glob(".*.jsonl*"))
