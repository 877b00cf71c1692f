"""``gradcheck kinds``: what there is to verify, and which conditions a run has met."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradcheck

SUITES = """\
import gradcheck
from gradcheck import Subject


def build(config, primals):
    return Subject("s", primals, lambda p: (p["x"] ** 2, lambda g: {"x": 2 * p["x"] * g}))


mine = gradcheck.suite("square", build)
alone = build(None, {"x": __import__("numpy").ones(3)})
"""

pytestmark = pytest.mark.usefixtures("kinds", "project")


@pytest.fixture
def report(project: Path, command: Callable[..., tuple[int, str, str]]) -> Callable[..., Path]:
    """Return what writes the report of a run to a file, its data or its text changed."""
    (project / "suites.py").write_text(SUITES, encoding="utf-8")
    command("verify", "suites.py", "--examples", "0", "--json", project / "run.json")

    def write(
        change: Callable[[dict[str, Any]], object] = lambda data: None, text: Callable[[str], str] = lambda text: text
    ) -> Path:
        file = project / "run.json"
        data = json.loads(file.read_text(encoding="utf-8"))
        change(data)
        file.write_text(text(json.dumps(data)), encoding="utf-8")
        return file

    return write


def row(out: str, name: str) -> list[str]:
    (found,) = (line for line in out.splitlines() if line.startswith(name))
    return found.split()


def test_kinds_are_listed(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = command("kinds")

    assert status == 0
    assert out.splitlines()[-1].split() == ["square", "Square", "2", "one", "entry"]


def test_conditions_of_a_run_are_counted(
    report: Callable[..., Path], command: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = command("kinds", report())

    assert (status, err) == (0, "")
    # Of the two corners, sizes 1 and 3, one has one entry; the subject without a kind has no conditions.
    assert row(out, "square") == ["square", "square", "(build)", "2", "one", "entry:", "1"]
    assert "alone" not in out
    assert out.splitlines()[-1] == "1 suite · 1 condition, 0 never met"
    assert "never" not in out.replace("0 never met", "")
    assert "not in this run" not in out


def test_a_condition_that_was_never_met_is_marked(
    report: Callable[..., Path], command: Callable[..., tuple[int, str, str]]
) -> None:
    file = report(lambda data: data["subjects"][0]["conditions"].update({"one entry": 0}))
    status, out, _ = command("kinds", file)

    assert status == 0
    assert row(out, "square")[-3:] == ["one", "entry:", "never"]
    assert out.splitlines()[-1] == "1 suite · 1 condition, 1 never met"


def test_a_run_without_the_kind_says_so(
    report: Callable[..., Path], command: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, _ = command("kinds", report(lambda data: data["subjects"].pop(0)))

    assert status == 0
    assert "not in this run: square" in out.splitlines()
    assert out.splitlines()[-1] == "0 suites · 0 conditions, 0 never met"


def test_the_counts_are_those_of_the_report(
    report: Callable[..., Path], command: Callable[..., tuple[int, str, str]]
) -> None:
    file = report(lambda data: data["subjects"][0].update(cases=1234, conditions={"one entry": 1100}))

    assert row(command("kinds", file)[1], "square")[-4:] == ["1,234", "one", "entry:", "1,100"]


@pytest.mark.parametrize(
    ("change", "text", "fragment"),
    [
        ({}, lambda text: "", "run.json: expected JSON, got something else at line 1, column 1"),
        ({}, lambda text: "passed", "run.json: expected JSON, got something else at line 1, column 1"),
        ({}, lambda text: text[: len(text) // 2], "run.json: expected JSON, got something else at line 1"),
        ({}, lambda text: "[]", "run.json: expected $ to be an object, got []"),
        ({}, lambda text: "[" * 100_000, "nested too deeply"),
        ({}, lambda text: '{"kind": "square"}', "run.json: expected $ to have the field 'schema', got kind"),
        ({"schema": 2}, str, "run.json: expected $.schema to be 1, the only schema that this version reads, got 2"),
        ({"subjects": {}}, str, "run.json: expected $.subjects to be an array, got {}"),
        (
            {"gradcheck": "0.0.1"},
            str,
            f"run.json: expected a report of gradcheck {gradcheck.__version__}, got one of 0.0.1; run",
        ),
    ],
)
def test_a_file_that_is_no_report_gets_one_sentence(
    change: dict[str, Any],
    text: Callable[[str], str],
    fragment: str,
    report: Callable[..., Path],
    refused: Callable[..., str],
) -> None:
    report(lambda data: data.update(change), text)

    assert fragment in refused("kinds", "run.json")


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"kind": "sqare"}, "run.json: expected a kind among square, got kind='sqare'; did you mean 'square'?"),
        ({"conditions": {}}, "to count the conditions of square, got others (one entry); run"),
        ({"conditions": {"one entry": 1, "two entries": 1}}, "got others (two entries)"),
    ],
)
def test_a_report_of_other_kinds_gets_one_sentence(
    change: dict[str, Any], fragment: str, report: Callable[..., Path], refused: Callable[..., str]
) -> None:
    report(lambda data: data["subjects"][0].update(change))

    assert fragment in refused("kinds", "run.json")


def test_files_that_cannot_be_read_get_one_sentence(project: Path, refused: Callable[..., str]) -> None:
    (project / "image.json").write_bytes(b"\xff\xfe\x00\xff")

    assert refused("kinds", "nowhere.json").endswith("got 'nowhere.json' (No such file or directory)")
    assert refused("kinds", "image.json").endswith("got 'image.json' (not a text file)")
    assert re.fullmatch(r"expected the JSON report of a run, got '.*' \(.*\)", refused("kinds", project))
