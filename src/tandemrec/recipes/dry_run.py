"""What runs would ask their language models, and what that would cost; nothing is asked.

They are done in a folder that goes away, with made-up answers: their backbones are fitted for
real, and what the runs' folders hold already, stages and answers, counts as done.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tandemrec.errors import ConfigError
from tandemrec.llm.base import LLM
from tandemrec.llm.estimating import Expected, Guessing
from tandemrec.progress import Progress, silent
from tandemrec.recipes.entrance import backbone_of, check_settings
from tandemrec.recipes.execute import dallrec, llama4rec
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.inputs import inputs
from tandemrec.recipes.setup import ANSWERS
from tandemrec.recipes.spec import RunSpec

CARRIED_OUT: dict[str, Callable[..., Finished]] = {"llama4rec": llama4rec, "dallrec": dallrec}


@dataclass(frozen=True)
class Outlook:
    """What a run, or several, would ask a language model. `sure` hangs on no answer that is not
    there yet; `guessed` does, and was counted with made-up answers."""

    llm: str
    way: str
    """What its server can do, in a line; empty for a model in this process."""
    sure: Expected
    guessed: Expected
    price_in: float | None
    price_out: float | None
    counted: bool
    """Whether prompts' tokens were counted; else estimated from their letters."""
    tuned: bool
    """Whether the run would tune the model first: then all answers are asked for anew."""

    @property
    def all(self) -> Expected:
        """Both."""
        return self.sure + self.guessed

    @property
    def cost(self) -> float | None:
        """Of both; None where no price is given."""
        return self.all.usage.cost(self.price_in, self.price_out)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"cost": self.cost}


def dry_run(spec: RunSpec, progress: Progress = silent) -> Outlook:
    """Count what `execute(spec)` would ask. The run's folder is read, and stays as it is.

    A server is asked what it can do (`probing`), as that decides how many requests there are.
    Raises TandemrecError as `execute` does.
    """
    return dry_runs([spec], progress)[0]


def dry_runs(specs: Sequence[RunSpec], progress: Progress = silent) -> list[Outlook]:
    """The same of runs that are made one after the other: an outlook for each language model. What
    runs with a folder in common (`shared`) ask alike counts once."""
    for spec in specs:
        check_settings(backbone_of(spec.backbone), spec.config)
    asked: dict[tuple[str, str | None], tuple[LLM, Guessing, RunSpec]] = {}
    with tempfile.TemporaryDirectory(prefix="tandemrec-dry-") as scratch:
        copies = _Copies(Path(scratch))
        for spec in specs:
            given = inputs(spec, progress)
            fresh = given.llm, Guessing(given.llm), spec
            _, guessing, _ = asked.setdefault((spec.llm, spec.adapter), fresh)
            more = {} if spec.recipe == "llama4rec" else _reading(given.embedder, given.content)
            CARRIED_OUT[spec.recipe](
                given.split,
                backbone=spec.backbone,
                llm=guessing,
                config=spec.config,
                out=copies.of(spec.out),
                shared=None if spec.shared is None else copies.of(spec.shared),
                seeds=spec.made_seeds,
                first=spec.seed,
                progress=progress,
                **more,
            )
    return [_outlook(*each) for each in asked.values()]


@dataclass
class _Copies:
    """One copy of each folder, which every run that names it is done in."""

    scratch: Path
    made: dict[Path, Path] = field(default_factory=dict)

    def of(self, folder: Path) -> Path:
        if folder not in self.made:
            self.made[folder] = _copied(folder, self.scratch / str(len(self.made)))
        return self.made[folder]


def _reading(embedder: Any, content: Any) -> dict[str, Any]:
    return {"embedder": embedder, "content": content}


def _outlook(llm: LLM, guessing: Guessing, spec: RunSpec) -> Outlook:
    model: Any = llm
    can, address = getattr(model, "abilities", None), getattr(model, "address", None)
    return Outlook(
        llm=model.name,
        way="" if can is None else can.told(),
        sure=guessing.sure,
        guessed=guessing.guessed,
        price_in=getattr(address, "price_in", None),
        price_out=getattr(address, "price_out", None),
        counted=hasattr(model, "tokens_of") if can is None else can.tokens == "local",
        tuned=spec.config.tune is not None and hasattr(model, "folder"),
    )


def _copied(source: Path, target: Path) -> Path:
    """A copy of a run's folder; weights, which no run writes into, are linked."""
    target.mkdir(parents=True)
    if not source.is_dir():
        if source.exists():
            raise ConfigError(f"{source} is a file; a run needs a folder of its own. Name another.")
        return target
    hidden = shutil.ignore_patterns(f"{ANSWERS}*", ".*")
    shutil.copytree(source, target, ignore=hidden, copy_function=_copy, dirs_exist_ok=True)
    if (source / ANSWERS).is_file():
        _copy_answers(source / ANSWERS, target / ANSWERS)
    return target


def _copy(source: str, target: str) -> None:
    if source.endswith(".safetensors"):
        Path(target).symlink_to(Path(source).absolute())
    else:
        shutil.copyfile(source, target)


def _copy_answers(source: Path, target: Path) -> None:
    """The store as it is now, even while another run writes into it."""
    with (
        closing(sqlite3.connect(f"file:{source.absolute()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
