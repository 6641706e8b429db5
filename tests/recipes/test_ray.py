"""Seeds and backbones in parallel on a Ray cluster give what they give one after the other."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install ray")

import ray

from recipes.worlds import write_log
from tandemrec.cli import main
from tandemrec.errors import ConfigError, DataError
from tandemrec.recipes.execute import execute
from tandemrec.recipes.ray import parallel
from tandemrec.recipes.spec import RunSpec
from tandemrec.runs import NOTE

pytestmark = pytest.mark.ray
QUICK = {"training": {"epochs": 2, "batch_size": 64}}


def spec_of(tmp_path: Path, name: str, **more: Any) -> RunSpec:
    log = tmp_path / "log.csv"
    out = {"out": tmp_path / name / "run", "shared": tmp_path / name / "common"}
    given = {"data": str(log), "llm": "fake", "backbone": "mf", "settings": QUICK}
    return RunSpec(**{**given, **out, **more})


@pytest.mark.timeout(400)
def test_seeds_and_backbones_in_parallel(tmp_path: Path, monkeypatch: Any) -> None:
    write_log(tmp_path, 25)
    monkeypatch.chdir(tmp_path)  # what is relative here is not where a worker's process is
    plain, spec = (spec_of(tmp_path, name, seeds=2) for name in ("plain", "ray"))
    other = spec_of(tmp_path, "other", backbone="lightgcn", out=Path("other"), shared=None)
    ticks = []
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        parallel([spec, other], progress=lambda *tick: ticks.append(tick))
        assert ray.is_initialized()  # a connection of one's own is left as it is
    finally:
        ray.shutdown()
    assert ticks[-1] == ("ray", 3, 3)
    made = {note: note.stat().st_mtime_ns for note in tmp_path.glob(f"**/{NOTE}")}
    folders = {note.relative_to(tmp_path).parts[:3] for note in made}
    assert {("ray", "run", "seed-0"), ("ray", "run", "seed-1")} <= folders
    finished = execute(spec)
    execute(plain)
    one, two = (each.out / "scores.json" for each in (plain, spec))
    assert one.read_bytes() == two.read_bytes()
    assert finished.setup.run.made == []  # all was there
    assert all(note.stat().st_mtime_ns == before for note, before in made.items())
    assert (tmp_path / "other" / "seed-0" / "base" / NOTE).exists()


def test_what_cannot_go_in_parallel_is_told(tmp_path: Path) -> None:
    write_log(tmp_path, 25)
    with pytest.raises(ConfigError, match=r"2 seeds in parallel .*--shared"):
        parallel([spec_of(tmp_path, "a", seeds=2, shared=None)])
    with pytest.raises(ConfigError, match="Two runs have the folder"):
        parallel([spec_of(tmp_path, "a"), spec_of(tmp_path, "a")])


def test_a_store_is_for_one_machine(tmp_path: Path, monkeypatch: Any) -> None:
    write_log(tmp_path, 25)
    nodes = [{"Alive": alive, "NodeManagerHostname": name} for alive, name in
             ((True, "a"), (False, "b"), (True, "c"))]  # fmt: skip
    cluster = SimpleNamespace(is_initialized=lambda: True, nodes=lambda: nodes)
    monkeypatch.setitem(sys.modules, "ray", cluster)
    with pytest.raises(ConfigError, match="shared by runs on 2 machines"):
        parallel([spec_of(tmp_path, "a")])


@pytest.mark.timeout(400)
def test_the_pages_examples(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Those of docs/shards.md, with fewer runs."""
    page = (Path(__file__).parents[2] / "docs" / "shards.md").read_text()
    (example,) = re.findall(r"```python\n([^`]*parallel\(runs\).*?)```", page, re.DOTALL)
    write_log(tmp_path, 25).rename(tmp_path / "my-log.csv")
    (tmp_path / "my-run.toml").write_text(
        'data = "my-log.csv"\nllm = "fake"\nbackbone = "mf"\n'
        "[settings.training]\nepochs = 2\nbatch_size = 64\n"
    )
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    (command,) = re.findall(r"^tandemrec (run .* --ray local)$", page, re.MULTILINE)
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        exec(example.replace('("mf", "lightgcn")', '("mf",)'), found)
        assert main([*command.replace("--seeds 5", "--seeds 2").split(), "--json"]) == 0
    finally:
        ray.shutdown()
    assert len(found["tables"]) == 2 and len(list(tmp_path.glob("runs/*/index.html"))) == 3
    rows = json.loads(capsys.readouterr().out)
    assert {row["seed"] for row in rows if row["method"] == "Llama4Rec"} == {0, 1}


@pytest.mark.timeout(300)
def test_what_a_run_raises_comes_back(tmp_path: Path) -> None:
    write_log(tmp_path, 25)
    broken = spec_of(tmp_path, "a", data=str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match=r"none\.csv"):
        parallel([broken])
    assert not ray.is_initialized()
