"""The command line: `tandemrec COMMAND`. A command's module is imported when it is called."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("tandemrec.cli.run:run", "Run a recipe: split, train, tune, re-rank, blend, evaluate."),
    "recommend": ("tandemrec.cli.recommend:recommend", "Recommend from a finished run."),
    "reproduce": ("tandemrec.cli.reproduce:reproduce", "Make a paper's table or figure again."),
    "report": ("tandemrec.cli.report:report", "Write a run's report again."),
    "export": ("tandemrec.cli.export:export", "Write a run's instructions, backbone or adapter."),
    "tune": ("tandemrec.cli.tune:tune", "Tune a language model on a file of instructions."),
    "llm-work": ("tandemrec.cli.llm_work:app", "Answer a run's questions in shards, and merge."),
    "data": ("tandemrec.cli.data:app", "List, get and check data."),
    "list": ("tandemrec.cli.listing:show", "List backbones, llms, data, settings and more."),
    "doctor": ("tandemrec.cli.doctor:doctor", "Say whether this machine is ready, and how fast."),
}
"Name: (module:function, one line of help)."


WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "20000"}
"""What the threads of torch do while they wait, said before torch is imported, where the user says
nothing: they spin for a moment. Spinning on, as they else do, makes a busy machine twelve times as
slow; sleeping at once, an idle one half as slow again (docs/log.md)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0; 1, found wanting; 2, a user's error; 130, interrupted."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know fewer signs than titles have
            stream.reconfigure(errors="replace")
    from tandemrec.cli.entry import guarded

    return guarded(list(sys.argv[1:] if arguments is None else arguments))
