"""How many of a language model's attributes are right, and what they do (Llama4Rec, figure 8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter

from tandemrec.config import Settings
from tandemrec.data.attributes import MODEL, TABLE
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.evaluation.attributes import truth_table
from tandemrec.llm import llm
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.progress import Progress
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.rating_results import READING
from tandemrec.recipes.spec import RunSpec, merged
from tandemrec.recipes.weights import check_model
from tandemrec.report.attributes import accuracy, accuracy_figure, provenance
from tandemrec.report.contents import BASE, FULL, RATING_PRIMARY, Accuracy
from tandemrec.report.figures import Figure
from tandemrec.report.tables import Table
from tandemrec.reproduce.found import Cell, Found, Made, loaded
from tandemrec.reproduce.judging import by_judge, by_truth
from tandemrec.reproduce.variants import Compared
from tandemrec.writing import explained, whole

FILE = "accuracy.json"
NONE = "none"
WITHOUT = "w/o DA"
"The row of Llama4Rec whose backbone reads no attributes: what these give stands against it."
Files = Mapping[str, Path]
"A file for each kind of items (movie, book), or for all, under the empty name."


class Measured(Settings):
    """What a run's attributes were held against, and what came of it."""

    truth: str | None = None
    """The content of the table of what is true, by hash."""
    table: str | None = None
    """The content of the table that attributes came from."""
    judge: str | None = None
    rows: list[Accuracy]


MEASURED = TypeAdapter(Measured | list[Accuracy])  # older ones do not say against what


@dataclass(frozen=True)
class Attributed(Compared):
    """The rating recipe without attributes, with the language model's, and with those of a table;
    and how many of them are right."""

    truth: Files = field(default_factory=dict)
    table: Files = field(default_factory=dict)
    judge: str | None = None
    nouns: Mapping[str, str] = field(default_factory=dict)
    "What items are called, by data set."

    beside: ClassVar[str | None] = FILE
    asks_besides: ClassVar[str] = "a judge's answers"
    metrics: ClassVar[tuple[str, ...]] = ("RMSE", "MAE")
    methods: ClassVar[tuple[str, ...]] = (BASE, READING, WITHOUT, FULL)
    rivals: ClassVar[tuple[str, ...]] = (WITHOUT,)
    primary: ClassVar[str] = RATING_PRIMARY

    @property
    def variants(self) -> tuple[str, ...]:
        return NONE, MODEL, TABLE

    def possible(self, cell: Cell) -> bool:
        return cell.variant != TABLE or _of(self.table, self.nouns[cell.data]) is not None

    def varied(self, cell: Cell, spec: RunSpec) -> RunSpec:
        changes: dict[str, Any] = {"source": cell.variant}
        if cell.variant == TABLE:
            changes["table"] = str(self._needed(cell))
        kept = merged({"augment": "always"}, spec.settings)  # else validation may leave them out
        return spec.model_copy(update={"settings": merged(kept, {"attributes": changes})})

    def check(self, progress: Progress) -> None:
        for name, files in (("truth", self.truth), ("table", self.table)):
            for noun, file in files.items():
                if noun and noun not in self.nouns.values():
                    raise UnknownName("kind of items", noun, sorted(set(self.nouns.values())))
                if not file.is_file():
                    raise ConfigError(f"There is no file {str(file)!r}; --{name} takes a table.")
        for file in self.truth.values():
            truth_table(str(file))
        if self.judge is not None:
            check_model(llm(self.judge, progress=progress), None)

    def finish(self, run: Finished, folder: Path, progress: Progress) -> None:
        rows = [*self._by_truth(run), *self._by_judge(run, folder, progress)]
        truth, table = _of(self.truth, run.setup.split.data.noun), run.setup.config.attributes.table
        known = {"truth": truth and _hash(truth), "table": table and _hash(Path(table))}
        found = Measured(**known, judge=self.judge, rows=rows)
        with explained(folder / FILE), whole(folder / FILE) as fresh:
            fresh.write_text(found.model_dump_json(indent=2), encoding="utf-8")

    def _by_truth(self, run: Finished) -> list[Accuracy]:
        known, data = run.seeds[0].attributes, run.setup.split.data
        file = _of(self.truth, data.noun)
        if file is None or not known.kinds:
            return []
        return by_truth(known, data, file, _sources(run))

    def _by_judge(self, run: Finished, folder: Path, progress: Progress) -> list[Accuracy]:
        if self.judge is None:
            return []
        judge = Remembering(
            llm(self.judge, progress=progress),
            AnswerStore(folder / "judge.sqlite"),
            progress=run.setup.run.telling(progress),
        )
        known, data = run.seeds[0].attributes, run.setup.split.data
        return by_judge(known, data, judge, _sources(run))

    def read(self, folder: Path) -> Measured:
        found = loaded(folder / FILE, MEASURED)
        return found if isinstance(found, Measured) else Measured(rows=found)

    def tables(self, found: Found) -> list[Table]:
        """How many are right, where they came from, and what each source does to the errors."""
        rows, made = self._judged(found), found.items()
        right = [
            accuracy(each, f"{self.key}_right_{_plain(data)}", data) for data, each in rows.items()
        ]
        origin = [
            _origin(f"{self.key}_origin_{_plain(cell.name)}", cell, each.contents)
            for cell, each in made
            if each.contents.attributes
        ]
        return [*right, *origin, *super().tables(found)]

    def figures(self, found: Found) -> list[Figure]:
        drawn = (
            accuracy_figure(rows, f"{self.key}-{data}", data)
            for data, rows in self._judged(found).items()
        )
        return [*filter(None, drawn), *super().figures(found)]

    def further(self, found: Found) -> Iterator[str]:
        if not self._judged(found):
            yield (
                "Nothing was held against the attributes: give a table of what is true (--truth "
                "FILE), a second language model that judges (--judge NAME), or both."
            )
        known = [made.beside for made in found.values() if self._is_held(made)]
        if any(each.truth and each.truth == each.table for each in known):
            yield "The table is the file of what is true: what it gives is right by construction."
        for cell, made in found.items():
            if not self._is_held(made):
                yield (
                    f"How many attributes of {cell.name} are right was measured against another "
                    f"truth or judge, and is left out; --only {cell.name} measures it anew."
                )
        yield (
            "The paper asks for the directors of 50 movies of ML-100K and of ML-1M and the genres "
            "of 50 books; another language model (DeepSeek-V3) judges, people where it disagrees. "
            "It prints no figures: above 80 % are right everywhere, 90 % on ML-1M."
        )

    def _judged(self, found: Found) -> dict[str, list[Accuracy]]:
        rows: dict[str, list[Accuracy]] = {}
        for cell, made in found.items():
            if self._is_held(made) and made.beside.rows:
                rows.setdefault(cell.data, []).extend(made.beside.rows)
        return rows

    def _is_held(self, made: Made) -> bool:
        """Whether what a run's attributes were held against is what is given now."""
        if not made.beside.rows:
            return True
        truths = {None, *map(_hash, self.truth.values())}
        return made.beside.truth in truths and made.beside.judge == self.judge

    def _needed(self, cell: Cell) -> Path:
        file = _of(self.table, self.nouns[cell.data])
        if file is None:
            raise ConfigError(
                f"{cell.name} looks attributes up in a table. Give one with --table FILE, or leave "
                f"it out: --only '*/{NONE}' --only '*/{MODEL}'."
            )
        return file.absolute()


def _sources(run: Finished) -> tuple[str, ...]:
    """Where the run's attributes may come from."""
    source = run.setup.config.attributes.source
    return {NONE: (), "both": (MODEL, TABLE)}.get(source, (source,))


def _of(files: Files, noun: str) -> Path | None:
    return files.get(noun, files.get(""))


def _origin(name: str, cell: Cell, contents: Any) -> Table:
    table = provenance(contents)
    return Table(
        name, f"{cell.name}: {table.caption}", table.columns, table.rows, labels=table.labels
    )


def _hash(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def _plain(name: str) -> str:
    return name.replace("-", "_").replace("/", "_")


def files_of(given: Sequence[str], option: str) -> dict[str, Path]:
    """Files by the kind of items: FILE for all of them, or movie=FILE. Raises ConfigError."""
    found: dict[str, Path] = {}
    for text in given:
        noun, equals, path = text.partition("=")
        noun, path = (noun, path) if equals else ("", text)
        if noun in found or not path:
            raise ConfigError(
                f"--{option} takes one FILE, or one for each kind of items, such as movie=FILE. "
                f"Received: {', '.join(given)}."
            )
        found[noun] = Path(path).expanduser()
    return found
