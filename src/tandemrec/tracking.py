"""A run's figures in a tracker that people have already: MLflow, Trackio or TensorBoard.

A tracker never breaks a run: one that is not installed is an error before the work, and one that
fails is a warning, after which it is told nothing more.
"""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from tandemrec import config
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.oneline import short
from tandemrec.progress import Progress

PROJECT = "tandemrec"


class Sink(Protocol):
    """Where figures go."""

    def settings(self, values: Mapping[str, str]) -> None:
        """What the run was asked for."""

    def figures(self, values: Mapping[str, float], step: int) -> None:
        """A point of each of these curves."""

    def file(self, path: Path) -> None:
        """A file that belongs to the run."""

    def close(self, *, failed: bool) -> None:
        """Nothing more comes."""


def _warned(text: str) -> None:
    warnings.warn(text, stacklevel=2)


class Tracker:
    """A run as a sink is told of it; with no `opening` of one, nobody is.

    The sink is opened when there is something to tell, so that a misspelt setting leaves no run.
    """

    def __init__(
        self,
        opening: Callable[[], Sink] | None,
        name: str = "",
        warn: Callable[[str], None] = _warned,
    ) -> None:
        self.opening, self.name, self.warn = opening, name, warn
        self.sink: Sink | None = None
        self.asked: dict[str, str] = {}

    def settings(self, *asked: BaseModel) -> None:
        """What the run was asked for, by dotted names; what is not set is left out. A name that
        stands already, such as the backbone's, is told apart as settings.backbone."""
        self.asked = {}
        for each in (each for settings in asked for each in config.every(settings)):
            if each.value not in _UNSET:
                name = f"settings.{each.name}" if each.name in self.asked else each.name
                self.asked[name] = str(each.value)

    def following(self, progress: Progress) -> Progress:
        """Progress that is passed on, and whose figures, such as a loss, are points of curves."""
        curves = _Curves()

        def tell(stage: str, done: float, total: float, note: str = "") -> None:
            progress(stage, done, total, note)
            name = curves.name(stage, done)
            points = {f"{name}/{figure}": value for figure, value in figures(note).items()}
            self._point(points, int(done))

        return tell

    def results(self, rows: Sequence[Mapping[str, Any]], report: Path | None = None) -> None:
        """The table on test, its seeds as steps; and the report's page."""
        for row in rows:
            named = {f"test/{row['method']}/{name}": row[name] for name in row.keys() - _NO_FIGURES}
            points = {name: each for name, each in named.items() if isinstance(each, int | float)}
            self._point(points, row["seed"])
        if report is not None and report.exists():
            self._tell(lambda sink: sink.file(report))

    def close(self, *, failed: bool) -> None:
        """Nothing more comes; a sink that was never opened is not closed."""
        if self.sink is not None:
            self._tell(lambda sink: sink.close(failed=failed))
        self.opening = None

    def _point(self, points: Mapping[str, float], step: int) -> None:
        if points:
            self._tell(lambda sink: sink.figures(points, step))

    def _tell(self, what: Callable[[Sink], None]) -> None:
        """Whatever the sink says of it, the run goes on; what it prints is no result of ours."""
        if self.opening is None:
            return
        try:
            with redirect_stdout(sys.stderr):
                what(self._open(self.opening))
        except Exception as error:  # each tracker has errors of its own, and its server's
            self.opening = None
            reason = f"{type(error).__name__}: {short(error, 200)}".rstrip(" .:…")
            self.warn(f"{self.name} is told nothing more of this run, which goes on: {reason}.")

    def _open(self, opening: Callable[[], Sink]) -> Sink:
        if self.sink is None:
            self.sink = opening()
            self.sink.settings(self.asked)
        return self.sink


_UNSET: tuple[Any, ...] = (None, "", (), {})
_NO_FIGURES = {"method", "kind", "seed"}


class _Curves:
    """Names for the curves of stages: one that begins again is another curve."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[float, int]] = {}

    def name(self, stage: str, done: float) -> str:
        before, times = self.last.get(stage, (done, 1))
        times += done < before
        self.last[stage] = (done, times)
        return stage if times == 1 else f"{stage} {times}"


_FIRST = re.compile(r"(?P<value>[-+]?[\d.]+(?:e[-+]?\d+)?) (?P<name>\D[^,]*)")
_LAST = re.compile(r"(?P<name>[^,]*\S) (?P<value>[-+]?[\d.]+(?:e[-+]?\d+)?)")


def figures(note: str) -> dict[str, float]:
    """The numbers of a progress note with their names: "loss 0.41, 590 tokens/s"."""
    found: dict[str, float] = {}
    for part in note.split(","):
        match = _FIRST.fullmatch(part.strip()) or _LAST.fullmatch(part.strip())
        try:
            found |= {match["name"]: float(match["value"])} if match else {}
        except ValueError:  # 1.2.3 is no number
            continue
    return found


@contextmanager
def tracked(
    name: str | None, folder: Path, run: str, *, warn: Callable[[str], None] = _warned
) -> Iterator[Tracker]:
    """A tracker that is closed at the end; None tracks nothing.

    Where the tracker keeps files, they lie in the run's `folder`. What it fails at is told to
    `warn`, once. Raises UnknownName, and ConfigError where its package is not installed.
    """
    if name is None:
        yield Tracker(None)
        return
    if name not in SINKS:
        raise UnknownName("tracker", name, SINKS)
    for package in SINKS[name].packages:
        _import(package, name)
    tracker, failed = Tracker(lambda: SINKS[name].kind(folder, run), name, warn), True
    try:
        yield tracker
        failed = False
    finally:
        tracker.close(failed=failed)


def _import(package: str, name: str) -> None:
    try:
        import_module(package)
    except Exception as error:  # one that is there but broken raises anything
        raise ConfigError(
            f"--track {name} needs the package {package.partition('.')[0]}, which is not installed "
            f"or does not load ({short(error, 120).rstrip('.')}): "
            f"pip install {name}."
        ) from error


class MLflow:
    """An MLflow run: on the server that MLFLOW_TRACKING_URI names, or in the run's folder."""

    def __init__(self, folder: Path, run: str) -> None:
        import mlflow

        self.entities = mlflow.entities
        given = os.environ.get("MLFLOW_TRACKING_URI")
        folder.mkdir(parents=True, exist_ok=True)
        own = folder.absolute() / "mlflow"
        self.client = mlflow.MlflowClient(tracking_uri=given or f"sqlite:///{own}.db")
        known = self.client.get_experiment_by_name(PROJECT)
        place = None if given else own.as_uri()
        number = known.experiment_id if known else self.client.create_experiment(PROJECT, place)
        self.run = self.client.create_run(number, run_name=run).info.run_id

    def settings(self, values: Mapping[str, str]) -> None:
        """As parameters, at most a hundred at a time and 6,000 signs each: MLflow takes no more."""
        made = [self.entities.Param(_plain(name), text[:6000]) for name, text in values.items()]
        for start in range(0, len(made), 100):
            self.client.log_batch(self.run, params=made[start : start + 100])

    def figures(self, values: Mapping[str, float], step: int) -> None:
        now = time.time_ns() // 1_000_000
        points = [self.entities.Metric(_plain(k), v, now, step) for k, v in values.items()]
        self.client.log_batch(self.run, metrics=points)

    def file(self, path: Path) -> None:
        self.client.log_artifact(self.run, str(path))

    def close(self, *, failed: bool) -> None:
        self.client.set_terminated(self.run, "FAILED" if failed else "FINISHED")


def _plain(name: str) -> str:
    """MLflow's names have letters, digits and a few signs."""
    return re.sub(r"[^\w\-. /:]", "_", name)[:250]


class Trackio:
    """A Trackio run; the package keeps it where TRACKIO_DIR says, else in its cache."""

    def __init__(self, folder: Path, run: str) -> None:
        import trackio

        self.trackio = trackio
        self.run = trackio.init(project=PROJECT, name=run, embed=False)

    def settings(self, values: Mapping[str, str]) -> None:
        self.run.config.update(values)

    def figures(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def file(self, path: Path) -> None:
        """Trackio shows figures; the page stays in the run's folder."""

    def close(self, *, failed: bool) -> None:
        self.run.log({"failed": float(failed)})
        self.trackio.finish()


class TensorBoard:
    """TensorBoard's files, in the run's folder: `tensorboard --logdir FOLDER`."""

    def __init__(self, folder: Path, run: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def settings(self, values: Mapping[str, str]) -> None:
        lines = "\n".join(f"| {name} | {value} |" for name, value in values.items())
        self.writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{lines}")

    def figures(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def file(self, path: Path) -> None:
        """TensorBoard shows figures; the page stays in the run's folder."""

    def close(self, *, failed: bool) -> None:
        self.writer.close()


class Known(NamedTuple):
    """A tracker, and the packages that it imports."""

    kind: Callable[[Path, str], Sink]
    packages: tuple[str, ...]


SINKS: dict[str, Known] = {
    "mlflow": Known(MLflow, ("mlflow",)),
    "trackio": Known(Trackio, ("trackio",)),
    "tensorboard": Known(TensorBoard, ("tensorboard", "torch.utils.tensorboard")),
}
"Trackers, as `tandemrec run --track` takes them."
