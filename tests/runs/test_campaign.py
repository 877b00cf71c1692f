"""Campaigns: what is counted, what is told, what a failure shrinks to, and what cannot be judged."""

import json
import re
import shlex
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import strategies as st

import gradcheck
from gradcheck.checks.stages import Settings
from gradcheck.kinds import KINDS
from gradcheck.records.run_record import Evaluations, SubjectReport
from gradcheck.runs import Options, explain_case, run
from gradcheck.runs.check_case import check_case
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.kind import Kind
from reference_layers import Affine, Conv2d
from reference_layers.windows import crop, scatter


@dataclass(frozen=True)
class SquareConfig:
    """How many entries x has, and whether it has a say."""

    size: int
    live: bool = True


def square(config, primals, slope=2.0):
    """Return ``x²``, or ``0·x`` where x shall have no say."""
    factor = 1.0 if config.live else 0.0

    def vjp(arrays):
        x = arrays["x"]
        return factor * x**2, lambda g: {"x": factor * slope * x * g}

    return gradcheck.Subject("square", primals, vjp)


def square_kind(*corners, conditions=None):
    return Kind(
        name="square",
        config=SquareConfig,
        configs=lambda: st.builds(SquareConfig, st.integers(1, 6)),
        corners=corners or (SquareConfig(1), SquareConfig(4)),
        primals=lambda config, rng, _regime: {"x": rng.standard_normal(config.size)},
        build=square,
        conditions=conditions or {"one entry": lambda c, _: c.size == 1},
        regimes=("normal", "zeros"),
    )


def square_suite(build=square, kind=None):
    return gradcheck.Suite("squares", kind or square_kind(), build)


def conv_suite(spoil):
    """Return a suite of a convolution whose gradient of the input is ``spoil(layer, params, cache, g)``."""

    class Wrong(Conv2d):
        def grad_input_scatter(self, params, cache, grad_output):
            return spoil(self, params, cache, grad_output)

    def build(c, primals):
        layer = Wrong(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, c.bias)
        return gradcheck.from_reference(layer, primals)

    kind = KINDS["conv2d"]
    return gradcheck.Suite("wrong conv", replace(kind, corners=kind.corners[:2], regimes=("normal", "integers")), build)


def not_rotated(layer, params, cache, g):
    return Conv2d.grad_input_scatter(layer, {"weight": params["weight"][:, :, ::-1, ::-1]}, cache, g)


def stride_ignored(layer, params, cache, g):
    taps = np.matmul(layer._weight_matrix(params).swapaxes(-1, -2), layer._by_group(g))
    taps = taps.reshape(g.shape[0], layer.in_channels, *layer.kernel_size, *g.shape[2:])
    return crop(scatter(taps, cache.padded.shape[2:], (1, 1), layer.dilation), cache.around).copy()


def without_seconds(report):
    return replace(report, subjects=tuple(replace(subject, seconds=0.0) for subject in report.subjects))


class Recorder:
    """A progress that remembers."""

    def __init__(self):
        self.events = []

    def begin(self, name, cases):
        self.events.append(("begin", name, cases))

    def advance(self):
        self.events.append(("advance",))

    def end(self, report):
        self.events.append(("end", report))


# Counts


@pytest.mark.parametrize("name", ["conv2d", "affine", "relu"])
@pytest.mark.parametrize("examples", [0, 1, 17])
def test_cases_are_corners_in_every_regime_and_the_examples(name, examples):
    kind = KINDS[name]
    (report,) = run([gradcheck.suite(name)], Options(examples=examples)).subjects
    assert report.cases == len(kind.corners) * len(kind.regimes) + examples
    assert report.kind == name
    assert report.seconds > 0


def test_without_examples_the_corners_run_alone():
    built = []

    def build(config, primals):
        built.append((config, primals["x"].tobytes()))
        return square(config, primals)

    (report,) = run([square_suite(build)], Options(examples=0)).subjects
    assert report.cases == 4
    assert [config.size for config, _ in built] == [1, 1, 4, 4]
    assert len({x for _, x in built}) == 4  # each has a seed of its own


def counting(slope, calls):
    def build(config, primals):
        subject = square(config, primals, slope)

        def vjp(arrays):
            calls["forward"] += 1
            outputs, pullback = subject.vjp(arrays)

            def counted(g):
                calls["pullback"] += 1
                return pullback(g)

            return outputs, counted

        return replace(subject, vjp=vjp)

    return build


@pytest.mark.parametrize("slope", [2.0, 2.5])
def test_evaluations_are_all_the_calls_there_were(slope):
    calls = {"forward": 0, "pullback": 0}
    (report,) = run([square_suite(counting(slope, calls))], Options(examples=30)).subjects
    assert report.verdict == ("passed" if slope == 2.0 else "failed")
    assert report.evaluations == Evaluations(**calls)


def test_evaluations_are_the_sum_of_those_of_the_cases():
    suite, options = gradcheck.suite("affine"), Options(examples=0)
    (report,) = run([suite], options).subjects
    alone = [check_case(suite, case, None, options.settings) for case in corner_cases(suite, options.seed)]
    assert report.evaluations == sum((each.evaluations for each in alone), Evaluations())
    assert report.resolution == max(each.resolution for each in alone)
    assert report.masked == pytest.approx(np.mean([each.masked for each in alone]))


def test_conditions_are_counted():
    conditions = {
        "one entry": lambda c, _: c.size == 1,
        "always": lambda _, p: p["x"].size > 0,
        "never": lambda _c, _p: False,
        "nor": lambda c, _: c.size > 99,
    }
    (report,) = run([square_suite(kind=square_kind(conditions=conditions))], Options(examples=0)).subjects
    assert report.conditions == {"one entry": 2, "always": 4, "never": 0, "nor": 0}
    assert "conditions never met: never, nor" in report.notes
    assert report.verdict == "passed"


def test_conditions_that_were_met_are_not_noted():
    (report,) = run([square_suite()], Options(examples=0)).subjects
    assert report.notes == ()


# Progress


def test_progress_is_told_in_order():
    recorder = Recorder()
    subject = square(SquareConfig(3), {"x": np.array([1.0, -2.0, 3.0])})
    report = run([square_suite(), subject], Options(examples=5), recorder)
    suite_report, subject_report = report.subjects
    advance = [("advance",)]
    assert recorder.events == [
        ("begin", "squares", 9),
        *advance * 9,
        ("end", suite_report),
        ("begin", "square", 1),
        *advance,
        ("end", subject_report),
    ]


def test_progress_of_a_failing_suite_advances_once_per_counted_case():
    recorder = Recorder()
    (report,) = run([conv_suite(not_rotated)], Options(examples=50), recorder).subjects
    assert recorder.events.count(("advance",)) == report.cases <= recorder.events[0][2]
    assert recorder.events[-1] == ("end", report)


# Seeds


@pytest.mark.parametrize("suite", [gradcheck.suite("avg_pool2d"), conv_suite(not_rotated)], ids=["passing", "failing"])
def test_the_same_seed_gives_the_same_report(suite):
    first, again = (run([suite], Options(examples=20, seed=3)) for _ in range(2))
    assert without_seconds(first) == without_seconds(again)


def test_another_seed_draws_other_cases():
    def drawn(seed):
        built = []

        def build(config, primals):
            built.append((config, primals["x"].tobytes()))
            return square(config, primals)

        assert run([square_suite(build)], Options(examples=20, seed=seed)).passed
        return built

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first == again
    assert [c for c, _ in first[:4]] == [c for c, _ in other[:4]]  # corners are always the same, but not their values
    assert not {x for _, x in first[:4]} & {x for _, x in other[:4]}
    assert len({x for _, x in first} & {x for _, x in other}) <= 5  # hypothesis favours small seeds


def test_another_kind_drawn_before_changes_nothing():
    suites = [gradcheck.suite("relu"), gradcheck.suite("affine")]
    together = run(suites, Options(examples=10))
    alone = run(suites[1:], Options(examples=10))
    assert without_seconds(together).subjects[1] == without_seconds(alone).subjects[0]


# Failures and the smallest case


def test_a_kernel_that_is_not_rotated_shrinks_to_one_row_or_column():
    suite = conv_suite(not_rotated)
    (report,) = run([suite], Options(examples=100)).subjects
    assert report.verdict == "failed"
    failure = report.failures[0]
    config = failure.case.config
    assert failure.primal == "x"
    assert (config["batch"], config["in_channels"], config["out_channels"], config["groups"]) == (1, 1, 1, 1)
    assert (config["stride"], config["padding"], config["dilation"]) == ((1, 1), (0, 0, 0, 0), (1, 1))
    assert sorted(config["kernel_size"]) == [1, 2]
    assert config["size"] == config["kernel_size"]
    assert any("cases failed" in note for note in report.notes)


def test_a_fault_of_the_stride_shrinks_to_stride_2():
    (report,) = run([conv_suite(stride_ignored)], Options(examples=100)).subjects
    config = report.failures[0].case.config
    assert (config["batch"], config["in_channels"], config["out_channels"]) == (1, 1, 1)
    assert sorted(config["stride"]) == [1, 2]
    assert (config["kernel_size"], sorted(config["size"])) == ((1, 1), [1, 3])


def test_a_fault_that_only_corners_show_is_reported_at_the_corner():
    def build(config, primals):
        return square(config, primals, slope=2.0 if config.size < 7 else 3.0)

    kind = square_kind(SquareConfig(2), SquareConfig(9))
    (report,) = run([square_suite(build, kind)], Options(examples=20)).subjects
    assert report.verdict == "failed"
    assert report.failures[0].case.config == {"size": 9, "live": True}
    assert "2 of 24 cases failed" in report.notes


def test_a_failure_without_examples_is_the_first_failing_corner():
    (report,) = run([square_suite(lambda c, p: square(c, p, 3.0))], Options(examples=0)).subjects
    assert report.failures[0].case.config == {"size": 1, "live": True}
    assert report.failures[0].case.regime == "normal"
    assert "4 of 4 cases failed" in report.notes


def test_the_command_of_a_failure_runs_it_again():
    suite = replace(conv_suite(not_rotated), origin="layers.py:wrong conv")
    failure = run([suite], Options(examples=50, dtype="float32")).failures[0]
    *head, data = shlex.split(failure.reproduce)
    assert head == ["gradcheck", "replay", "--target", "layers.py:wrong conv", "--dtype", "float32"]
    read = json.loads(data)
    case = suite.case(read["config"], read["regime"], read["seed"])
    assert read["kind"] == "conv2d"
    assert case.id == failure.case
    options = Options(dtype="float32")
    again = explain_case(check_case(suite, case, "float32", options.settings), suite, case, options)
    assert again.verdict == "failed"
    assert again.failures[0] == failure


def test_the_command_of_a_reference_layer_needs_no_target():
    failure = run([replace(conv_suite(not_rotated), origin="")], Options(examples=0)).failures[0]
    assert shlex.split(failure.reproduce)[:-1] == ["gradcheck", "replay"]


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_the_snippet_of_a_failure_runs_it_again(dtype):
    suite = conv_suite(not_rotated)
    failure = run([suite], Options(examples=50, dtype=dtype)).failures[0]
    report = eval(failure.reproduce, {"gradcheck": gradcheck, "suite": suite})
    assert report.verdict == "failed"
    assert (report.failures[0].primal, report.failures[0].index) == (failure.primal, failure.index)


# Builders that raise


def test_a_builder_that_raises_is_an_error_of_its_suite_alone():
    def build(config, primals):
        if config.size > 2:
            raise RuntimeError("no such layer")
        return square(config, primals)

    bad, good = run([square_suite(build), square_suite()], Options(examples=20)).subjects
    assert (bad.verdict, good.verdict) == ("error", "passed")
    failure = bad.failures[0]
    assert (failure.check, failure.primal) == ("build", None)
    assert re.fullmatch(
        r"build raised RuntimeError: no such layer \(.*test_campaign.py, line \d+\)", failure.explanation
    )
    assert failure.case.config == {"size": 3, "live": True}
    assert good.cases == 24


def test_a_builder_that_returns_nonsense_is_an_error():
    (report,) = run([square_suite(lambda _c, _p: 3)], Options(examples=0)).subjects
    assert report.verdict == "error"
    assert "expected a gradcheck.Subject or a layer" in report.failures[0].explanation


def test_a_forward_that_raises_is_an_error():
    def build(_config, primals):
        return gradcheck.Subject("broken", primals, lambda _: 1 / 0)

    (report,) = run([square_suite(build)], Options(examples=5)).subjects
    assert report.verdict == "error"
    assert "ZeroDivisionError" in report.failures[0].explanation


def test_a_builder_may_return_a_layer():
    def build(config, _primals):
        return Affine(config.in_features, config.out_features, config.bias)

    assert run([gradcheck.suite("affine", build)], Options(examples=5)).passed


# What cannot be judged


@pytest.mark.parametrize(("unclear", "verdict"), [(0, "passed"), (1, "passed"), (2, "inconclusive")])
def test_more_than_a_tenth_of_unclear_cases_is_inconclusive(monkeypatch, unclear, verdict):
    def check(subject, _seed, _settings, case):
        clear = case.config["size"] > unclear
        return SubjectReport(subject.name, "square", "passed" if clear else "inconclusive", notes=("too noisy",))

    monkeypatch.setattr("gradcheck.runs.check_case.check_subject", check)
    kind = replace(square_kind(*(SquareConfig(size) for size in range(1, 11))), regimes=("normal",))
    (report,) = run([square_suite(kind=kind)], Options(examples=0)).subjects
    assert (report.verdict, report.cases, report.vacuous) == (verdict, 10, ())
    noted = (
        f"{unclear} of 10 cases could not be judged in full",
        f"too noisy ({unclear} case{'' if unclear == 1 else 's'})",
    )
    assert report.notes == (noted if unclear else ())


@pytest.mark.parametrize(("live", "verdict"), [(0, "inconclusive"), (1, "passed"), (9, "passed")])
def test_a_gradient_that_is_zero_in_some_cases_is_seen_in_others(live, verdict):
    corners = [SquareConfig(3, live=k < live) for k in range(10)]
    kind = replace(square_kind(*corners), regimes=("normal",), conditions={})
    (report,) = run([square_suite(kind=kind)], Options(examples=0)).subjects
    assert report.verdict == verdict
    assert report.vacuous == (() if live else ("x",))
    assert len(report.notes) == (0 if live else 1)


def test_a_primal_that_is_dead_in_every_case_is_named():
    def build(_config, primals):
        def vjp(arrays):
            x, dead = arrays["x"], arrays["dead"]
            return x**2, lambda g: {"x": 2 * x * g, "dead": np.zeros_like(dead)}

        return gradcheck.Subject("half dead", {**primals, "dead": np.ones(2)}, vjp)

    (report,) = run([square_suite(build)], Options(examples=5)).subjects
    assert report.verdict == "inconclusive"
    assert report.vacuous == ("dead",)
    assert report.failures == ()
    assert any("gradient of 'dead' was zero on both sides in every case" in note for note in report.notes)


def test_a_gradient_that_is_wrong_in_every_other_case_is_not_called_dead():
    corners = (SquareConfig(3), SquareConfig(3, live=False))
    suite = square_suite(lambda c, p: square(c, p, 3.0), square_kind(*corners))
    (report,) = run([suite], Options(examples=0)).subjects
    assert (report.verdict, report.vacuous, report.notes) == ("failed", (), ("2 of 4 cases failed",))


def test_a_suite_without_cases_is_inconclusive():
    kind = replace(square_kind(), corners=())
    (report,) = run([square_suite(kind=kind)], Options(examples=0)).subjects
    assert (report.verdict, report.cases) == ("inconclusive", 0)


def test_a_failure_outweighs_what_is_inconclusive():
    corners = [SquareConfig(3, live=False)] * 9 + [SquareConfig(2)]
    kind = replace(square_kind(*corners), regimes=("normal",))
    (report,) = run([square_suite(lambda c, p: square(c, p, 3.0), kind)], Options(examples=0)).subjects
    assert report.verdict == "failed"


# Dtypes and direct subjects


@pytest.mark.parametrize("name", KINDS)
def test_reference_layers_pass_in_single_precision(name):
    (report,) = run([gradcheck.suite(name)], Options(examples=5, dtype="float32")).subjects
    assert report.verdict == "passed", report


def test_the_dtype_reaches_the_builder():
    seen = set()

    def build(config, primals):
        seen.add(str(primals["x"].dtype))
        return square(config, primals)

    assert run([square_suite(build)], Options(examples=5, dtype="float32")).passed
    assert seen == {"float32"}


def wrong_square(**given):
    subject = square(SquareConfig(3), {"x": np.array([1.0, -2.0, 3.0])}, 3.0)
    return replace(subject, **given)


def test_subjects_run_directly():
    right = square(SquareConfig(3), {"x": np.array([1.0, -2.0, 3.0])})
    report = run([right, wrong_square(), square_suite()], Options(seed=5, examples=2))
    assert [s.verdict for s in report.subjects] == ["passed", "failed", "passed"]
    assert [s.cases for s in report.subjects[:2]] == [1, 1]
    assert (report.verdict, report.seed) == ("failed", 5)
    assert report.failures[0].reproduce == "gradcheck.check(subject, seed=5)"
    assert without_seconds(report).subjects[0] == without_seconds(gradcheck.check(right, seed=5)).subjects[0]


def test_the_dtype_of_a_direct_subject_is_in_its_command():
    subject = wrong_square(reproduce="gradcheck verify --seed {seed}")
    failure = run([subject], Options(seed=5, dtype="float32")).failures[0]
    assert failure.reproduce == "gradcheck verify --seed 5 --dtype float32"


def test_nothing_to_run_is_an_empty_report():
    report = run([])
    assert (report.subjects, report.verdict) == ((), "passed")


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, Options()),
        ({"seed": 4, "trials": 1}, Options(seed=4, settings=Settings(trials=1))),
        ({"dtype": "float32"}, Options(dtype="float32")),
        ({"exhaustive": True}, Options(settings=Settings(exhaustive=True))),
    ],
)
def test_check_of_a_suite_is_a_run(given, options):
    for suite in (square_suite(), square_suite(lambda c, p: square(c, p, 3.0))):
        assert without_seconds(gradcheck.check(suite, **given)) == without_seconds(run([suite], options))


def test_a_failure_that_does_not_repeat_is_told_and_ends_nothing():
    calls = iter(range(10**6))

    def build(config, primals):
        wrong = next(calls) == 40

        def vjp(arrays):
            factor = 3.0 if wrong else 1.0
            return arrays["x"].copy(), lambda g: {"x": factor * g}

        return gradcheck.Subject("moody", {"x": primals["x"]}, vjp)

    suite = gradcheck.suite("flatten", build, without={"agreement": "another shape"})
    found = gradcheck.check(suite, examples=30).subjects[0]
    assert found.verdict == "failed"
    assert any("not when it was repeated" in failure.explanation for failure in found.failures)
