"""Suites of a strategy of primals, and what builders may get wrong."""

import re
import shlex

import numpy as np
import pytest
from hypothesis import strategies as st

import gradcheck
from gradcheck.cli import run as command
from gradcheck.reports.run_report import report_from_json
from gradcheck.runs import Options, run

VECTORS = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=6).map(lambda drawn: {"x": np.array(drawn)})


def cube(primals, wrong=False):
    """Return x³; the wrong one forgets a factor where there are three entries or more."""

    def vjp(arrays):
        x = arrays["x"]
        return x**3, lambda g: {"x": (2 if wrong and x.size > 2 else 3) * x**2 * g}

    return gradcheck.Subject("cube", primals, vjp)


def wrong_cube(primals):
    return cube(primals, wrong=True)


def test_a_right_layer_passes():
    (report,) = gradcheck.verify(gradcheck.suite(build=cube, strategy=VECTORS), examples=30).subjects
    assert (report.name, report.kind, report.cases) == ("cube", None, 30)
    assert report.conditions == {}


def test_a_wrong_one_is_shrunk_to_primals_that_are_shown():
    report = gradcheck.check(gradcheck.suite(build=wrong_cube, strategy=VECTORS, name="cubes"), seed=3, examples=50)
    (failure,) = report.failures
    assert (failure.check, failure.primal, failure.case.kind) == ("gradient", "x", None)
    assert failure.case.config == {"x": (3,)}
    assert "the smallest failing primals: x = [1.0, 1.0, 1.0]" in report.subjects[0].notes
    assert report_from_json(report.to_json()) == report


def test_the_snippet_runs_it_again():
    suite = gradcheck.suite(build=wrong_cube, strategy=VECTORS)
    (failure,) = gradcheck.check(suite, seed=3, examples=40, dtype="float32").failures
    assert failure.reproduce == "gradcheck.check(suite, seed=3, examples=40, dtype='float32')"
    (again,) = eval(failure.reproduce, {"gradcheck": gradcheck, "suite": suite}).failures
    assert again == failure


def test_the_command_runs_it_again(tmp_path, monkeypatch, capsys):
    text = (
        "import gradcheck, numpy as np\nfrom hypothesis import strategies as st\n\n"
        "def build(primals):\n"
        "    return gradcheck.Subject('x2', primals, lambda p: (p['x']**2, lambda g: {'x': 3 * p['x'] * g}))\n\n"
        "squares = gradcheck.suite(build=build, strategy=st.just({'x': np.ones(2)}))\n"
    )
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert command(["verify", "mine.py", "--seed", "5", "--examples", "4", "--json", "out.json"]) == 1
    (failure,) = report_from_json((tmp_path / "out.json").read_text(encoding="utf-8")).failures
    words = shlex.split(failure.reproduce)
    assert words == ["gradcheck", "verify", "mine.py:squares", "--seed", "5", "--examples", "4"]
    capsys.readouterr()
    assert command(words[1:]) == 1
    assert "gradient with respect to `x`" in capsys.readouterr().out


def test_large_primals_are_not_printed():
    suite = gradcheck.suite(
        build=lambda p: gradcheck.Subject("x", p, lambda q: (q["x"], lambda g: {"x": 2 * g})),
        strategy=st.just({"x": np.ones(100)}),
    )
    assert not any("smallest" in note for note in gradcheck.check(suite, examples=2).subjects[0].notes)


def test_a_strategy_that_draws_no_primals_is_one_sentence():
    (report,) = run([gradcheck.suite(build=cube, strategy=st.just([1.0]))], Options(examples=5)).subjects
    assert report.verdict == "error"
    assert "expected the strategy to draw {name: float array}, got list" in report.failures[0].explanation


def broken(config, primals):
    raise RuntimeError("no\nsuch layer")


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (broken, r"build raised RuntimeError: no such layer \(.*test_strategy_suites.py, line \d+\)"),
        (lambda config, primals: None, r"expected .*; build returned None; is its return missing\?"),
        (lambda config, primals: 3, r"expected .*; build returned int"),
        (lambda config: None, r"build raised TypeError: .*takes 1 positional argument but 2 were given.*"),
    ],
)
def test_builders_that_give_no_layer(build, sentence):
    (report,) = run([gradcheck.suite("relu", build)], Options(examples=2)).subjects
    assert report.verdict == "error"
    assert re.fullmatch(sentence, report.failures[0].explanation)
    assert report.failures[0].check == "build"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "expected a kind or a strategy of primals, got neither"),
        ({"kind": "relu", "strategy": VECTORS}, "got both"),
        ({"strategy": VECTORS}, "expected build beside a strategy"),
        ({"kind": "relu", "build": 3}, "expected build to be a callable, got build=3 (int)"),
    ],
)
def test_misuse(arguments, sentence):
    with pytest.raises(TypeError, match=re.escape(sentence)):
        gradcheck.suite(**arguments)


def test_limits_on_configs_need_a_kind():
    for limits in (["no padding"], {"small": lambda config: True}):
        with pytest.raises(ValueError, match="without a kind"):
            gradcheck.suite(build=cube, strategy=VECTORS, limits=limits)
    suite = gradcheck.suite(build=cube, strategy=VECTORS, limits=["float32 only"])
    assert suite.limits.traits == {gradcheck.Trait("single-precision")}
    with pytest.raises(ValueError, match="expected the suite of a kind"):
        suite.case({}, "normal", 0)


def test_examples_belong_to_suites():
    with pytest.raises(TypeError, match="expected examples beside a suite alone"):
        gradcheck.check(cube({"x": np.ones(2)}), examples=3)
    with pytest.raises(ValueError, match="expected examples to be at least 0"):
        gradcheck.check(gradcheck.suite("relu"), examples=-1)
