"""Any number of worker processes, killed or side by side; and how little they import."""

import ast
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import tandemrec
from llm.work.asked import choosing
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Work, answer, merge, write

WORKER = """
import sys, time
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Shard, Work, answer

class Slow(FakeLLM):
    def choose(self, prompts, options):
        found = super().choose(prompts, options)
        time.sleep(0.02)
        with open(sys.argv[4], "a") as log:  # the answers exist from here on
            log.write("".join(prompt.user + "\\n" for prompt in prompts))
        return found

work = Work.load(sys.argv[1])
answer(work, Slow(), sys.argv[2], Shard.read(sys.argv[3]))
heavy = {"torch", "transformers", "polars", "pydantic", "tandemrec.data", "tandemrec.recipes"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
SHARDS, BLOCK, KILLS, QUESTIONS = 8, 10, 16, 1600


def begun(work: Work, out: Path, shard: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, str(work.folder), str(out), shard, str(log)]
    return subprocess.Popen(command)


def test_eight_shards_under_random_kills(tmp_path: Path) -> None:
    """Byte for byte what one undisturbed process gives; twice is asked only what was in flight."""
    asked = choosing(QUESTIONS)
    work = write(tmp_path / "work", asked, FakeLLM(), block=BLOCK)
    answer(work, FakeLLM(), tmp_path / "whole")
    out, rng = tmp_path / "shards", random.Random(0)
    logs = [tmp_path / f"log-{n}" for n in range(SHARDS)]
    names = [f"{n + 1}/{SHARDS}" for n in range(SHARDS)]
    running = [begun(work, out, *each) for each in zip(names, logs, strict=True)]
    hit: Counter[int] = Counter()
    deadline = time.monotonic() + 400  # on a machine that is busy with other things
    while any(process.poll() is None for process in running):
        assert time.monotonic() < deadline
        time.sleep(rng.uniform(0.02, 0.1))
        n = rng.randrange(SHARDS)
        if sum(hit.values()) < KILLS and running[n].poll() is None and logs[n].exists():
            os.kill(running[n].pid, signal.SIGKILL)
            if running[n].wait() == -signal.SIGKILL:
                hit[n] += 1
            running[n] = begun(work, out, names[n], logs[n])
    assert [process.wait() for process in running] == [0] * SHARDS
    assert sum(hit.values()) == KILLS
    whole = merge(work, [tmp_path / "whole"]).file.read_bytes()
    merged = merge(work, [out], into=tmp_path / "store")
    assert merged.file.read_bytes() == whole and merged.new == QUESTIONS
    lines = [log.read_text().split("\n")[:-1] for log in logs]
    assert {line for each in lines for line in each} == {q.prompt.user for q in asked}
    for n, each in enumerate(lines):  # a kill between an answer and its part: one block again
        assert len(each) <= QUESTIONS // SHARDS + hit[n] * BLOCK


BELOW = {"llm", "errors", "cache", "config", "oneline", "progress", "wheels", "writing"}
"All of the package that a worker has to do with; none of it imports data or backbones."


def imported(file: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in it, by their first name."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "tandemrec":
            names |= {f"tandemrec.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[1] for name in names if name.startswith("tandemrec.")}


def test_a_worker_has_to_do_with_little_of_the_package() -> None:
    root = Path(tandemrec.__file__).parent
    found = {file: imported(file) for file in (root / "llm").rglob("*.py")}
    found |= {root / f"{name}.py": imported(root / f"{name}.py") for name in BELOW - {"llm"}}
    assert len(found) > 40 and "llm" in set().union(*found.values())
    assert not {str(file): names - BELOW for file, names in found.items() if names - BELOW}


def test_two_processes_with_one_shard_do_no_harm(tmp_path: Path) -> None:
    work = write(tmp_path / "work", choosing(200), FakeLLM(), block=BLOCK)
    answer(work, FakeLLM(), tmp_path / "whole")
    both = [begun(work, tmp_path / "out", "1/1", tmp_path / f"log-{n}") for n in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    one = merge(work, [tmp_path / "out"]).sha256
    assert one == merge(work, [tmp_path / "whole"]).sha256
    assert not list((tmp_path / "out").glob(".*.jsonl*"))
