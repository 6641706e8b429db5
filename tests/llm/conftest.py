from pathlib import Path

import pytest

from tandemrec.llm.local import LocalLLM
from tiny_llm import tiny_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def llm(folder) -> LocalLLM:
    return LocalLLM(folder, device="cpu", dtype="float32")
