"""A run on a server that cannot score: how each answer came about reaches the report."""

from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from recipes.worlds import write_log
from scripted_server import serving
from tandemrec.llm import probing
from tandemrec.llm.answers import AnswerStore
from tandemrec.llm.base import REJECTED, SAMPLED, TOP, WAYS
from tandemrec.recipes.execute import execute
from tandemrec.recipes.finished import Finished
from tandemrec.recipes.spec import RunSpec
from tandemrec.report.contents import Contents

pytest.importorskip("httpx")
QUICK = {"training": {"epochs": 2, "batch_size": 64}}
KINDS: dict[str, dict[str, Any]] = {
    "llama4rec": {"recipe": "llama4rec", "backbone": "mf", "preset": "paper"},
    "ratings": {"recipe": "llama4rec", "backbone": "deepfm", "preset": "paper"},
    "dallrec": {"recipe": "dallrec", "backbone": "mf"},
}


def says(text: str) -> str:
    """Every fifth answer is of no use."""
    if crc32(text.encode()) % 5 == 0:
        return "who knows"
    return "Yes" if "user liked" in text else "3" if "rat" in text else "B"


def done(tmp_path: Path, url: str, kind: str) -> Finished:
    head, *rows = write_log(tmp_path, 24).read_text().split()
    rated = [f"{row},{1 + n * 7 % 11 % 5}" for n, row in enumerate(rows)]
    (tmp_path / "log.csv").write_text("\n".join([f"{head},rating", *rated]) + "\n")
    llm = f"{url}?backoff=0.01&timeout=5&price_in=1000&price_out=1000#tiny"
    files = {"data": str(tmp_path / "log.csv"), "out": tmp_path / "run"}
    return execute(RunSpec(llm=llm, settings=QUICK, **files, **KINDS[kind]))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("can", [{"chat"}, {"chat", "logprobs"}], ids=["writes", "top tokens"])
def test_the_report_tells_how_answers_came_about(kind: str, can: set[str], tmp_path: Path) -> None:
    probing.forget()
    with serving(can, says=says) as server:
        found = done(tmp_path, server.url, kind).contents
        asked = len(server.bodies)
        again = done(tmp_path, server.url, kind).contents
        assert len(server.bodies) == asked  # the second run is loaded
    told = found.account
    assert found == again == Contents.load(tmp_path / "run")
    assert told == AnswerStore(tmp_path / "run" / "answers.sqlite").account
    best = TOP if "logprobs" in can and kind != "dallrec" else SAMPLED
    assert told[best] > 0 and told[REJECTED] > 0 and any(each.rejected for each in found.answers)
    page = (tmp_path / "run" / "index.html").read_text()
    for way in told.keys() & set(WAYS):
        assert f"{way} {told[way]:,.0f}" in page
    assert f"{told['requests']:,.0f} requests" in page and f"cost {told['cost']:.4g}" in page
