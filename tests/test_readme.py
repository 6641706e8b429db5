"""Every command and example of README and docs is what the package has."""

import json
import re
import shlex
from pathlib import Path

import pytest

import tandemrec as tr
from recipes.worlds import small
from tandemrec.cli import COMMANDS, main
from tandemrec.llm.fake import FakeLLM

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    pages = [page.read_text().replace("\\\n", " ") for page in PAGES]
    lines = [line.strip() for page in pages for line in page.splitlines()]
    found = [re.sub(r"(^|\s)#.*", "", line) for line in lines if line.startswith("tandemrec ")]
    return [part.strip() for line in found for part in line.split(";")]


@pytest.mark.parametrize("command", commands())
def test_commands_and_options_exist(command: str) -> None:
    import typer

    from tandemrec.cli.entry import _app

    words = shlex.split(command)
    assert words[1] in COMMANDS
    known = typer.main.get_command(_app(words[1]))
    chosen = known.commands[words[1]]  # type: ignore[attr-defined]
    parts = [chosen, *getattr(chosen, "commands", {}).values()]
    options = {name for part in parts for given in part.params for name in given.opts}
    assert {word for word in words if re.match(r"--?[a-z]", word)} <= options


def benchmarks() -> list[str]:
    pages = [*PAGES, ROOT / "benchmarks" / "README.md"]
    found = [re.findall(r"python (benchmarks/[^`#\n]+)", page.read_text()) for page in pages]
    return sorted({line.strip().rstrip(";),.") for lines in found for line in lines})


@pytest.mark.parametrize("command", benchmarks())
def test_benchmarks_and_their_options_exist(command: str) -> None:
    script, *words = shlex.split(command)
    source = (ROOT / script).read_text()
    options = {word for word in words if word.startswith("--")}
    assert options <= set(re.findall(r'"(--[a-z]+)"', source))


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tr, "load", lambda name: small().data, raising=False)
    monkeypatch.setattr(tr, "llm", lambda name: FakeLLM(), raising=False)
    names: dict[str, object] = {}
    exec(code, names)
    assert (tmp_path / "runs" / "python" / "index.html").exists()


def test_the_run_file_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0]
    monkeypatch.chdir(tmp_path)
    rows = small().data.interactions
    table = zip(rows.users, rows.items, rows.times, strict=True)
    log = "".join(f"u{user},i{item},{time}\n" for user, item, time in table)
    Path("my-log.csv").write_text(f"user,item,timestamp\n{log}")
    titles = "".join(f"i{item},Book {item}\n" for item in range(rows.n_items))
    Path("my-items.csv").write_text(f"item,title\n{titles}")
    Path("my-run.toml").write_text(text)
    assert main(["run", "my-run.toml", "--llm", "fake", "--set", "training.epochs=2"]) == 0
    spec = json.loads(Path("runs/books/run.json").read_text())["spec"]
    assert spec["noun"] == "book" and spec["settings"]["prompt"] == {"passages": 8}


def test_every_public_name_is_there() -> None:
    for name in tr.__all__:
        assert getattr(tr, name) is not None, name
    assert sorted(tr.__all__) == sorted(tr.PUBLIC)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_functions_named_beside_equations_exist() -> None:
    """docs/papers.md: each `module.name` in the last column can be imported."""
    from importlib import import_module

    text = (ROOT / "docs" / "papers.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|") and "`" in line]
    for row in rows:
        for path in re.findall(r"`([a-z_0-9]+(?:\.[A-Za-z_0-9]+)+)", row.split("|")[-2]):
            module = path.rsplit(".", 1)[0]
            try:
                found = import_module(f"tandemrec.{module}")
                assert hasattr(found, path.rsplit(".", 1)[1]), path
            except ModuleNotFoundError:
                module, name, method = path.rsplit(".", 2)
                assert hasattr(getattr(import_module(f"tandemrec.{module}"), name), method), path
