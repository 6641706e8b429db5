"""How processes that a launcher has started are left: nothing of gloo's lives on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LEFT = """
import atexit, json, os, sys
from pathlib import Path

def threads():
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]

rank = os.environ["RANK"]
found = []
def note():
    found.append(threads())
    Path(sys.argv[1], rank).write_text(json.dumps(found))

atexit.register(note)  # called after what is registered later
from tandemrec import processes
processes.join("gloo")
import torch
import torch.distributed.nn.functional
torch.distributed.all_reduce(torch.ones(3))
found.append(threads())
"""
ENDED = """
import atexit, os
from tandemrec import processes
atexit.register(lambda: os._exit(7))
print("told", end="")
processes.quit_at_once()
"""


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed by Linux")
def test_gloos_threads_end_before_the_interpreter_does(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(LEFT)
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*started, script, tmp_path], check=True, timeout=200)
    for rank in range(2):
        joined, left = json.loads((tmp_path / str(rank)).read_text())
        assert any("gloo" in name for name in joined)
        assert not any("gloo" in name for name in left)


def test_a_process_that_quits_tells_but_skips_the_interpreters_end() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "told")
