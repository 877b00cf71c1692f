"""``gradcheck replay``: one case again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

CASE = {"kind": "square", "config": {"size": 3}, "regime": "normal", "seed": 5}
SUITE_FILE = """\
import gradcheck
from gradcheck import Subject


def cube(config, primals):
    def vjp(arrays):
        x = arrays["x"]
        return x**3, lambda cotangent: {"x": 3.3 * x**2 * cotangent}

    return Subject("cube", primals, vjp)


mine = gradcheck.suite("square", cube)
other = gradcheck.suite("square", cube)
subject = cube(None, {"x": __import__("numpy").ones(3)})


def broken(config, primals):
    raise RuntimeError("cannot build")


unbuilt = gradcheck.suite("square", broken)
"""

pytestmark = pytest.mark.usefixtures("kinds", "project")


def changed(**fields: object) -> str:
    return json.dumps({**CASE, **fields})


@pytest.fixture
def suites(project: Path) -> None:
    (project / "suites.py").write_text(SUITE_FILE, encoding="utf-8")


def test_the_reference_layer_passes(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = command("replay", json.dumps(CASE))

    assert (status, err) == (0, "")
    assert ": passed · 1 case · " in out


def test_a_case_in_a_file(project: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    (project / "case.json").write_text(json.dumps(CASE), encoding="utf-8")

    assert command("replay", "case.json")[0] == 0


def test_a_whole_failure_is_taken_for_its_case(command: Callable[..., tuple[int, str, str]]) -> None:
    assert command("replay", json.dumps({"check": "gradient", "case": CASE}))[0] == 0


@pytest.mark.usefixtures("suites")
def test_a_suite_of_ones_own(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = command("replay", json.dumps(CASE), "--target", "suites.py:mine")

    assert status == 1
    assert "gradient with respect to `x`" in out
    assert "square: size=3; regime normal; seed 5" in out


@pytest.mark.usefixtures("suites")
def test_what_verify_prints_to_reproduce_is_a_replay(command: Callable[..., tuple[int, str, str]]) -> None:
    _, out, _ = command("verify", "suites.py:mine", "--examples", "2")
    shown = next(line for line in out.splitlines() if line.startswith("  reproduce"))
    program, *words = shlex.split(shown.removeprefix("  reproduce"))
    status, again, _ = command(*words)

    assert program == "gradcheck"
    assert status == 1
    assert shown in again.splitlines()


@pytest.mark.usefixtures("suites")
def test_a_suite_that_cannot_be_built_is_an_error_of_the_run(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = command("replay", json.dumps(CASE), "--target", "suites.py:unbuilt")

    assert (status, err) == (1, "")
    assert "RuntimeError: cannot build" in out


@pytest.mark.usefixtures("suites")
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["{"], "the case: expected JSON, got something else at line 1, column 2"),
        (["nowhere.json"], "or a file that holds it, got 'nowhere.json' (No such file or directory)"),
        (["{}"], "expected $ to have the field 'kind'"),
        ([changed(seed="7")], "expected $.seed to be a whole number from 0"),
        ([changed(config=[1])], "expected $.config to be an object"),
        (
            [json.dumps({**{name: CASE[name] for name in CASE if name != "seed"}, "sede": 1})],
            "got 'sede'; did you mean 'seed'?",
        ),
        ([changed(kind="sqare")], "got kind='sqare'; did you mean 'square'?"),
        ([changed(kind=None)], "a subject given directly"),
        ([changed(config={"sice": 3})], "expected the fields ['size'] in a square config, got ['sice']"),
        ([changed(config={"size": "three"})], "expected size of a square config to be int, got size='three'"),
        ([changed(config={"size": -3})], "expected a config of square that arrays can be made for"),
        ([changed(regime="odd")], "got regime='odd'"),
        ([changed(regime=None)], "expected a regime among"),
        (['{"schema": 1, "subjects": []}'], "got a whole report"),
        ([json.dumps(CASE), "--target", "suites.py"], "got 3; name one"),
        ([json.dumps(CASE), "--target", "suites.py:subject"], "in suites.py:subject, got none"),
        ([json.dumps(CASE), "--target", "nowhere.py"], "expected a Python file, got 'nowhere.py'"),
    ],
)
def test_misuse_gets_one_sentence(words: list[str], fragment: str, refused: Callable[..., str]) -> None:
    assert fragment in refused("replay", *words)
