"""``gradcheck verify`` in workers, with limits, with a file to go on from; what is interrupted; misuse."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.run_report import Report, report_from_json

Command = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]

pytestmark = pytest.mark.usefixtures("project")

HANGING = """\
import time
import gradcheck
from reference_layers import ReLU


class Hanging(ReLU):
    def forward(self, params, x):
        if x.shape == (4, 3, 2, 5):
            time.sleep(600)
        return super().forward(params, x)


hanging = gradcheck.suite("relu", lambda *_: Hanging())
"""


def test_a_hang_costs_its_case(command: Command, project: Path) -> None:
    (project / "hanging.py").write_text(HANGING, encoding="utf-8")
    status, out, _ = command(
        "verify", "hanging.py", "--examples", "2", "--timeout", "2", "--resume", "run.jsonl", "--json", "out.json"
    )
    report = report_from_json((project / "out.json").read_text(encoding="utf-8"))
    (subject,) = report.subjects
    (failure,) = subject.failures
    assert status == 1
    assert (subject.verdict, subject.cases, failure.check) == ("error", 37, "timeout")
    assert failure.explanation == "the case did not end within 2 s (hanging.py, line 9)"
    assert "note       1 of 37 cases failed" in out
    assert len((project / "run.jsonl").read_text(encoding="utf-8").splitlines()) == 38


def test_the_options_make_the_executor(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def campaign(items, options, progress, **aside):
        seen.update(aside)
        return Report(options.seed, (SubjectReport("x"),))

    monkeypatch.setattr("gradcheck.runs.run", campaign)
    words = {
        "--isolate": (1, None, None),
        "--workers 3": (3, None, None),
        "--timeout 2.5": (1, 2.5, None),
        "--timeout 2 --workers 2": (2, 2.0, None),
    }
    if sys.platform == "linux":
        words["--memory 300"] = (1, None, 300)
    for text, expected in words.items():
        assert command("verify", "layers.py:right", *text.split())[0] == 0
        executor = seen.pop("executor")
        assert (executor._size, executor._quota.seconds, executor._quota.memory) == expected
        (source,) = seen.pop("sources")
        assert (source.target, source.index) == ("layers.py:right", 0)
        assert seen == {}


def test_a_run_goes_on_from_its_file(command: Command, project: Path) -> None:
    status, _, err = command("verify", "layers.py", "--resume", "run.jsonl")
    assert (status, err) == (1, "")
    text = (project / "run.jsonl").read_text(encoding="utf-8")
    (project / "run.jsonl").write_text(text[:-10], encoding="utf-8")
    status, out, err = command("verify", "layers.py", "--resume", "run.jsonl")
    assert status == 1
    assert "2 subjects: 1 passed, 1 failed · 2 cases" in out
    assert err == (
        "gradcheck: run.jsonl: the last line was half written, and is dropped\ngradcheck: run.jsonl: 1 case on record\n"
    )
    assert len((project / "run.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_an_interrupted_run_leaves_its_report(command: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradcheck.runs.task.subject_result", interrupted)
    status, out, err = command("verify", "layers.py", "--json", "out.json", "--junit", "out.xml")
    assert (status, err) == (130, "gradcheck: interrupted; the report tells what was known by then\n")
    assert "2 subjects: 2 inconclusive" in out
    report = report_from_json((project / "out.json").read_text(encoding="utf-8"))
    assert [subject.verdict for subject in report.subjects] == ["inconclusive", "inconclusive"]
    assert report.subjects[1].notes == ("not run: the run was interrupted before",)
    assert (project / "out.xml").read_text(encoding="utf-8").count("<testcase") == 2


MISUSE = {
    "--workers 0": "expected a whole number from 1, got '0'",
    "--timeout 0": "expected a number above 0, got '0'",
    "--timeout soon": "expected a number above 0, got 'soon'",
    "--memory -3": "expected a whole number from 0, got '-3'",
    "--executor dusk": "expected one of dask, got 'dusk'; did you mean 'dask'?",
    "--executor dask": "expected --executor and --scheduler together, got --executor without --scheduler",
    "--scheduler tcp://localhost:1": "expected --executor and --scheduler together, got --scheduler without --executor",
    "--executor dask --scheduler x --timeout 3": "expected --executor dask without --isolate, --workers, --timeout and",
    "--resume layers.py": "layers.py: expected the file of a run with --resume: line 1: expected JSON",
    "--resume nowhere/run.jsonl": "expected a file that can be written, got 'nowhere/run.jsonl'",
}


@pytest.mark.parametrize("words", MISUSE)
def test_each_misuse_has_its_sentence(refused: Refused, project: Path, words: str) -> None:
    before = (project / "layers.py").read_bytes()
    assert MISUSE[words] in refused("verify", "layers.py", *words.split())
    assert (project / "layers.py").read_bytes() == before


def test_a_file_of_another_run_is_refused(command: Command, refused: Refused) -> None:
    command("verify", "layers.py", "--resume", "run.jsonl")
    assert refused("verify", "layers.py", "--seed", "1", "--resume", "run.jsonl") == (
        "run.jsonl: expected the file of a run with seed=1, got one with seed=0; name another file to begin anew"
    )


def test_a_case_is_replayed_apart(command: Command) -> None:
    case = json.dumps({"kind": "relu", "config": {"shape": [2, 3]}, "regime": "normal", "seed": 5})
    status, out, err = command("replay", case, "--isolate")
    assert (status, err) == (0, "")
    assert ": passed · 1 case" in out


def test_reports_name_no_folders(command: Command, project: Path) -> None:
    status, out, _ = command("verify", str(project / "layers.py"), "--json", "out.json")
    assert status == 1
    assert str(project) not in out + (project / "out.json").read_text(encoding="utf-8")
