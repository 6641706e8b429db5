"""OpenAI's documented rules for batches and for files to tune on, as a reader of such files.

From its reference of batches and of fine-tuning: what a request holds, that identifiers differ, one
model and one endpoint in a file, and the limits; the bodies by the types of its Python package,
where that is installed.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

ENDPOINTS = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}
"What a body asks with at each, of those that a language model answers."
MOST, LARGEST = 50_000, 200_000_000


def requests(file: Path, *, most: int = MOST, largest: int = LARGEST) -> list[dict[str, Any]]:
    """The requests of a batch's file."""
    assert file.suffix == ".jsonl" and file.stat().st_size <= largest
    read = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert 0 < len(read) <= most
    assert len({each["custom_id"] for each in read}) == len(read)
    assert len({(each["url"], each["body"]["model"]) for each in read}) == 1
    for each in read:
        assert set(each) == {"custom_id", "method", "url", "body"}
        assert isinstance(each["custom_id"], str) and each["method"] == "POST"
        assert ENDPOINTS[each["url"]] in each["body"] and "stream" not in each["body"]
        for turn in each["body"].get("messages", []):
            assert set(turn) == {"role", "content"} and turn["role"] in {"system", "user"}
    return read


def strictly(body: dict[str, Any], url: str) -> None:
    """The body by OpenAI's own types, which take no unknown name. Needs its package."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
    from openai.types.completion_create_params import (
        CompletionCreateParamsNonStreaming as PlainParams,
    )

    kind: Any = CompletionCreateParamsNonStreaming if "chat" in url else PlainParams
    known = {name for each in (kind, *kind.__orig_bases__) for name in each.__annotations__}
    assert set(body) <= known, set(body) - known
    TypeAdapter(kind).validate_python(body)


def chats(file: Path) -> list[list[dict[str, str]]]:
    """The chats of a file to tune on."""
    read = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(read) >= 10
    for each in read:
        assert set(each) == {"messages"}
        roles = [turn["role"] for turn in each["messages"]]
        assert roles in (["user", "assistant"], ["system", "user", "assistant"])
        assert all(isinstance(turn["content"], str) for turn in each["messages"])
    return [each["messages"] for each in read]
