import os
import resource
import subprocess
import sys

import pytest

from tandemrec.cli import COMMANDS, WAITING

HEAVY = ("torch", "transformers", "polars", "numpy", "scipy", "pydantic", "matplotlib")


def cpu_seconds(*command: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_takes_under_0_3_s_of_cpu():
    command = (sys.executable, "-m", "tandemrec", "--help")
    assert min(cpu_seconds(*command) for _ in range(3)) < 0.3


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from tandemrec.cli import main; main(['--help'])\n"
        f"sys.exit(str([name for name in {HEAVY} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_help_names_every_command_with_its_line(call):
    code, out, _ = call("--help")
    assert code == 0
    for name, (_, text) in COMMANDS.items():
        assert any(line.split() == [name, *text.split()] for line in out.splitlines())


@pytest.mark.parametrize("said", [{}, {"GOMP_SPINCOUNT": "7"}])
def test_threads_that_wait_spin_for_a_moment_where_the_user_says_nothing(said):
    free = {name: value for name, value in os.environ.items() if name not in WAITING}
    names = list(WAITING)
    code = (
        "import os; from tandemrec.cli import main; main(['--help'])\n"
        f"import sys; sys.exit(str([os.environ[name] for name in {names}]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=free | said)
    assert done.stderr.strip() == str(list((WAITING | said).values()))


def test_no_command_shows_the_help(call):
    assert call()[:2] == call("--help")[:2]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_a_help_of_its_own(call, name):
    code, out, _ = call(name, "--help")
    assert code == 0
    assert f"tandemrec {name}" in out
