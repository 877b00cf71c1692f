"""``gradcheck study``: the curve of characters, the table, the file, exit status and misuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gradcheck.reports.study_report import StudyReport

Command = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]

pytestmark = pytest.mark.usefixtures("project")


def test_the_curve_is_a_v(command: Command) -> None:
    status, out, err = command("study", "reference_layers:Sigmoid", "--entries", "4")
    assert (status, err) == (0, "")
    rows = [line.partition("│")[2] for line in out.splitlines() if "│" in line]
    assert len(rows) == 17
    columns = [k for row in rows for k, mark in enumerate(row) if mark == "●"]
    assert len(columns) == len(set(columns)) == 49  # a column for each ε, all of them on the drawing
    lowest = max(k for k, row in enumerate(rows) if "●" in row)
    left, right = rows[0].rfind("●"), rows[lowest].find("●")
    assert 8 < right < 20 < left  # the best ε lies between 1e-3 and 1e-6, the worst is the smallest


def test_the_table_holds_what_was_measured_and_predicted(command: Command) -> None:
    _, out, _ = command("study", "layers.py:right")
    assert "12 of 12 entries, ε from 1 to 1e-16" in out
    row = r"^float64 one-sided +(\S+) \((\S+)\) +\S+ \(\S+\) +1\.00 \(1\) +-\S+ \(-1\)$"
    measured, predicted = re.search(row, out, re.MULTILINE).groups()
    assert 0.1 < float(measured) / float(predicted) < 10
    assert re.search(r"^float64 central +\S+ \(1\) +\S+ \(\S+\) +– \(–\) +-\S+ \(-1\)$", out, re.MULTILINE)
    assert "the outputs are quadratic in each entry: relative error " in out


def test_lines_fit_80_columns_but_for_sentences(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = command("study", "layers.py:right")
    assert max(len(line) for line in out.splitlines() if not line.endswith(".")) <= 80
    assert "…" not in out


def test_the_json_file_holds_the_report(project: Path, command: Command) -> None:
    words = ("layers.py:right", "reference_layers:ReLU", "--seed", "5", "--entries", "3", "--json", "out.json")
    assert command("study", *words)[0] == 0
    report = StudyReport.from_dict(json.loads((project / "out.json").read_text(encoding="utf-8")))
    assert report.seed == 5
    assert [(subject.name, subject.kind, subject.sampled) for subject in report.subjects] == [
        ("right [bold]", None, 3),
        ("relu", "relu", 3),
    ]


def test_a_wrong_gradient_is_told(command: Command) -> None:
    status, out, _ = command("study", "layers.py:wrong")
    assert status == 0
    assert "the gradient check says failed of the float64 pullback" in out


def test_what_cannot_be_studied_exits_with_1(project: Path, command: Command) -> None:
    text = "import gradcheck, numpy as np\nlayer = gradcheck.Subject('layer', {'x': np.ones(2)}, lambda p: 1 / 0)\n"
    (project / "broken.py").write_text(text, encoding="utf-8")
    status, out, _ = command("study", "broken.py")
    assert status == 1
    assert "no study was made: " in out
    assert "ZeroDivisionError" in out


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ("", "expected a target, such as reference_layers:Conv2d or layers.py, got none"),
        ("layers.py --entries 0", "expected a whole number from 1, got '0'"),
        ("layers.py --entires 3", "got '--entires'; did you mean '--entries'?"),
        ("layers.py:rihgt", "got 'rihgt'; did you mean 'right'?"),
        ("layers.py --json .", "expected a file that can be written, got '.'"),
    ],
)
def test_misuse_gets_one_sentence(words: str, fragment: str, refused: Refused) -> None:
    assert fragment in refused("study", *words.split())
