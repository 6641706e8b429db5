"""A shard's blocks answered: in which batches, once only, and what is kept when it ends."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from llm.work.asked import choosing, questions
from tandemrec.errors import LLMError
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import CONSTRAINED, UNANSWERED, Choice, Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import (
    Block,
    Incomplete,
    Question,
    Shard,
    Work,
    answer,
    answering,
    merge,
    parts,
    write,
)


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
    work = write(tmp_path, choosing(40), FakeLLM(), block=20)
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
