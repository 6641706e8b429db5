"""The work of most of these tests."""

from pathlib import Path

import pytest

from llm.work.asked import questions
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Work, write


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """100 questions in 15 blocks, the last of two."""
    return write(tmp_path / "work", questions(100), FakeLLM(), block=7)
