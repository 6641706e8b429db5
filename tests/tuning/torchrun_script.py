"""What each process does that `test_distributed` starts: torchrun_script.py BASE OUT JSON."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tandemrec import processes
from tandemrec.errors import TandemrecError
from tandemrec.llm.base import Prompt
from tandemrec.tuning import ranks
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import TuneConfig, tune
from tuning_lessons import OPENING

EXAMPLES = [
    *(Example(OPENING, "Star Wars\nFargo\nAlien\n" * (1 + n % 4)) for n in range(10)),
    *(Example(Prompt("Answer.", f"Heat {n}"), "Yes") for n in range(4)),
]


class Heard:
    """Progress that is noted, and ends the process at a step as a kill would."""

    def __init__(self, last: int | None) -> None:
        self.calls, self.last = 0, last

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        self.calls += 1
        if self.calls == self.last:
            os._exit(9)


def written_below(folder: Path) -> list[str]:
    """A list that grows with each file that this process opens to write below the folder."""
    found: list[str] = []

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and str(given[0]).startswith(str(folder)):
            mode, flags = given[1], given[2]
            if (mode and set("wax+") & set(mode)) or flags & (os.O_WRONLY | os.O_RDWR):
                found.append(str(given[0]))

    sys.addaudithook(hook)
    return found


def main(base: str, out: str, job: str) -> None:
    """Every case of the job, one after the other; each process leaves a note."""
    given, notes = json.loads(job), []
    written = written_below(Path(out))
    for name, settings in given["cases"].items():
        heard, error = Heard(given.get("die")), ""
        try:
            tune(EXAMPLES, base, TuneConfig(**settings), Path(out) / name, progress=heard)
        except TandemrecError as found:
            error = f"{type(found).__name__}: {found}"
        notes.append({"name": name, "calls": heard.calls, "error": error})
    place = Path(out + f".rank{ranks.rank()}.json")
    place.write_text(json.dumps({"cases": notes, "written": written}))
    processes.quit_at_once()


if __name__ == "__main__":
    main(*sys.argv[1:])
