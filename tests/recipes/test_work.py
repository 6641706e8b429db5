"""A run that is planned, answered in shards and merged until it is done equals a plain run."""

from pathlib import Path
from typing import Any

import pytest

from recipes.worlds import write_log
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Shard, Unanswered, Work, answer, merge
from tandemrec.recipes.execute import execute
from tandemrec.recipes.spec import RunSpec
from tandemrec.recipes.work import planned

QUICK = {"training": {"epochs": 2, "batch_size": 64}}
KINDS: dict[str, dict[str, Any]] = {
    "ratings, seeds, shared": {"backbone": "deepfm", "seeds": 2, "shared": True},
    "dallrec": {"recipe": "dallrec", "backbone": "mf"},
}
"Direct recommendation goes through the command line, in tests/cli/test_run_plan.py."


def write_ratings(folder: Path) -> None:
    """The small log, with ratings from 1 to 5."""
    head, *rows = write_log(folder, 30).read_text().split()
    rated = [f"{row},{1 + n * 7 % 11 % 5}" for n, row in enumerate(rows)]
    (folder / "log.csv").write_text("\n".join([f"{head},rating", *rated]) + "\n")


def spec_of(tmp_path: Path, name: str, kind: dict[str, Any]) -> RunSpec:
    kind = kind | ({"shared": tmp_path / name / "common"} if kind.get("shared") else {})
    log = tmp_path / "log.csv"
    out = tmp_path / name / "run"
    return RunSpec(data=str(log), llm="fake", settings=QUICK, **{**kind, "out": out})


def sharded(spec: RunSpec, folder: Path, model: FakeLLM) -> list[Work]:
    """The works of all stages, each answered in three shards."""
    works: list[Work] = []
    while len(works) < 60:
        try:
            planned(spec, folder)
            return works
        except Unanswered as stop:
            works.append(stop.work)
        for number in (3, 1, 2):
            answer(works[-1], model, shard=Shard(number, 3))
        assert merge(works[-1]).new == works[-1].questions
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_sharded_run_equals_a_plain_one(kind: str, tmp_path: Path) -> None:
    write_ratings(tmp_path)
    plain, other = (spec_of(tmp_path, name, KINDS[kind]) for name in ("plain", "sharded"))
    execute(plain)
    model = FakeLLM()
    works = sharded(other, tmp_path / "work", model)
    assert len(works) > 1 and len({work.name for work in works}) == len(works)
    assert model.asked == sum(work.questions for work in works)
    for name in ("scores.json", "run.json"):
        texts = [(spec.out / name).read_text() for spec in (plain, other)]
        assert texts[0] == texts[1].replace("/sharded/", "/plain/")
