"""Work on a Ray cluster whose machines are lost; on "machines" that are processes of this one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install ray")

from tandemrec.cli import main
from tandemrec.errors import LLMError
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Question, Work, answer, merge, write
from tandemrec.llm.work.on_ray import answer_on_ray

pytestmark = pytest.mark.ray
OPTIONS = ("Yes", "No")

SCRIPT = """
import json, os, sys, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
from tandemrec.llm.fake import FakeLLM
from tandemrec.llm.work import Work
from tandemrec.llm.work.on_ray import answer_on_ray

log = sys.argv[2]

class Slow(FakeLLM):
    def choose(self, prompts, options):
        with open(log, "a") as lines:
            where = ray.get_runtime_context().get_node_id()
            lines.write("".join(f"{where} {prompt.user}\\n" for prompt in prompts))
        time.sleep(0.1)
        return super().choose(prompts, options)

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
other = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False)
killed = []

def tick(stage, done, total, note=""):
    if done >= 12 and not killed:
        killed.append(done)
        cluster.remove_node(other, allow_graceful=False)

found = answer_on_ray(Work.load(sys.argv[1]), Slow, progress=tick)
with open(sys.argv[3], "w") as told:
    json.dump({"found": found, "killed": killed, "lost": other.node_id}, told)
ray.shutdown()
cluster.shutdown()
"""


def questions(n: int) -> list[Question]:
    return [Question(Prompt("", f"user-{k:03d}"), OPTIONS) for k in range(n)]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return write(tmp_path / "work", questions(300), FakeLLM(), block=5)


@pytest.mark.timeout(400)
def test_a_lost_machine_changes_nothing(work: Work, tmp_path: Path) -> None:
    answer(work, FakeLLM(), tmp_path / "whole")
    log = tmp_path / "log"
    command = [sys.executable, "-c", SCRIPT, str(work.folder), str(log)]
    command.append(str(tmp_path / "told.json"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=390)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["found"] == [60, 300, 0] and told["killed"]
    assert merge(work).sha256 == merge(work, [tmp_path / "whole"]).sha256
    lines = [line.split() for line in log.read_text().splitlines()]
    places = {where for where, _ in lines}
    assert len(places) == 2 and told["lost"] in places  # both had worked
    asked = [user for _, user in lines]
    assert set(asked) == {question.prompt.user for question in questions(300)}
    assert len(asked) <= 300 + 4 * 5  # what was in flight: two blocks for each of two tasks


@pytest.mark.timeout(300)
def test_a_local_cluster_from_the_command_line(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(work, FakeLLM(), work.answers)
    for block in work.blocks[::2]:
        (work.answers / f"{block.name}.jsonl").unlink()
    assert main(["llm-work", str(work.folder), "--ray", "local", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"blocks": 30, "questions": 150, "found": 30}
    assert merge(work).answers == 300
    assert main(["llm-work", str(work.folder), "--ray", "local", "--gpus", "99"]) == 2  # all there
    assert "a task wants {'CPU': 1.0, 'GPU': 99.0}" in capsys.readouterr().err
    (work.answers / f"{work.blocks[0].name}.jsonl").unlink()
    assert main(["llm-work", str(work.folder), "--ray", "local", "--llm", "fake:2"]) == 2
    assert "asks 'fake'" in capsys.readouterr().err


def test_a_cluster_that_is_not_there(work: Work) -> None:
    with pytest.raises(LLMError, match=r"cluster 'auto' cannot be reached.*ray start --head"):
        answer_on_ray(work, FakeLLM, address="auto")
