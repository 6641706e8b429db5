"""Work as it is written: its questions, blocks, shards and name."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.work.asked import questions
from tandemrec.errors import LLMError
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Question, Shard, Work, answer, write


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
