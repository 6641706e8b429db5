"""Parts merged to the same bytes, into the store; and what cannot be merged."""

import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm.work.asked import OPTIONS, questions
from tandemrec.errors import LLMError
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Question, Shard, Work, answer, merge, write


def answered(work: Work, out: Path, n: int) -> Path:
    for number in range(n, 0, -1):
        answer(work, FakeLLM(), out, Shard(number, n))
    return out


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


def test_what_an_odd_part_holds_is_told(work: Work) -> None:
    answer(work, FakeLLM())
    one, other = (work.answers / f"{block.name}.jsonl" for block in work.blocks[:2])
    other.write_bytes(one.read_bytes())
    with pytest.raises(LLMError, match=r"no answers to its block .*of other questions"):
        merge(work, into=work.folder / "store")


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
