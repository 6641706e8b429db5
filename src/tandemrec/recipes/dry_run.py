"""What a run would ask its language model, and what that would cost; nothing is asked.

The run is done in a folder that goes away, with made-up answers: its backbones are fitted for
real, and what the run's folder holds already, stages and answers, counts as done.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tandemrec.errors import ConfigError
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
    """What a run would ask. `sure` hangs on no answer that is not there yet; `guessed` does, and
    was counted with made-up answers."""

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
    check_settings(backbone_of(spec.backbone), spec.config)
    given = inputs(spec, progress)
    model: Any = given.llm
    guessing = Guessing(model)
    more = {} if spec.recipe == "llama4rec" else _reading(given.embedder, given.content)
    with tempfile.TemporaryDirectory(prefix="tandemrec-dry-") as scratch:
        out = _copied(spec.out, Path(scratch) / "out")
        shared = None if spec.shared is None else _copied(spec.shared, Path(scratch) / "shared")
        CARRIED_OUT[spec.recipe](
            given.split,
            backbone=spec.backbone,
            llm=guessing,
            config=spec.config,
            out=out,
            shared=shared,
            seeds=spec.made_seeds,
            first=spec.seed,
            progress=progress,
            **more,
        )
    return _outlook(model, guessing, spec)


def _reading(embedder: Any, content: Any) -> dict[str, Any]:
    return {"embedder": embedder, "content": content}


def _outlook(model: Any, guessing: Guessing, spec: RunSpec) -> Outlook:
    can, address = getattr(model, "abilities", None), getattr(model, "address", None)
    return Outlook(
        llm=model.name,
        way="" if can is None else can.told(),
        sure=guessing.sure,
        guessed=guessing.guessed,
        price_in=getattr(address, "price_in", None),
        price_out=getattr(address, "price_out", None),
        counted=can is not None and can.tokens == "local",
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
