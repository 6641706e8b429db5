"""Markdown, LaTeX, CSV and JSON say the same."""

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tandemrec.report import Contents, formats, scoreboard
from tandemrec.report.page import all_tables
from tandemrec.report.tables import Cell, Table, words

HOSTILE = Table(
    "odd",
    "50 % of $x_1$",
    ("Name | pipe", "Value"),
    ((*words("a|b & c_d\n<script>"), Cell("0.1", 0.1, sd=0.01, best=True, mark="*")),),
    note="† ≤",
)


def test_markdown() -> None:
    assert formats.markdown([HOSTILE]).splitlines() == [
        r"### 50 % of $x\_1$",
        "",
        r"| Name \| pipe | Value |",
        "| --- | ---: |",
        r"| a\|b & c\_d \<script> | **0.1\* ± 0.0100** |",
        "",
        "† ≤",
    ]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(contents: Contents, tmp_path: Path) -> None:
    tables = formats.latex([*all_tables(contents), HOSTILE])
    packages = r"\documentclass{article}\usepackage{booktabs}"
    page = rf"{packages}\begin{{document}}{tables}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:]
    assert "Missing character" not in (tmp_path / "page.log").read_text(errors="replace")


def test_latex() -> None:
    text = formats.latex([HOSTILE])
    assert r"\caption{50 \% of \$x\_1\$. $^{\dagger}$ $\leq$}" in text
    assert r"a|b \& c\_d $<$script$>$ & \textbf{0.1}$^{*}$ $\pm$ 0.0100 \\" in text
    assert r"\begin{tabular}{lr}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


@pytest.mark.parametrize("run", ["contents", "rating"])
def test_latex_of_a_whole_run_has_only_signs_that_latex_knows(
    run: str, request: pytest.FixtureRequest
) -> None:
    every = all_tables(request.getfixturevalue(run))
    text = formats.latex(every)
    assert text.isascii()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == len(every)


def test_csv_and_json_hold_the_unrounded_numbers(contents: Contents) -> None:
    every = all_tables(contents)
    records = json.loads(formats.as_json(formats.tidy(every)))
    read = list(csv.DictReader(io.StringIO(formats.as_csv(every))))
    assert [r["column"] for r in read] == [r["column"] for r in records]
    wanted = scoreboard.result(contents, "Llama4Rec", "NDCG@5")
    assert wanted is not None
    [found] = [
        (float(r["value"]), float(r["sd"]))
        for r in read
        if (r["table"], r["row"], r["column"]) == ("main", "Llama4Rec", "NDCG@5")
    ]
    assert found == (wanted.mean, wanted.sd)


def test_polars_reads_the_csv(contents: Contents) -> None:
    text = formats.as_csv(all_tables(contents))
    frame = pl.read_csv(text.encode(), infer_schema_length=None)
    assert frame.columns == ["table", "row", "column", "value", "sd", "best", "mark"]
    assert set(frame["table"]) >= {"main", "ablations", "controls", "groups", "answers"}
