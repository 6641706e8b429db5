"""A model that writes down what it is asked instead of answering."""

from pathlib import Path
from typing import Any

import pytest

from llm.work.asked import OPTIONS, questions
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Planning, Unanswered, Work, like


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
