"""transformers' own server, started here on a tiny model: one that only writes."""

import os
import shutil
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from tandemrec.llm import Prompt
from tandemrec.llm.base import REJECTED, SAMPLED
from tandemrec.llm.local import LocalLLM
from tandemrec.llm.server import ServerLLM
from tiny_llm import tiny_folder

pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(
        not all(map(find_spec, ("uvicorn", "fastapi", "openai", "httpx"))),
        reason="needs transformers[serving] and httpx",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tiny_folder(tmp_path_factory.mktemp("models") / "tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = shutil.which("transformers", path=os.path.dirname(sys.executable))
    command = [script, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--device", "cpu", "--dtype", "float32"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port, process)
            yield folder, f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, "transformers serve ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("transformers serve does not listen")


def test_it_writes_what_the_model_writes_here(served):
    folder, url = served
    model = ServerLLM(f"{url}?concurrency=2&backoff=0.05#{folder}")
    ours = LocalLLM(folder, device="cpu", dtype="float32")
    asked = [Prompt("Rank.", "Heat\n"), Prompt("", "Alien\n"), Prompt("", "Fargo\n", chat=False)]
    assert model.generate(asked, max_tokens=6) == ours.generate(asked, max_tokens=6)


def test_it_only_writes_so_answers_are_parsed_or_rejected(served):
    folder, url = served
    model = ServerLLM(f"{url}?concurrency=2&backoff=0.05#{folder}")
    can, before = model.abilities, model.usage
    assert can.chat and can.plain
    assert (can.exact, can.top, can.plain_top, can.constraint) == ("", 0, 0, "")
    asked = [Prompt("", f"{title}\n") for title in ("Heat", "Alien", "Fargo", "Toy Story")]
    choices = model.choose(asked, [["A", "B"]] * 4)
    assert {choice.way for choice in choices} <= {SAMPLED, REJECTED}
    assert model.usage.calls == before.calls + 4
    assert model.usage.tokens_out > before.tokens_out
