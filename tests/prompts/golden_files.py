"""Prompts as they are kept in golden/: every letter of each counts."""

from pathlib import Path

from tandemrec.llm.base import Prompt

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> str:
    """The text of a golden file."""
    return (GOLDEN / f"{name}.txt").read_text()


def shown(prompt: Prompt) -> str:
    """A prompt as such a file shows it."""
    return f"[chat={prompt.chat}]\n[system] {prompt.system}\n[user] {prompt.user}|end|\n"
