from pathlib import Path

import pytest
import torch

from tandemrec.llm import network
from tiny_llm import tiny_folder


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def net(base) -> network.Network:
    return network.load(base, dtype=torch.float32, device=torch.device("cpu"))
