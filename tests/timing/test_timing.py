"""``time_items``: calls counted exactly, known times found again, and what the budget leaves out computed."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import strategies as st
from support.json_schemas import closed, packaged

import gradcheck
from gradcheck.kinds import KINDS
from gradcheck.records.timing_record import QUANTITIES, WAYS
from gradcheck.reports.timing_report import TimingReport
from gradcheck.subject import Deferred
from gradcheck.timing.environment import THREAD_VARIABLES, threads_of, threads_to_be
from gradcheck.timing.measure import TimeOptions, time_items
from gradcheck.timing.sizes import SIZES, sizes_of
from gradcheck.timing.stopwatch import Stopwatch

SCHEMA = closed(packaged("timing_schema.json"))


class World:
    """A clock that the layers built here move: a forward takes µs per entry, a pullback twice that."""

    def __init__(self):
        self.nanoseconds = 0

    def stopwatch(self):
        return Stopwatch(lambda: self.nanoseconds)

    def subject(self, primals, slope=2.0):
        def forward(arrays):
            self.nanoseconds += 1000 * arrays["x"].size
            return arrays["x"] ** 2

        def vjp(arrays):
            outputs = forward(arrays)

            def pullback(cotangent):
                self.nanoseconds += 2000 * arrays["x"].size
                return {"x": slope * arrays["x"] * cotangent}

            return outputs, pullback

        return gradcheck.Subject("square", primals, vjp, forward)

    def suite(self, *entries, **more):
        drawn = st.sampled_from(entries).map(lambda n: {"x": np.linspace(1.0, 2.0, n)})
        return gradcheck.suite(build=lambda primals: self.subject(primals, **more), name="squares", strategy=drawn)


def timed(world, item, **options):
    report = time_items([item], TimeOptions(**options), stopwatch=world.stopwatch())
    jsonschema.validate(report.to_dict(), SCHEMA)
    return report.subjects[0]


# Figures known beforehand


def test_calls_are_counted_and_times_are_those_that_things_take():
    world = World()
    (size,) = timed(world, world.subject({"x": np.linspace(1.0, 2.0, 50)}), budget=1.0).measurements
    assert (size.config, size.entries, size.outputs) == ({"x": (50,)}, 50, 50)
    assert [timing.way for timing in size.timings] == list(WAYS)
    calls = {t.way: (t.evaluations.forward, t.evaluations.pullback) for t in size.timings}
    assert calls == {"forward": (1, 0), "analytic": (1, 1), "numeric": (100, 0), "projected": (5, 2)}
    seconds = {t.way: t.seconds for t in size.timings}
    assert seconds == pytest.approx({"forward": 50e-6, "analytic": 150e-6, "numeric": 5e-3, "projected": 450e-6})
    assert [t.ratio for t in size.timings] == pytest.approx([1 / 3, 1, 100 / 3, 3])
    assert {t.rounds for t in size.timings} == {7}
    assert {t.spread for t in size.timings} == {0.0}
    assert not any(t.computed for t in size.timings)


def test_exponents_are_found_again():
    world = World()
    found = timed(world, world.suite(8, 16, 32, 64, 128), budget=1.0)
    assert [measurement.entries for measurement in found.measurements] == [8, 16, 32, 64, 128]
    due = {"forward": (1, 0, 0), "analytic": (1, 0, 0), "numeric": (2, 1, 1), "projected": (1, 0, 0)}
    for way, exponents in due.items():
        for quantity, exponent in zip(("seconds", "evaluations", "relative"), exponents, strict=True):
            fit = found.fit(way, quantity)
            assert (fit.exponent, fit.low, fit.high) == pytest.approx((exponent,) * 3, abs=1e-9)
            assert (fit.sizes, fit.computed) == (5, 0)
    assert len(found.growth) == len(WAYS) * len(QUANTITIES)


def test_a_single_size_has_no_exponent():
    world = World()
    assert timed(world, world.subject({"x": np.ones(300)}), budget=0.2).growth == ()


# The budget


def test_what_exceeds_the_budget_is_computed_and_marked():
    world = World()
    found = timed(world, world.suite(10, 1000), budget=1.0)
    small, large = (measurement.timing("numeric") for measurement in found.measurements)
    assert (small.computed, small.rounds) == (False, 7)
    assert (large.computed, large.rounds) == (True, 0)
    assert (large.evaluations.forward, large.evaluations.pullback) == (2000, 0)
    assert large.seconds == pytest.approx(2000 * found.measurements[1].timing("forward").seconds)
    assert found.fit("numeric", "seconds").computed == 1  # one measured size alone has no exponent


def test_growth_is_fitted_to_what_was_measured():
    world = World()
    found = timed(world, world.suite(10, 20, 40, 1000), budget=1.0)
    assert [measurement.timing("numeric").computed for measurement in found.measurements] == [False] * 3 + [True]
    assert [(found.fit("numeric", quantity).sizes) for quantity in QUANTITIES] == [3, 4, 3]
    assert found.fit("numeric", "seconds").computed == 0
    assert found.fit("forward", "seconds").sizes == 4


def test_the_budget_is_about_kept():
    world = World()
    timed(world, world.suite(100, 200, 400, 800), budget=2.0)
    assert 1e9 < world.nanoseconds < 4e9


def test_everything_but_differences_is_measured_three_times_at_least():
    world = World()
    (size,) = timed(world, world.subject({"x": np.ones(100_000)}), budget=1e-3).measurements
    assert {t.way: t.rounds for t in size.timings} == {"forward": 3, "analytic": 3, "numeric": 0, "projected": 3}


@pytest.mark.parametrize(("options", "said"), [({"budget": 0}, "got budget=0"), ({"rounds": 0}, "got rounds=0")])
def test_impossible_options_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        TimeOptions(**options)


# What goes wrong is told


def test_a_wrong_gradient_is_told_beside_its_time():
    world = World()
    found = timed(world, world.subject({"x": np.linspace(1.0, 2.0, 8)}, slope=3.0), budget=0.2)
    assert len(found.measurements) == 1
    assert found.notes[0].startswith("at 8 entries the gradient check says failed")


def test_what_raises_ends_its_own_timing_alone():
    world = World()

    def breaks(primals):
        raise RuntimeError("no such luck")

    broken = gradcheck.Subject("broken", {"x": np.ones(2)}, breaks)
    report = time_items([broken, world.subject({"x": np.ones(300)})], stopwatch=world.stopwatch())
    first, second = report.subjects
    assert (first.measurements, first.growth) == ((), ())
    assert "no such luck" in first.notes[0]
    assert len(second.measurements) == 1
    jsonschema.validate(report.to_dict(), SCHEMA)


def test_progress_is_told():
    world, told = World(), []

    class Listener:
        def begin(self, name, cases):
            told.append((name, cases))

        def advance(self):
            told.append("size")

        def step(self):
            told.append("subject")

    time_items([world.suite(2, 4)], TimeOptions(budget=0.1), Listener(), world.stopwatch())
    assert told == [("squares", 2), "size", "size", "subject"]


# Sizes


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_range_of_sizes(name):
    kind = KINDS[name]
    sizes = sizes_of(gradcheck.suite(name))
    assert len(sizes) == len(kind.sizes) >= 5
    entries = [sum(array.size for array in size.make().primals.values()) for size in (sizes[0], sizes[-1])]
    assert entries[1] >= 10 * entries[0]


def test_a_kind_without_sizes_is_timed_at_its_corners():
    suite = gradcheck.suite("relu")
    bare = replace(suite, kind=replace(suite.kind, sizes=()))
    shapes = [size.config["shape"] for size in sizes_of(bare)]
    assert 2 <= len(shapes) <= SIZES
    assert set(shapes) <= {corner.shape for corner in suite.kind.corners}
    assert sorted(map(np.prod, shapes)) == list(map(np.prod, shapes))


def test_limits_are_kept():
    few = gradcheck.suite("affine", lambda config, primals: None, limits={"up to 20": lambda c: c.in_features <= 20})
    assert [size.config["in_features"] for size in sizes_of(few)] == [4, 8, 16]
    never = gradcheck.suite("affine", lambda config, primals: None, limits={"none": lambda c: c.in_features > 1e6})
    with pytest.raises(ValueError, match="to have a size within its limits, got none"):
        sizes_of(never)


def test_a_deferred_subject_is_made_when_its_turn_comes():
    world, made = World(), []

    def make():
        made.append(True)
        return world.subject({"x": np.ones(3)})

    later = Deferred("later", make)
    assert made == []
    assert [size.config for size in sizes_of(later)] == [{"x": (3,)}]


# Records


def test_a_report_is_read_as_it_was_written():
    world = World()
    report = time_items([world.suite(4, 8)], TimeOptions(seed=3, budget=0.1), stopwatch=world.stopwatch())
    assert TimingReport.from_dict(json.loads(report.to_json())) == report


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timing": 2}, "expected $.timing to be 1, the only schema that this version reads, got 2"),
        ({"seed": "x"}, 'expected $.seed to be a whole number from 0, got "x"'),
        ({"rounds": 0}, "expected $.rounds to be a whole number from 1, got 0"),
        ({"subjects": [{"name": "a"}]}, "expected $.subjects[0] to have the field 'kind', got name"),
        ({"environment": None}, "expected $.environment to be an object, got null"),
    ],
)
def test_other_data_are_refused(change, said):
    data = time_items([], stopwatch=World().stopwatch()).to_dict()
    with pytest.raises(ValueError) as caught:
        TimingReport.from_dict({**data, **change})
    assert said in str(caught.value)


# Threads


def test_threads_are_known_from_what_limits_them():
    assert threads_of(threads_to_be(3))[0] == 3
    assert threads_of({}) == (None, "no variable limits them")
    differing = dict(zip(THREAD_VARIABLES, ("1", "2"), strict=False))
    assert threads_of(differing) == (None, "the variables differ: OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=2")
    assert threads_of({"OMP_NUM_THREADS": "many"})[0] is None
