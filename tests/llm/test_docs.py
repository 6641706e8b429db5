"""The examples of docs/add-an-llm.md run, and print what they say."""

import re
from pathlib import Path

import pytest

from tandemrec.llm.local import LocalLLM
from tiny_llm import tiny_folder

PAGE = (Path(__file__).parents[2] / "docs" / "add-an-llm.md").read_text()
BLOCKS = re.findall(r"(<!-- needs (\w+) -->\n)?```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = ("(2,) [1 1]\n", "1 0\n0 1\n", "[ -5. -18.]\n", "(3, 64) True\n")


def test_the_examples_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) == 5
    names: dict[str, object] = {"__name__": "tests.of.docs"}
    for _, needed, code in BLOCKS:
        if needed == "weights":
            names["model"] = LocalLLM(tiny_folder(tmp_path / "tiny"))
            capsys.readouterr()
        exec(code, names)
        if needed != "weights":
            printed = capsys.readouterr().out
            assert printed in PRINTED
    assert names["better"].name == "my model, tuned"


@pytest.mark.parametrize(
    "name",
    ["smollm2-135m", "minilm-l6", "tandemrec.llms", "tandemrec.embedders", "TANDEMREC_CACHE"],
)
def test_the_page_names_what_there_is(name):
    assert name in PAGE
