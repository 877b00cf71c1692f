"""``gradcheck verify``: exit status, table, failures, files, and one sentence for each misuse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from support.json_schemas import closed, packaged

from gradcheck.records.run_record import Evaluations, SubjectReport
from gradcheck.reports.run_report import Report, report_from_json

Command = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]
Shell = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with a command line is found before anything runs."""
    monkeypatch.setattr("gradcheck.runs.run", lambda *_: pytest.fail("the campaign ran"))


def test_what_passes_exits_with_0(command: Command) -> None:
    status, out, err = command("verify", "layers.py:right")

    assert (status, err) == (0, "")
    assert "right [bold]" in out
    assert out.splitlines()[-1].startswith("1 subject: 1 passed · 1 case · ")


def test_a_wrong_gradient_exits_with_1_and_is_named(command: Command) -> None:
    status, out, _ = command("verify", "layers.py")

    assert status == 1
    assert "wrong, gradient with respect to `x`" in out
    assert re.search(r"analytic +\S+ +numeric +\S+ ± \S+", out)
    assert "2 subjects: 1 passed, 1 failed · 2 cases" in out


def test_as_a_user_runs_it(shell: Shell) -> None:
    done = shell("verify", "layers.py", "--json", "out.json", "--junit", "out.xml")

    assert (done.returncode, done.stderr) == (1, "")
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_misuse_as_a_user_meets_it(shell: Shell) -> None:
    done = shell("verify", "layrs.py")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gradcheck: expected a Python file, got 'layrs.py', which does not exist; did you mean 'layers.py'?\n"
    )


def test_output_that_cannot_be_encoded_is_escaped(shell: Shell) -> None:
    done = shell("verify", "layers.py", PYTHONIOENCODING="ascii")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert r"\xb1" in done.stdout


def test_the_json_file_holds_the_report(project: Path, command: Command) -> None:
    command("verify", "layers.py", "--seed", "5", "--json", "out.json")
    text = (project / "out.json").read_text(encoding="utf-8")
    schema = closed(packaged("schema.json"))
    report = report_from_json(text)

    jsonschema.validate(json.loads(text), schema, jsonschema.Draft202012Validator)
    assert report.seed == 5
    assert [subject.verdict for subject in report.subjects] == ["passed", "failed"]
    assert report.failures[0].primal == "x"


def test_the_junit_file_holds_the_report(project: Path, command: Command) -> None:
    command("verify", "layers.py", "--junit", "out.xml")
    suite = ElementTree.parse(project / "out.xml").getroot()

    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_the_options_reach_the_campaign(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def campaign(items: object, options: object, _progress: object) -> Report:
        seen.append((items, options))
        return Report(0, (SubjectReport("one"),))

    monkeypatch.setattr("gradcheck.runs.run", campaign)
    status, _, _ = command(
        *("verify", "layers.py:right", "--examples", "3", "--seed", "9", "--dtype", "float32", "--exhaustive")
    )
    [(items, options)] = seen

    assert status == 0
    assert [item.name for item in items] == ["right [bold]"]
    assert (options.examples, options.seed, options.dtype, options.settings.exhaustive) == (3, 9, "float32", True)


def test_a_target_given_twice_runs_once(command: Command) -> None:
    assert "1 subject:" in command("verify", "layers.py:right", "layers.py:right")[1]


def test_without_a_target_all_that_comes_with_it_is_verified(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def campaign(items: list[object], *_: object) -> Report:
        seen.extend(items)
        return Report(0, (SubjectReport("one"),))

    monkeypatch.setattr("gradcheck.runs.run", campaign)
    monkeypatch.setattr("gradcheck.targets.default_items", lambda: ["all of it"])
    command("verify")

    assert seen == ["all of it"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_keeps_numbers_whole(columns: int, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = (
        SubjectReport("max_pool2d", "m", "passed", 1234, 200.0, Evaluations(123456, 54321), 1.25e-7, 0.25),
        SubjectReport("five-layer network on handwritten digits", None, "inconclusive", 1, 0.5, masked=1e-6),
    )
    monkeypatch.setattr("gradcheck.runs.run", lambda *_: Report(0, subjects))
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = command("verify", "layers.py")
    heading, rule, *rows = out.split("\n\n")[0].splitlines()
    ends = [re.search(rf"{word}\b", heading).end() for word in ("forwards", "resolution", "time")]  # type: ignore[union-attr]

    assert len(rule) <= columns
    assert all(text in rows[0] for text in ("1,234", "123,456", "54,321", "1.2e-7", "25 %", "200 s"))
    assert [rows[0][:end].split()[-1] for end in ends] == ["123,456", "1.2e-7", "s"]
    # A name that needs more room than there is goes on below, between words.
    words = " ".join(row[: heading.index("verdict")].strip() for row in rows[1:]).split()
    assert words == ["five-layer", "network", "on", "handwritten", "digits"]


def test_notes_are_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = (
        SubjectReport("passed", notes=("at ties the first maximum takes all",)),
        SubjectReport("unclear", verdict="inconclusive", notes=("every unit is dead",)),
    )
    monkeypatch.setattr("gradcheck.runs.run", lambda *_: Report(0, subjects))
    status, out, _ = command("verify", "layers.py")

    assert status == 1
    assert "note       at ties the first maximum takes all" in out
    assert "note       every unit is dead" in out


def test_an_interrupt_ends_in_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Report:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradcheck.runs.run", interrupted)

    assert command("verify", "layers.py") == (130, "", "gradcheck: interrupted\n")


@pytest.mark.usefixtures("never_run")
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ("", "expected a command among verify, replay, self-test, kinds, time, study, got none"),
        ("verfy", "got 'verfy'; did you mean 'verify'?"),
        ("layers.py", "got 'layers.py'; did you mean 'gradcheck verify layers.py'?"),
        ("--versoin", "got '--versoin'; did you mean '--version'?"),
        ("verify --exmples 3", "got '--exmples'; did you mean '--examples'?"),
        ("verify --examples -1", "'--examples': expected a whole number from 0, got '-1'"),
        ("verify --examples many", "expected a whole number from 0, got 'many'"),
        ("verify --seed 0.5", "expected a whole number from 0, got '0.5'"),
        ("verify --dtype flot32", "expected one of float64, float32, got 'flot32'; did you mean 'float32'?"),
        ("verify --json", "'--json'"),
        ("verify layers.py --json missing/out.json", "expected a file that can be written, got 'missing/out.json'"),
        ("verify layers.py --junit .", "expected a file that can be written, got '.'"),
        ("verify layers.py --json out --junit out", "expected two files for --json and --junit, got 'out' for both"),
        ("verify layers.py:wrng", "expected a name that layers.py defines, got 'wrng'; did you mean 'wrong'?"),
        ("verify reference_layer", "got 'reference_layer', which does not exist; did you mean 'reference_layers'?"),
        ("kinds conv2d", "conv2d"),
    ],
)
def test_misuse_gets_one_sentence(words: str, fragment: str, refused: Refused) -> None:
    assert fragment in refused(*words.split())


def test_a_refused_command_leaves_no_file(project: Path, refused: Refused) -> None:
    refused("verify", "layrs.py", "--json", "out.json")

    assert [path.name for path in project.iterdir()] == ["layers.py"]


def test_an_existing_file_is_kept_until_the_report_is_there(project: Path, refused: Refused) -> None:
    (project / "out.json").write_text("before")
    refused("verify", "layrs.py", "--json", "out.json")

    assert (project / "out.json").read_text() == "before"


def test_version_and_help(command: Command) -> None:
    assert re.fullmatch(r"gradcheck \d+\.\d+\.\d+\n", command("--version")[1])
    assert command("verify", "--help")[0] == 0
    assert "[TARGET ...]" in command("verify", "--help")[1]


def test_a_run_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gradcheck", "verify", "reference_layers:ReLU", "--examples", "3"]
    before = set(tmp_path.iterdir())
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert set(tmp_path.iterdir()) == before
