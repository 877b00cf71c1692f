"""What a stranger wrote is data: it is read, or refused in one sentence, and never run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.cli import run
from gradcheck.records.codec import to_plain
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.json import case_from_dict
from gradcheck.reports.run_report import report_from_json
from gradcheck.runs.result import Result, result_from_json

CASE: dict[str, Any] = {"kind": "relu", "config": {"shape": [2, 3]}, "regime": "normal", "seed": 5}
OUTCOME = to_plain(Result(report=SubjectReport("x", "relu")))


def case(text: str) -> object:
    return case_from_dict(parse_json(text))


def result_with(**fields: object) -> str:
    return json.dumps({**OUTCOME, "report": {**OUTCOME["report"], **fields}})


FOUND: dict[str, tuple[Callable[[str], object], str, str]] = {
    "a number that no float holds": (result_from_json, result_with(resolution=10**400), "got one of 401 digits"),
    "a time that no float holds": (result_from_json, result_with(seconds=10**400), "got one of 401 digits"),
    "more digits than Python reads": (case, "1" * 5000, "got one of 5,000 digits"),
    "a time without end": (
        result_from_json,
        result_with(seconds=1).replace('"seconds": 1', '"seconds": 1e999'),
        "expected $.report.seconds to be a number from 0, got Infinity",
    ),
    **{
        f"{depth} {name}": (case, json.dumps(CASE).replace("[2, 3]", begin * depth + end * depth), "nested too deeply")
        for depth in (60, 500, 950, 50_000)
        for name, begin, end in (("arrays", "[", "]"), ("objects", '{"a":', "}"))
        if name == "arrays"
    },
    "an object in an object, often": (report_from_json, '{"a":' * 900 + "1" + "}" * 900, "nested too deeply"),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_refused_in_a_sentence(what: str) -> None:
    read, text, sentence = FOUND[what]
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        read(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "--json", "a\0b"],
        ["verify", "--resume", "a\0b", "reference_layers:ReLU"],
        ["verify", "a\0.py"],
        ["verify", "a" * 300],
        ["verify", "a" * 5000 + ".py"],
        ["verify", "--skip-empty", "a" * 300 + ".py"],
        ["replay", "a\0b"],
        ["replay", json.dumps({**CASE, "config": {"shape": [10**9, 10**9]}})],
        ["replay", json.dumps({**CASE, "kind": "../../etc/passwd"})],
        ["replay", json.dumps({**CASE, "kind": "__class__"})],
        ["replay", json.dumps({**CASE, "regime": "import os"})],
        ["replay", json.dumps({**CASE, "config": {"__class__": "os.system", "shape": [1]}})],
        ["kinds", "a\0b"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_refuses_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("shape", [[], [0]], ids=str)
def test_a_case_that_the_kind_never_draws_is_checked_all_the_same(shape: list[int], capsys) -> None:
    """What the conditions of the kind say of it is not asked."""
    assert run(["replay", json.dumps({**CASE, "config": {"shape": shape}})]) in (0, 1)


OPTIONS = ("--examples", "--seed", "--timeout", "--memory", "--workers", "--without", "--dtype", "--executor", "--x")


@given(st.lists(st.sampled_from([*OPTIONS, "--isolate", "--self-test"]) | st.text(max_size=6), max_size=5))
def test_any_words_are_answered(words: list[str]) -> None:
    """Nothing is verified, since there is no such file."""
    assert run(["verify", *words, "nowhere.py"]) in (0, 2)


def test_a_name_in_a_file_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that names a file does not make anybody open it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.py").write_text("open('sprung', 'w')", encoding="utf-8")
    (tmp_path / "case.json").write_text(json.dumps({**CASE, "kind": "trap.py:x"}), encoding="utf-8")
    assert run(["replay", "case.json"]) == 2
    assert not (tmp_path / "sprung").exists()
