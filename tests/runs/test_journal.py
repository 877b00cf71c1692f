"""What a run has done is in its file, whenever it is killed; what is in a file is believed only if it fits."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck
from gradcheck.records.codec import from_plain
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import CaseId, Evaluations, Failure, SubjectReport
from gradcheck.reports.json import case_from_dict
from gradcheck.reports.run_report import Report, report_from_json
from gradcheck.runs import InterruptedRunError, Options, plan_of, run
from gradcheck.runs.executor import InProcess
from gradcheck.runs.journal import Journal, JournalError
from gradcheck.runs.result import Result, result_from_json, result_to_json
from gradcheck.runs.source import Source, load_with_sources

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_and_resume.py"
OPTIONS = Options(examples=5, corners=False)
RELU = Source("", "relu")


def relu_run(path: Path, progress=None, *, items=("relu", "tanh")) -> Report:
    suites = [gradcheck.suite(name) for name in items]
    sources = [Source("", name) for name in items]
    with Journal(path, plan_of(suites, sources, OPTIONS)) as journal:
        return timeless(run(suites, OPTIONS, progress, executor=InProcess(), store=journal, sources=sources))


def timeless(report: Report) -> Report:
    return replace(report, subjects=tuple(replace(subject, seconds=0.0) for subject in report.subjects))


class InterruptingAfter:
    """A progress during which the user loses patience."""

    def __init__(self, cases: int) -> None:
        self.left = cases

    def begin(self, name: str, cases: int) -> None:
        pass

    def advance(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def end(self, report: SubjectReport) -> None:
        pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Report]:
    """The file and the report of a run that nobody disturbed."""
    path = tmp_path_factory.mktemp("whole") / "run.jsonl"
    return_value = relu_run(path)
    return path.read_bytes(), return_value


def lines(path: Path) -> list[tuple[int, int, str]]:
    return [(one["item"], one["task"], one["case"]) for one in map(json.loads, path.read_bytes().splitlines()[1:])]


@given(st.data())
def test_a_file_cut_anywhere_is_gone_on_with(whole, tmp_path_factory, data) -> None:
    content, report = whole
    header = content.index(b"\n") + 1
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("cut") / "run.jsonl"
    path.write_bytes(content[:cut])
    plan = plan_of([gradcheck.suite(n) for n in ("relu", "tanh")], [RELU, Source("", "tanh")], OPTIONS)
    with Journal(path, plan) as journal:
        assert journal.found == max(0, content[:cut].count(b"\n") - 1)
        dropped = cut >= header and content[cut - 1 : cut] != b"\n"
        assert bool(journal.notes) == dropped


@pytest.mark.parametrize("share", [0.0, 0.3, 0.77, 1.0])
def test_a_run_that_goes_on_reports_what_one_in_a_piece_does(whole, tmp_path, share) -> None:
    content, report = whole
    path = tmp_path / "run.jsonl"
    path.write_bytes(content[: int(share * len(content))])
    assert relu_run(path) == report
    assert path.read_bytes().splitlines()[0] == content.splitlines()[0]
    assert sorted(lines(path)) == [(item, task, case) for item, task, case in sorted(set(lines(path)))]
    assert len(lines(path)) == 10


def test_what_is_on_record_is_not_run_again(whole, tmp_path, monkeypatch) -> None:
    content, report = whole
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    monkeypatch.setattr("gradcheck.runs.executor.perform", lambda *_: pytest.fail("it was run"))
    assert relu_run(path) == report


def test_an_interrupted_run_tells_what_it_knows_and_goes_on(whole, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(InterruptedRunError) as caught:
        relu_run(path, InterruptingAfter(3))
    first, second = caught.value.report.subjects
    assert (first.verdict, first.cases) == ("inconclusive", 3)
    assert first.notes[0] == "the run was interrupted after 3 cases"
    assert (second.verdict, second.cases) == ("inconclusive", 0)
    assert report_from_json(caught.value.report.to_json()) == caught.value.report
    assert relu_run(path) == whole[1]


def test_an_interrupted_run_names_the_failures_it_had(layers: str) -> None:
    items, sources = load_with_sources([f"{layers}:wrong", f"{layers}:steep"])
    with pytest.raises(InterruptedRunError) as caught:
        run(items, Options(examples=0), InterruptingAfter(20), executor=InProcess(), sources=sources)
    assert [subject.verdict for subject in caught.value.report.subjects] == ["failed", "failed"]
    assert {failure.check for failure in caught.value.report.failures} >= {"gradient"}


def test_an_interrupt_of_the_last_look_keeps_what_was_found(layers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradcheck.runs.suite_run._in_full", interrupted)
    items, _ = load_with_sources([f"{layers}:steep"])
    with pytest.raises(InterruptedRunError) as caught:
        run(items, OPTIONS)
    (found,) = caught.value.report.subjects
    assert (found.verdict, found.failures[0].check) == ("failed", "gradient")


# Files of others


def refused(path: Path, options: Options = OPTIONS, **changed: object) -> str:
    items = [gradcheck.suite(n) for n in ("relu", "tanh")]
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        Journal(path, {**plan_of(items, [RELU, Source("", "tanh")], options), **changed})
    assert path.read_bytes() == before, "what is refused is left alone"
    return str(caught.value).replace(str(path), "FILE")


CHANGES: dict[str, tuple[Options, str]] = {
    "seed": (replace(OPTIONS, seed=1), "seed=1, got one with seed=0"),
    "examples": (replace(OPTIONS, examples=6), "examples=6, got one with examples=5"),
    "dtype": (replace(OPTIONS, dtype="float32"), 'dtype="float32", got one with dtype=null'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_of_another_plan_is_refused(whole, tmp_path, change) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(whole[0])
    options, sentence = CHANGES[change]
    assert f"expected the file of a run with {sentence}; name another file" in refused(path, options)


def test_a_file_that_was_edited_meanwhile_is_refused(layers: str, tmp_path) -> None:
    items, sources = load_with_sources([f"{layers}:right"])
    path = tmp_path / "run.jsonl"
    Journal(path, plan_of(items, sources, OPTIONS)).close()
    (tmp_path / layers).write_text(Path(layers).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(JournalError, match=r"expected the file of a run with targets="):
        Journal(path, plan_of(items, sources, OPTIONS))


def test_a_file_that_another_run_writes_to_is_refused(tmp_path) -> None:
    pytest.importorskip("fcntl", reason="this system does not lock files so")
    plan = plan_of([gradcheck.suite("relu")], [RELU], OPTIONS)
    with Journal(tmp_path / "run.jsonl", plan), pytest.raises(JournalError, match="that no other run writes to"):
        Journal(tmp_path / "run.jsonl", plan)


SPOILED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "another version": (lambda f: [f[0].replace(b'"gradcheck": "', b'"gradcheck": "9'), *f[1:]], "got one of 9"),
    "no journal": (lambda f: [b'{"a": 1}'], "FILE: expected the file of a run with --resume: line 1"),
    "prose": (lambda f: [b"Dear diary,"], "FILE: expected the file of a run with --resume: line 1: expected JSON"),
    "a line that is no JSON": (lambda f: [*f[:2], b"{", *f[2:]], "FILE: line 3: expected JSON"),
    "bytes": (lambda f: [*f[:2], b"\xff\xfe"], "FILE: line 3: expected JSON, got bytes that are not UTF-8"),
    "a case twice": (lambda f: [*f[:2], f[1]], "FILE: line 3: expected each case once, got (0, 0) again"),
    "no outcome": (lambda f: [f[0], b'{"item": 0, "task": 0, "case": "x"}'], "FILE: line 2: expected $ to have the"),
    "a negative place": (lambda f: [f[0], f[1].replace(b'"task": 0', b'"task": -1')], "expected $.task to be a whole"),
    "another verdict": (
        lambda f: [f[0], f[1].replace(b'"passed"', b'"fine"')],
        "$.outcome.report.verdict to be one of",
    ),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_what_no_run_wrote_is_refused(whole, tmp_path, fault) -> None:
    spoil, sentence = SPOILED[fault]
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\n".join(spoil(whole[0].splitlines())) + b"\n")
    assert sentence in refused(path)


def test_a_file_without_an_end_of_line_that_is_not_ours_is_left_alone(tmp_path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear diary", encoding="utf-8")
    assert "line 1" in refused(path)


def test_another_case_than_is_drawn_is_refused(whole, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    content = whole[0].splitlines()
    line = json.loads(content[2])
    path.write_bytes(b"\n".join([*content[:2], json.dumps({**line, "case": "0" * 16}).encode()]) + b"\n")
    with pytest.raises(JournalError, match="expected case 1 of relu to be the one that this run draws, got another"):
        relu_run(path)


# Any bytes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.one_of(st.text(), json_values.map(json.dumps)))
def test_readers_of_files_answer_with_one_sentence(text: str) -> None:
    for read in (report_from_json, result_from_json, lambda one: case_from_dict(parse_json(one))):
        assert answer(read, text).startswith(("expected ", "read"))


def answer(read: Callable[[Any], object], data: object) -> str:
    """Return what a reader says of data: that it read them, or why not."""
    try:
        read(data)
    except ValueError as error:
        return str(error)
    return "read"


@st.composite
def spoiled(draw: st.DrawFn) -> object:
    """An outcome one value of which, somewhere, is replaced by another, missing or under another name."""
    data = json.loads(result_to_json(RESULT))
    place = data
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    if isinstance(place, dict) and draw(st.booleans()):
        value = place.pop(key)
        if draw(st.booleans()):
            place[draw(st.text())] = value
    else:
        place[key] = draw(json_values)
    return data


RESULT = Result(
    report=SubjectReport(
        "x",
        "relu",
        "failed",
        evaluations=Evaluations(1, 2),
        failures=(Failure("gradient", CaseId("relu", {"shape": (2, 3)}, "normal", 3), "wrong", index=(0, 1)),),
        checks={"gradient": Evaluations(1, 2)},
    ),
    names=frozenset({"x"}),
    met=frozenset({"rank 2"}),
    warnings=("UserWarning: take care",),
    printed=5,
    threads=1,
)


def test_a_result_comes_back_as_it_was() -> None:
    assert result_from_json(result_to_json(RESULT)) == RESULT


@given(spoiled())
def test_a_spoiled_result_is_read_or_refused_in_a_sentence(data: object) -> None:
    assert answer(lambda one: from_plain(Result, one), data).startswith(("expected ", "read"))


# Killed


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_and_resume", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("words", "kills"),
    [
        (["reference_layers:ReLU", "--examples", "20"], 2),
        pytest.param(["reference_layers:ReLU", "--examples", "150", "--workers", "2"], 20, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_loses_and_doubles_nothing(tmp_path, words, kills) -> None:
    assert load().differences(words, tmp_path, kills, 1) == (kills, [])
