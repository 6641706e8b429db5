"""The examples of docs/servers.md run, against a scripted server in the place of theirs."""

import re
import shlex
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

import tandemrec.llm
from scripted_server import serving
from tandemrec.cli import main
from tandemrec.llm import base, llm, probing
from tandemrec.llm.addresses import Address
from tandemrec.llm.costs import NAMES
from tandemrec.llm.server import ServerLLM

pytest.importorskip("httpx")
PAGE = (Path(__file__).parents[2] / "docs" / "servers.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONSOLE = "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
RUNS = [shlex.split(line) for line in CONSOLE.splitlines() if line.startswith("tandemrec run")]


@pytest.fixture
def server():
    probing.forget()
    with serving({"chat", "logprobs"}) as server:
        server.models = ["my-model"]
        yield server


def test_the_examples_run(server, capsys, monkeypatch):
    names: dict[str, object] = {}
    for code in CODE:
        exec(code.replace("http://localhost:8000/v1", server.url), names)
    first, told, _ = capsys.readouterr().out.splitlines()
    assert first == "top tokens (2,)" and f"`{first}`" in PAGE
    assert told == "my-model: top-20, constraint none"
    assert set(names["account"]) == {"top tokens", "requests", "tokens read", "tokens written"}
    module = ModuleType("my_package")
    module.make = names["make"]
    monkeypatch.setitem(sys.modules, "my_package", module)
    (name, value) = re.findall(r'^(\w+) = "(my_package:make)"', PAGE, re.MULTILINE)[0]
    point = EntryPoint(name, value, "tandemrec.llms")
    monkeypatch.setattr(tandemrec.llm, "entry_points", lambda group: [point])
    found = llm(f"{name}:my-model")
    assert isinstance(found, ServerLLM) and found.whole


def test_every_command_is_one_and_every_address_is_read(tmp_path):
    assert len(RUNS) == 9
    for words in RUNS:
        address = words[words.index("--llm") + 1]
        if address.startswith("http"):
            assert Address.parse(address).model
        assert not {word for word in words if word.startswith("--")} - {
            *("--data", "--llm", "--dry-run", "--out", "--backbone", "--preset")
        }


def test_a_dry_run_as_it_stands_there(server, tmp_path, monkeypatch, capsys):
    pairs = [(user, n) for user in range(12) for n in range(10)]
    rows = [f"u{user},i{(user + n) % 15},{(3 * user + n) % 5 + 1}" for user, n in pairs]
    (tmp_path / "my.csv").write_text("user_id,item_id,rating\n" + "\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    (words,) = [each for each in RUNS if "my.csv" in each]
    words = [word.replace("http://localhost:8000/v1", server.url) for word in words]
    assert main([*words[1:], "--set", "training.epochs=2"]) == 0
    assert "my-model: top-20" in capsys.readouterr().out


def test_the_page_names_every_setting_way_and_count():
    for name in set(Address.model_fields) - {"url", "model"}:
        assert f"`{name}`" in PAGE
    assert all(f"| `{way}` |" in PAGE for way in base.WAYS)
    told = PAGE.replace("\n", " ")
    assert all(f"`{name}`" in told for name in (*NAMES, "cost"))
    assert PAGE.count("*Not run here") == 4
