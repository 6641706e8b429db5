import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tandemrec.errors import LLMError
from tandemrec.llm.answers import CHUNK, AnswerStore, Remembering
from tandemrec.llm.base import LLM, Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM


def prompts(n: int) -> list[Prompt]:
    return [Prompt("", f"question {number}") for number in range(n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.sqlite"


def test_is_a_language_model(path):
    assert isinstance(Remembering(FakeLLM(), AnswerStore(path)), LLM)


def test_answers_are_the_models_own(path):
    asked, options = prompts(150), [["A", "B c", ""]] * 150
    found = Remembering(FakeLLM(), AnswerStore(path)).choose(asked, options)
    for ours, theirs in zip(found, FakeLLM().choose(asked, options), strict=True):
        np.testing.assert_array_equal(ours.logprobs, theirs.logprobs)
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
        assert ours.logprobs.dtype == np.float32


def test_a_second_call_asks_nothing(path):
    first = Remembering(FakeLLM(), AnswerStore(path))
    before = first.choose(prompts(70), [["A", "B"]] * 70)
    first.generate(prompts(3), max_tokens=9)
    again = Remembering(FakeLLM(), AnswerStore(path))
    after = again.choose(prompts(70), [["A", "B"]] * 70)
    assert again.generate(prompts(3), max_tokens=9) == FakeLLM().generate(prompts(3), max_tokens=9)
    assert again.llm.calls == 0
    assert (again.asked, again.remembered) == (0, 73)
    np.testing.assert_array_equal(
        [choice.logprobs for choice in before], [choice.logprobs for choice in after]
    )


def test_tokens_of_what_is_written_are_counted_once(path):
    class Counting(FakeLLM):
        def tokens_of(self, prompt: Prompt) -> int:
            return len(prompt.user)

    for _ in range(2):  # asked, and known
        llm = Remembering(Counting(), AnswerStore(path), counting=True)
        texts = llm.generate(prompts(3) * 2, max_tokens=9)
        assert llm.tokens == sum(map(len, texts[:3])) + sum(len(p.user) for p in prompts(3)) > 0
    assert Remembering(Counting(), AnswerStore(path)).tokens is None
    assert Remembering(FakeLLM(), AnswerStore(path), counting=True).tokens is None


def test_half_a_sign_is_kept_as_a_question_mark(path):
    """As an escape of JSON, a server may send it."""
    llm = FollowingLLM(lambda *_: 0.0, lambda prompt: "Am\ud83clie")
    first = Remembering(llm, AnswerStore(path)).generate(prompts(1), max_tokens=9)
    assert first == Remembering(llm, AnswerStore(path)).generate(prompts(1), max_tokens=9)
    assert first == ["Am?lie"]


def test_equal_prompts_are_asked_once_with_the_options_of_both(path):
    llm = FakeLLM()
    found = Remembering(llm, AnswerStore(path)).choose(
        [Prompt("", "q"), Prompt("", "q")], [["A", "B"], ["B", "C", "B"]]
    )
    assert llm.log == [(Prompt("", "q"), ("A", "B", "C"))]
    assert found[1].logprobs[0] == found[1].logprobs[2] == found[0].logprobs[1]


def test_only_options_that_are_new_are_asked(path):
    llm = FakeLLM()
    asking = Remembering(llm, AnswerStore(path))
    asking.choose([Prompt("", "q")], [["A", "B"]])
    asking.choose([Prompt("", "q")], [["B", "C"]])
    assert [options for _, options in llm.log] == [("A", "B"), ("C",)]


@pytest.mark.parametrize(
    "other",
    [Prompt("", "q", chat=False), Prompt("s", "q"), Prompt("q", ""), Prompt("", "q2")],
)
def test_other_questions_have_other_answers(path, other):
    asking = Remembering(FakeLLM(), AnswerStore(path))
    asking.choose([Prompt("", "q")], [["A"]])
    asking.choose([other], [["A"]])
    assert asking.asked == 2


def test_another_model_and_another_length_are_other_questions(path):
    store = AnswerStore(path)
    Remembering(FakeLLM(), store).generate(prompts(1), max_tokens=5)
    other, longer = Remembering(FakeLLM("2"), store), Remembering(FakeLLM(), store)
    other.generate(prompts(1), max_tokens=5)
    longer.generate(prompts(1), max_tokens=6)
    assert (other.asked, longer.asked) == (1, 1)


class DiesAfter(FakeLLM):
    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def choose(self, prompts, options):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().choose(prompts, options)


def test_a_chunk_is_stored_before_the_next_is_asked(path):
    with pytest.raises(KeyboardInterrupt):
        Remembering(DiesAfter(2), AnswerStore(path)).choose(prompts(200), [["A"]] * 200)
    assert len(AnswerStore(path)) == 2 * CHUNK
    again = Remembering(FakeLLM(), AnswerStore(path))
    again.choose(prompts(200), [["A"]] * 200)
    assert (again.asked, again.remembered) == (200 - 2 * CHUNK, 2 * CHUNK)


SCRIPT = """
import sys, time
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM

class Slow(FakeLLM):
    def choose(self, prompts, options):
        found = super().choose(prompts, options)
        time.sleep(0.03)
        with open(sys.argv[2], "a") as log:  # the answers exist from here on
            log.write("".join(prompt.user + "\\n" for prompt in prompts))
        return found

prompts = [Prompt("", str(n)) for n in range(640)]
Remembering(Slow(), AnswerStore(sys.argv[1])).choose(prompts, [["A", "B"]] * 640)
"""


def test_a_kill_loses_at_most_what_was_in_flight(path, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", SCRIPT, str(path), str(log)]
    for _ in range(3):
        lines = len(log.read_text().split()) if log.exists() else 0
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.002)
            if log.exists() and len(log.read_text().split()) > lines:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True)
    asked = log.read_text().split()
    assert set(asked) == {str(n) for n in range(640)}
    # a kill may fall between an answer and its storage: one chunk, asked again
    assert len(asked) <= 640 + 3 * CHUNK
    assert len(AnswerStore(path)) == 2 * 640


def test_a_damaged_store_is_one_clear_line(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no data base" * 100)
    with pytest.raises(LLMError, match=r"answers\.sqlite cannot be used: .* delete it"):
        AnswerStore(path)


def test_a_locked_store_is_one_clear_line(path):
    store = AnswerStore(path, wait=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LLMError, match="locked"):
        store.put({b"key": b"value"})
    other.execute("ROLLBACK")
    store.put({b"key": b"value"})
    assert store.get([b"key", b"none"]) == {b"key": b"value"}


def test_a_store_that_is_a_folder_is_an_error(tmp_path):
    with pytest.raises(LLMError, match="cannot be used"):
        AnswerStore(tmp_path)


def test_a_full_disk_is_said_and_no_answer_is_given_up(path):
    store = AnswerStore(path)
    store.put({b"key": b"value"})
    store._base.execute("PRAGMA max_page_count=3")  # SQLite then says that the disk is full
    with pytest.raises(LLMError, match=r"disk is full\. Make room") as caught:
        store.put({bytes([n]): bytes(4_000) for n in range(90)})
    assert "delete" not in str(caught.value)
    store._base.execute("PRAGMA max_page_count=1000")
    store.put({b"more": b"value"})
    assert store.get([b"key", b"more", b"\0"]) == {b"key": b"value", b"more": b"value"}


def test_a_disk_that_takes_no_more_of_the_log_is_no_damaged_store(path, disk_for):
    store = AnswerStore(path)
    store.put({b"key": b"value"})
    with disk_for(30_000), pytest.raises(LLMError, match="Make room") as caught:
        store.put({bytes([n]): bytes(4_000) for n in range(90)})
    assert "delete" not in str(caught.value)
    assert AnswerStore(path).get([b"key"]) == {b"key": b"value"}
