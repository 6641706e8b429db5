"""The examples of docs/large-tables.md run, and give what they say."""

import importlib.util
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "large-tables.md").read_text()
BLOCKS = re.findall(r"(<!-- (?:needs )?(\w+) -->\n)?```python\n(.*?)```", PAGE, re.DOTALL)


def run(wanted: set[str]) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "tests.of.docs"}
    for _, needed, code in BLOCKS:
        if not needed or needed in wanted:
            exec(code, names)
    return names


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TANDEMREC_CACHE", str(tmp_path / "cache"))


@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_the_examples_run_and_two_processes_learn_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = run(set())
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["memmap", "(100, 3)"] and 0 < float(printed[2]) < 1
    (script,) = (code for _, needed, code in BLOCKS if needed == "torchrun")
    Path("learn.py").write_text(script)
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*started, "learn.py"], check=True, timeout=200)
    alone = [point.loss for point in names["model"].curve]  # type: ignore[attr-defined]
    assert [loss for _, loss, _ in json.loads(Path("curve.json").read_text())] == pytest.approx(
        alone, abs=1e-5
    )


@pytest.mark.skipif(not importlib.util.find_spec("faiss"), reason="faiss is not installed")
@pytest.mark.filterwarnings("ignore::tandemrec.errors.DataWarning")
def test_the_example_with_faiss_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run({"faiss"})
    assert float(capsys.readouterr().out.splitlines()[2]) > 0.99


MEASURED = json.loads((ROOT / "benchmarks" / "results" / "scaling.json").read_text())
STEPS = {
    step: rows for step, rows in MEASURED.items() if isinstance(rows, list) and step != "sizes"
}


@pytest.mark.parametrize("step", STEPS)
def test_what_was_measured_is_linear_and_within_20_gb(step: str) -> None:
    """benchmarks/scaling.py wrote it: each size beside the one before, per interaction."""
    sizes, rows = MEASURED["sizes"], STEPS[step]
    assert sizes == [10**6, 10**7, 10**8] and len(rows) == 3
    for key in ("seconds", "GB beyond imports"):
        per = [row[key] / size for row, size in zip(rows, sizes, strict=True)]
        assert all(after <= 1.3 * before for before, after in pairwise(per)), key
    assert max(row["GB"] for row in rows) < 20


@pytest.mark.parametrize("step", STEPS)
def test_the_page_tells_what_was_measured(step: str) -> None:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {step} |"))
    for row in STEPS[step]:
        assert f"{row['seconds']:.2f} s ({row['clock']:.2f}), {row['GB']:.2f} GB" in line
