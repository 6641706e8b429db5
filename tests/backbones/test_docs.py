"""The examples of docs/add-a-backbone.md run, and give what they say."""

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-backbone.md").read_text()
BLOCKS = re.findall(r"(<!-- needs (\w+) -->\n)?```python\n(.*?)```", PAGE, re.DOTALL)


def run(wanted: set[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    names: dict[str, object] = {"__name__": "tests.of.docs"}
    for _, needed, code in BLOCKS:
        if not needed or needed in wanted:
            exec(code, names)
    return capsys.readouterr().out.splitlines()


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS) == 8
    printed = run(set(), capsys)
    assert [re.findall(r"\d+", line)[0] for line in printed[:2]] == ["0", "1"]
    assert printed[-4] == "1.0"
    assert float(printed[-3]) > 0.8
    assert float(printed[-2]) < 0.8  # a constant is off by 1.4
    assert printed[-1] == "{'title': 20, 'cover': 3}"


@pytest.mark.skipif(not importlib.util.find_spec("implicit"), reason="implicit is not installed")
def test_the_example_with_implicit_runs(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run({"implicit"}, capsys)
    assert [re.findall(r"\d+", line)[0] for line in printed[2:4]] == ["0", "1"]
