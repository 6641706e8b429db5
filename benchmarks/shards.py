"""What work in shards costs beside the language model: bytes, processor time and memory.

    python benchmarks/shards.py [--questions 10000 100000] [--blocks 1000 10000] [--way likelihood]

The prompts are those of 200 users of MovieLens-100K with ten titles or labels as options, repeated
under other users' numbers; the answers come from a model that does not think. Each step is a
process of its own. Seconds are of the processor, since the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Question, Work, answer, merge, write

STEPS = ("write", "answer", "merge", "merge and store")
RESULTS = Path(__file__).parent / "results" / "shards.json"
USERS = 200


class Instant(FakeLLM):
    """Gives numbers as long as a language model's, at once."""

    def logprob(self, prompt: Prompt, option: str) -> float:
        return -len(option) / 3

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        self.log.clear()
        return super().choose(prompts, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--blocks", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--way", choices=["likelihood", "listwise"], default="likelihood")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps(one_step(*given.step)))
        return
    print("| questions | a block | step | us a question | peak MB | bytes a question |")
    print("|---|---|---|---|---|---|")
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        put_down(Path(scratch) / "asked.json", given.way)
        for questions in given.questions:
            for block in given.blocks:
                found += steps(Path(scratch), questions, block)
    keep(given.way, found)


def keep(way: str, found: list[dict[str, Any]]) -> None:
    """Put the rows in the place of those of an earlier run that measured the same."""
    old = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    rows = {(row["way"], row["questions"], row["block"], row["step"]): row for row in old}
    for row in found:
        rows[way, row["questions"], row["block"], row["step"]] = {"way": way, **row}
    RESULTS.write_text(json.dumps({"rows": list(rows.values())}, indent=1) + "\n")


def put_down(file: Path, way: str) -> None:
    """The prompts of some users, for all that follows."""
    from llm_work import Work as Prompts

    prompts, options = Prompts(USERS).asked(way)
    file.write_text(json.dumps(list(zip(prompts, options, strict=True))))


def steps(scratch: Path, questions: int, block: int) -> list[dict[str, Any]]:
    found = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for step in STEPS:
            words = [step, folder, str(questions), str(block)]
            command = [sys.executable, __file__, "--step", *words]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append({"questions": questions, "block": block, **json.loads(done.stdout)})
            told = (found[-1][name] for name in ("step", "microseconds", "peak_mb", "bytes"))
            row = "{} | {:.0f} | {:.0f} | {:.0f}".format(*told)
            print(f"| {questions:,} | {block:,} | {row} |", flush=True)
    return found


def one_step(step: str, place: str, questions: str, block: str) -> dict[str, Any]:
    """In a process of its own: the step's time, the process's memory, and what it wrote."""
    folder, n = Path(place), int(questions)
    asked = json.loads((folder.parent / "asked.json").read_text())
    start = time.process_time()
    written = {
        "write": partial(write, folder / "work", repeated(asked, n), Instant(), block=int(block)),
        "answer": lambda: answer(Work.load(folder / "work"), Instant()),
        "merge": lambda: merge(Work.load(folder / "work")),
        "merge and store": lambda: merge(Work.load(folder / "work"), into=folder / "store.sqlite"),
    }
    written[step]()
    seconds = time.process_time() - start
    return {
        "step": step,
        "microseconds": seconds / n * 1e6,
        "peak_mb": peak(),
        "bytes": size(folder, step) / n,
    }


def repeated(asked: list[Any], n: int) -> Iterator[Question]:
    """So many questions, those of one user one after the other."""
    for user, ((system, text, chat), options) in islice(
        enumerate(asked * (n // len(asked) + 1)), n
    ):
        yield Question(Prompt(system, f"User {user:09d}. {text}", chat), tuple(options))


def size(folder: Path, step: str) -> int:
    """Bytes of what a step leaves."""
    kept = {"write": "work/blocks/*", "answer": "work/answers/*", "merge": "work/merged/*"}
    return sum(file.stat().st_size for file in folder.glob(kept.get(step, "store.sqlite*")))


def peak() -> float:
    """The most memory that this process had, in MB (Linux; `getrusage` would tell the parent's)."""
    (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


if __name__ == "__main__":
    main()
