"""pytest on a user's modules: what is collected, run, shown, counted and written."""

import json
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest
from support.modules import RIGHT, WRONG

from gradcheck.reports.run_report import report_from_json

GROUPS = ["forward", "gradient", "contracts", "laws", "corners"]
NAMES = [*(f"test_mine.py::conv::{group}" for group in GROUPS), *(f"test_mine.py::point::{g}" for g in GROUPS[1:3])]
SUMMARY = r"gradcheck: (\d+) subjects?, ([\d,]+) cases?, (.*?); resolution [\d.e-]+; seed (\d+)"


def summary(result):
    """Return what the summary line says: subjects, cases, verdicts and seed."""
    (found,) = re.findall(SUMMARY, result.stdout.str())
    return found


def section(result, name):
    """Return the part of the output about one failed item."""
    return re.split(r"\n_{3,} .* _{3,}\n|\ngradcheck: ", result.stdout.str().split(f" {name} ___", 1)[1])[0]


@pytest.fixture(scope="module")
def kept():
    """Return where the run of a wrong layer is kept for all tests that ask about it."""
    return []


@pytest.fixture
def wrong(kept, project, runs_apart):
    """Return what came of a module with a wrong layer, run as a user runs it, and its folder with the reports."""
    if not kept:
        result = runs_apart(WRONG, "--gradcheck-seed=2", "--gradcheck-json=out.json", "--junit-xml=out.xml")
        kept.append((result, project.path))
    return kept[0]


# What is collected


def test_the_names_of_the_items_are_readable(runs):
    result = runs(RIGHT, "--co", "-q")
    assert result.ret == 0
    assert [line for line in result.outlines if line.startswith("test_mine")] == NAMES


def test_private_names_second_names_and_reference_suites(runs):
    text = RIGHT + "again = conv\n_hidden = cube()\nrelu = gradcheck.suite('relu')\n"
    names = [line for line in runs(text, "--co", "-q").outlines if line.startswith("test_mine")]
    assert names == [*NAMES, *(f"test_mine.py::relu::{group}" for group in GROUPS[1:])]


def test_a_suite_of_a_strategy_has_neither_reference_nor_corners(runs):
    text = (
        "from layers import *\nfrom hypothesis import strategies as st\n"
        "vectors = st.integers(1, 4).map(lambda n: {'x': np.linspace(1, 2, n)})\n"
        "cubes = gradcheck.suite(build=lambda p: gradcheck.Subject('c', p, power(3, 3)), strategy=vectors)\n"
    )
    result = runs(text, "-v", "--gradcheck-seed=1")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::cubes::gradient PASSED*", "*::cubes::contracts PASSED*"])
    assert summary(result)[:3] == ("1", "10", "1 passed")


def test_a_group_that_is_switched_off_is_not_there(runs):
    off = "{'agreement': 'scaled on purpose', 'laws': 'no time'}"
    text = RIGHT.replace("limits=SMALL", f"limits=SMALL, without={off}")
    names = [line for line in runs(text, "--co", "-q").outlines if line.startswith("test_mine")]
    assert (
        names
        == [f"test_mine.py::{name}" for name in ("conv::gradient", "conv::contracts", "conv::corners")] + NAMES[5:]
    )


def test_one_group_can_be_named(runs):
    result = runs(RIGHT, "test_mine.py::conv::laws", "test_mine.py::point")
    result.assert_outcomes(passed=3)


def test_the_marker_selects(runs):
    text = RIGHT + "def test_plain(): pass\n@pytest.mark.gradcheck\ndef test_marked(gradcheck): gradcheck(point)\n"
    text = "import pytest\n" + text
    runs(text, "-m", "gradcheck").assert_outcomes(passed=8, deselected=1)
    runs(text, "-m", "not gradcheck").assert_outcomes(passed=1, deselected=8)


def test_an_ordinary_module_is_left_alone(runs):
    result = runs("import gradcheck as tool\n\ndef test_one(): assert tool.suite\n")
    result.assert_outcomes(passed=1)
    assert "gradcheck:" not in result.stdout.str()


# What is run


def test_a_right_layer_passes(runs):
    result = runs(RIGHT)
    result.assert_outcomes(passed=7)
    subjects, cases, verdicts, _ = summary(result)
    assert (subjects, verdicts) == ("2", "2 passed")
    assert int(cases) > 4 * 5 + 2


def test_a_planted_fault_fails_where_it_is(wrong):
    result, _ = wrong
    result.assert_outcomes(passed=2, failed=3)
    assert {re.search(r"conv::\w+", line)[0] for line in result.outlines if line.startswith("FAILED")} == {
        "conv::gradient",
        "conv::laws",
        "conv::corners",
    }
    assert summary(result)[2] == "1 failed"


def test_a_failure_is_the_report_and_fits_a_screen(wrong):
    result, _ = wrong
    shown = section(result, "conv::gradient")
    lines = shown.rstrip().splitlines()
    assert "gradient with respect to `x`" in shown
    assert re.search(r"analytic .* numeric .* ± ", shown)
    assert "declared   no padding" in shown
    assert not re.search(r"Traceback|campaign\.py|pytest_plugin\.py|GradientError", shown)
    assert len(lines) < 40
    assert max(len(line) for line in lines if "reproduce" not in line) <= 110
    assert lines[-1].startswith("  reproduce  gradcheck replay --target test_mine.py:conv ")


def test_the_command_at_the_end_replays_the_failure(wrong):
    result, folder = wrong
    command = section(result, "conv::gradient").rstrip().splitlines()[-1].split("reproduce")[1]
    words = [sys.executable, "-m", *shlex.split(command)]
    again = subprocess.run(words, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert again.returncode == 1, again.stdout + again.stderr
    assert "gradient with respect to `x`" in " ".join(again.stdout.split())


def test_only_two_failures_are_shown_in_full(runs, verified):
    text = (
        "from layers import *\n"
        "from dataclasses import replace\n"
        "def build(c, primals):\n"
        "    right = builder(Conv2d)(c, primals)\n"
        "    def vjp(p):\n"
        "        y, pullback = right.vjp(p)\n"
        "        return y, lambda g: {name: 2 * d for name, d in pullback(g).items()}\n"
        "    return replace(right, vjp=vjp)\n"
        "double = gradcheck.suite('conv2d', build, limits=['bias only'])\n"
    )
    result = runs(text, "test_mine.py::double::corners", "--gradcheck-json=out.json")
    result.assert_outcomes(failed=1)
    failures = verified()["subjects"][0]["failures"]
    assert len(failures) > 2
    shown = section(result, "double::corners")
    assert shown.count("reproduce") == 2
    assert f"and {len(failures) - 2} more failure" in shown
    result.stdout.fnmatch_lines(["*more failure*--gradcheck-json FILE holds them"])


def test_an_undeclared_accumulation_is_one_sentence_and_no_wrong_gradient(runs):
    text = (
        "from layers import *\n"
        "def build(config, primals):\n"
        "    total = np.zeros(primals['x'].shape)\n"
        "    def vjp(p):\n"
        "        def pullback(g):\n"
        "            total.__iadd__(g * (p['x'] > 0))\n"
        "            return {'x': total}\n"
        "        return p['x'] * (p['x'] > 0), pullback\n"
        "    return gradcheck.Subject('relu', primals, vjp)\n"
        "relu = gradcheck.suite('relu', build)\n"
        "said = gradcheck.suite('relu', build, limits=['accumulates'])\n"
    )
    result = runs(text)
    result.assert_outcomes(passed=8, failed=2)
    shown = section(result, "relu::contracts")
    assert "declare gradcheck.Trait('accumulates', ('x',))" in " ".join(shown.split())
    assert {line.split(" - ")[0] for line in result.outlines if line.startswith("FAILED")} == {
        "FAILED test_mine.py::relu::contracts",
        "FAILED test_mine.py::relu::corners",
    }


def test_a_builder_that_raises_is_one_sentence_with_the_line_of_the_user(runs):
    text = (
        "import gradcheck\n"
        "def build(config, primals):\n"
        "    raise RuntimeError('no such layer')\n"
        "relu = gradcheck.suite('relu', build)\n"
    )
    result = runs(text)
    result.assert_outcomes(failed=5)
    shown = " ".join(section(result, "relu::gradient").split())
    assert re.search(r"finding build raised RuntimeError: no such layer \(\S*test_mine.py, line 3\)", shown)
    assert summary_of_errors(result) == "1 error"


def summary_of_errors(result):
    (found,) = re.findall(r"gradcheck: 1 subject, \d+ cases, (.*?); seed \d+", result.stdout.str())
    return found


def test_limits_that_leave_nothing_are_skipped_or_told(runs):
    text = "from layers import *\nconv = gradcheck.suite('conv2d', limits={'nothing': lambda config: False})\n"
    result = runs(text, "-rs")
    result.assert_outcomes(failed=3, skipped=1)
    assert "no corner configuration keeps the limits" in result.stdout.str()
    assert "the limits (nothing) leave no configuration of conv2d" in section(result, "conv::gradient")


def test_what_has_nothing_to_compare_with_is_skipped(runs):
    text = (
        "from layers import *\n"
        "def build(config, primals):\n"
        "    return gradcheck.Subject('y', {'y': primals['x']}, lambda p: (2 * p['y'], lambda g: {'y': 2 * g}))\n"
        "relu = gradcheck.suite('relu', build)\n"
    )
    result = runs(text, "-rs", "--deselect=test_mine.py::relu::corners")
    result.assert_outcomes(passed=2, skipped=2, deselected=1)
    result.stdout.fnmatch_lines(["*nothing to compare with*", "*no law is about these primals*"])


def test_an_unknown_kind_is_told_when_the_module_is_collected(runs):
    result = runs("import gradcheck\nconv = gradcheck.suite('conv2', print)\n")
    result.assert_outcomes(errors=1)
    assert "got kind='conv2'; did you mean 'conv2d'?" in result.stdout.str()


# Seeds and numbers of examples


def test_a_seed_draws_the_same_cases_again(runs, verified):
    reports = []
    for seed in (7, 7, 8):
        runs(RIGHT, f"--gradcheck-seed={seed}", "--gradcheck-json=out.json", "-k", "contracts")
        report = verified()
        assert report["seed"] == seed
        reports.append([subject["conditions"] for subject in report["subjects"]])
    assert reports[0] == reports[1] != reports[2]


def test_without_a_seed_each_run_draws_others(runs_apart):
    seeds = {summary(runs_apart(RIGHT, "-k", "point"))[3] for _ in range(3)}
    assert len(seeds) == 3


def test_the_profile_ci_is_derandomised_and_gives_the_number_of_examples(runs_apart, verified):
    result = runs_apart(RIGHT, "--hypothesis-profile=ci", "--gradcheck-json=out.json", "-k", "conv and gradient")
    result.assert_outcomes(passed=1, deselected=6)
    assert summary(result)[3] == "0"


@pytest.mark.parametrize(("profile", "examples"), [("dev", 25), ("ci", 100), ("thorough", 1000)])
def test_profiles_are_there_to_be_loaded(profile, examples, project):
    project.makepyfile(
        f"from hypothesis import settings\ndef test_profile(): assert settings().max_examples == {examples}"
    )
    project.runpytest_subprocess(f"--hypothesis-profile={profile}").assert_outcomes(passed=1)


def test_profiles_of_the_user_are_kept(project):
    project.makeconftest("from hypothesis import settings\nsettings.register_profile('dev', max_examples=7)\n")
    project.makepyfile("from hypothesis import settings\ndef test_profile(): assert settings().max_examples == 7")
    project.runpytest_subprocess("--hypothesis-profile=dev").assert_outcomes(passed=1)


def test_the_marker_gives_the_number_of_examples_and_the_option_goes_first(runs, project, verified):
    marked = "import pytest\npytestmark = pytest.mark.gradcheck(examples=9)\n" + RIGHT
    words = ["-p", "no:randomly", "-k", "conv and gradient", "--gradcheck-json=out.json"]
    project.makepyfile(test_mine=marked)
    project.runpytest_inprocess(*words).assert_outcomes(passed=1, deselected=6)
    assert verified()["subjects"][0]["cases"] == 9
    runs(marked, *words, "--gradcheck-examples=4")
    assert verified()["subjects"][0]["cases"] == 4


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ("(examples=-1)", "expected examples to be a whole number from 0, got examples=-1"),
        ("(5)", "expected pytest.mark.gradcheck(examples=N), got pytest.mark.gradcheck(5)"),
        ("(cases=5)", "got pytest.mark.gradcheck(cases=5)"),
    ],
)
def test_a_wrong_marker_is_one_sentence(marker, sentence, project):
    project.makepyfile(test_mine=f"import pytest\npytestmark = pytest.mark.gradcheck{marker}\n{RIGHT}")
    result = project.runpytest_inprocess("-p", "no:randomly", "-k", "gradient")
    assert result.ret != 0
    shown = section(result, "conv::gradient")
    assert sentence in shown
    assert "pytest_plugin.py" not in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gradcheck-seed=-1"], "--gradcheck-seed: invalid whole number from 0 value: '-1'"),
        (["--gradcheck-examples=few"], "--gradcheck-examples: invalid whole number from 0 value: 'few'"),
        (["--gradcheck-json=no/such/out.json"], "expected a file that can be written, got 'no/such/out.json'"),
    ],
)
def test_wrong_options_are_misuse(words, sentence, runs):
    result = runs(RIGHT, *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


# The fixture

FIXTURE = """\
from layers import *


def test_right(gradcheck):
    assert gradcheck(cube()).passed


def test_wrong(gradcheck):
    gradcheck(cube(2))


def test_layer(gradcheck):
    gradcheck(Conv2d(1, 2, 3), np.ones((1, 1, 4, 4)), seed=3)
"""


def test_the_fixture_raises_with_the_report_and_records(runs, verified):
    result = runs(FIXTURE, "--gradcheck-seed=5", "--gradcheck-json=out.json")
    result.assert_outcomes(passed=2, failed=1)
    shown = section(result, "test_wrong")
    assert ">       gradcheck(cube(2))" in shown
    assert re.search(r"\nE +reproduce  pytest test_mine.py::test_wrong --gradcheck-seed 5\n", shown)
    assert "pytest_plugin.py" not in shown
    assert summary(result)[:3] == ("3", "3", "2 passed, 1 failed")
    assert sorted(subject["verdict"] for subject in verified()["subjects"]) == ["failed", "passed", "passed"]


def test_the_fixture_runs_suites_with_the_examples_of_the_marker(project, verified):
    project.makepyfile(
        test_mine="import pytest\nfrom layers import *\n"
        "@pytest.mark.gradcheck(examples=3)\n"
        "def test_relu(gradcheck):\n"
        "    suite = tool().suite('relu')\n"
        "    assert gradcheck(suite).subjects[0].cases == 3 + len(suite.kind.corners) * len(suite.kind.regimes)\n"
        "def tool(): return gradcheck\n"
    )
    project.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=1)


# What machines read


def test_the_json_report_is_of_the_schema(wrong):
    _, folder = wrong
    report = report_from_json((folder / "out.json").read_text(encoding="utf-8"))
    assert [subject.name for subject in report.subjects] == [f"conv::{group}" for group in sorted(GROUPS)]
    assert report.seed == 2
    assert {subject.kind for subject in report.subjects} == {"conv2d"}
    assert all("no padding" in subject.limits for subject in report.subjects)


def test_a_json_report_of_nothing_is_one_too(runs, project):
    runs("def test_one(): pass\n", "--gradcheck-json=out.json")
    assert report_from_json((project.path / "out.json").read_text(encoding="utf-8")).subjects == ()


def test_junit_properties(wrong):
    _, folder = wrong
    cases = {case.get("name"): case for case in ElementTree.parse(folder / "out.xml").iter("testcase")}
    assert set(cases) == set(GROUPS)
    properties = {p.get("name"): p.get("value") for p in cases["gradient"].iter("property")}
    assert properties["kind"] == "conv2d"
    assert int(properties["cases"]) > 0
    assert float(properties["resolution"]) > 0
    assert "gradient with respect to `x`" in "".join(cases["gradient"].itertext())
    assert cases["forward"].find("failure") is None


def test_causes_are_properties(project):
    """No cause may be found for a fault; where one is, it is a property."""
    from gradcheck.records.run_record import CaseId, Failure, SubjectReport
    from gradcheck.reports.junit import facts

    failure = Failure("gradient", CaseId(None, {}, None, 0), "twice as much", cause="scale:2")
    assert facts(SubjectReport("x", failures=(failure,)))["cause"] == "scale:2"


# Beside other plugins


@pytest.mark.skipif(find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_workers_report_to_one_summary_and_one_file(wrong, runs_apart, verified):
    alone, folder = wrong
    expected = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    spread = runs_apart(WRONG, "--gradcheck-seed=2", "--gradcheck-json=out.json", "-n2")
    spread.assert_outcomes(passed=2, failed=3)
    assert summary(spread) == summary(alone)
    assert section(spread, "conv::gradient").rstrip().splitlines()[-1].startswith("  reproduce  gradcheck replay")
    found = verified()
    for subject in (*expected["subjects"], *found["subjects"]):
        del subject["seconds"]
    assert found == expected


@pytest.mark.skipif(find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_workers_share_a_seed_that_nobody_gave(runs_apart, verified):
    result = runs_apart(RIGHT, "-n2", "--gradcheck-json=out.json")
    result.assert_outcomes(passed=7)
    assert verified()["seed"] == int(summary(result)[3])


@pytest.mark.skipif(find_spec("pytest_randomly") is None, reason="pytest-randomly is not installed")
def test_a_random_order_changes_nothing(runs_apart, verified):
    reports = []
    for order in (1, 2):
        result = runs_apart(
            RIGHT, f"--randomly-seed={order}", "--gradcheck-seed=4", "--gradcheck-json=out.json", "-v", random=True
        )
        result.assert_outcomes(passed=7)
        report = verified()
        for subject in report["subjects"]:
            del subject["seconds"]
        reports.append((report, [line for line in result.outlines if "PASSED" in line]))
    assert reports[0][0] == reports[1][0]
    assert reports[0][1] != reports[1][1]


def test_the_plugin_can_be_left_out(project):
    project.makepyfile(test_mine=RIGHT + "def test_plain(): pass\n")
    result = project.runpytest_subprocess("-p", "no:gradcheck")
    result.assert_outcomes(passed=1)
    assert "gradcheck:" not in result.stdout.str()


def test_a_run_without_suites_does_not_load_gradcheck(project):
    project.makepyfile(
        "import sys\n"
        "def test_light():\n"
        "    assert '_gradcheck_pytest' in sys.modules\n"
        "    assert not [name for name in sys.modules if name.split('.')[0] == 'gradcheck']\n"
    )
    project.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)


def test_the_command_line_runs_the_same_module(project):
    project.makepyfile(test_mine=RIGHT)
    words = [sys.executable, "-m", "gradcheck", "verify", "test_mine.py", "--examples", "3"]
    result = subprocess.run(words, cwd=project.path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 subjects: 2 passed" in result.stdout
