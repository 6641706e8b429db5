"""Questions as OpenAI's batches, and chats to tune on: its rules hold, limits too."""

from pathlib import Path
from typing import Any

import pytest

from tandemrec.errors import ConfigError
from tandemrec.tuning import openai
from tandemrec.tuning.examples import Example
from tandemrec.tuning.export import Exported, Sets, export
from tandemrec.tuning.settings import TuneConfig
from tuning.openai_rules import chats, requests, strictly
from tuning.test_export import CHAT, PLAIN


def batched(out: Path, sets: Sets, **settings: Any) -> Exported:
    return export(sets, out, "openai-batch", openai.BatchConfig(model="gpt-x", **settings))


def turns(example: Example) -> list[dict[str, str]]:
    system = [{"role": "system", "content": example.prompt.system}] if example.prompt.system else []
    return [*system, {"role": "user", "content": example.prompt.user}]


def test_every_question_is_asked_once_and_no_answer_told(tmp_path: Path) -> None:
    batched(tmp_path, {"one": [*PLAIN, *CHAT], "two": CHAT[:1], "three": []})
    names = {"one.jsonl", "one_plain.jsonl", "two.jsonl"}
    assert {file.name for file in tmp_path.iterdir()} == names
    asked = requests(tmp_path / "one.jsonl")
    assert [each["body"]["messages"] for each in asked] == [turns(example) for example in CHAT]
    assert [each["custom_id"] for each in asked] == ["one-0", "one-1", "one-2"]
    (plain,) = requests(tmp_path / "one_plain.jsonl")
    assert plain["url"] == "/v1/completions" and plain["body"]["prompt"] == PLAIN[0].prompt.user
    every = [each for name in names for each in requests(tmp_path / name)]
    assert len({each["custom_id"] for each in every}) == len(every) == 5


def test_bodies_are_of_openais_own_types(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    batched(tmp_path, {"one": [*PLAIN, *CHAT]})
    for name in ("one.jsonl", "one_plain.jsonl"):
        for each in requests(tmp_path / name):
            strictly(each["body"], each["url"])
    with pytest.raises(AssertionError, match="max_tokenz"):
        strictly({"model": "x", "messages": [], "max_tokenz": 1}, "/v1/chat/completions")


def test_settings_arrive(tmp_path: Path) -> None:
    batched(tmp_path, {"one": [*CHAT, *PLAIN]}, max_tokens=7, temperature=None)
    chat, plain = (requests(tmp_path / f"one{end}.jsonl")[0]["body"] for end in ("", "_plain"))
    assert chat["max_completion_tokens"] == plain["max_tokens"] == 7
    assert "temperature" not in chat | plain
    config = openai.BatchConfig.of("gpt-x", TuneConfig(), {})
    assert (config.model, config.temperature) == ("gpt-x", 0.0)


@pytest.mark.parametrize("limit", [{"rows": 4}, {"size": 1500}])
def test_a_file_over_a_limit_is_cut(tmp_path: Path, limit: dict[str, int]) -> None:
    batched(tmp_path, {"one": CHAT * 5}, **limit)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files[:2]] == ["one-001.jsonl", "one-002.jsonl"]
    most, largest = limit.get("rows", 50_000), limit.get("size", 10**9)
    read = [each for file in files for each in requests(file, most=most, largest=largest)]
    assert [each["custom_id"] for each in read] == [f"one-{n}" for n in range(15)]
    assert [each["body"]["messages"] for each in read] == [turns(each) for each in CHAT * 5]


def test_a_request_over_the_limit_is_an_error(tmp_path: Path) -> None:
    long = CHAT[0]._replace(prompt=CHAT[0].prompt._replace(user="x" * 2000))
    with pytest.raises(ConfigError, match=r"Request one-0 has 2,\d\d\d bytes.*1,500"):
        batched(tmp_path / "out", {"one": [long]}, size=1500)
    assert not (tmp_path / "out").exists()


def test_no_larger_files_than_openai_takes() -> None:
    for over in ({"rows": 50_001}, {"size": 200_000_001}):
        with pytest.raises(ConfigError, match="less than or equal"):
            openai.BatchConfig(model="x", **over)


def test_chats_to_tune_on(tmp_path: Path) -> None:
    export({"one": CHAT * 4, "two": []}, tmp_path, "openai-tuning", openai.ChatsConfig())
    read = chats(tmp_path / "one.jsonl")
    answered = [[*turns(e), {"role": "assistant", "content": e.answer}] for e in CHAT * 4]
    assert read == answered
    assert [file.name for file in tmp_path.iterdir()] == ["one.jsonl"]


@pytest.mark.parametrize(
    ("examples", "says"), [(CHAT * 3, "has 9 examples"), ([*CHAT * 4, *PLAIN], "1 of the 13")]
)
def test_what_openai_does_not_tune_on(tmp_path: Path, examples: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        export({"one": examples}, tmp_path, "openai-tuning", openai.ChatsConfig())
    assert not list(tmp_path.iterdir())


def test_there_is_nothing_to_set_for_chats() -> None:
    with pytest.raises(ConfigError, match="rank"):
        openai.ChatsConfig.of("x", TuneConfig(), {"rank": 3})
