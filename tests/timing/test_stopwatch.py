"""The stopwatch with a clock of its own: what it calls, how often, and in which order."""

from __future__ import annotations

import gc

import pytest

from gradcheck.timing.stopwatch import LEAST, Stopwatch


class Clock:
    """A clock that stands still until something takes time."""

    def __init__(self):
        self.nanoseconds = 0
        self.log = []

    def __call__(self):
        return self.nanoseconds

    def takes(self, name, *seconds):
        """Return a call that takes these times in turn, the last of them from then on."""
        left = list(seconds)

        def call():
            self.log.append(name)
            self.nanoseconds += round(1e9 * (left.pop(0) if len(left) > 1 else left[0]))

        return call


def test_medians_and_their_spread_are_told():
    clock = Clock()
    call = clock.takes("a", 1, 1, 2, 9, 3)  # the first finds out how often to repeat
    assert Stopwatch(clock).in_turn({"a": call}, {"a": 4})["a"] == pytest.approx((2.5, 1.0, 4))


def test_rounds_are_interleaved():
    clock = Clock()
    calls = {name: clock.takes(name, 1.0) for name in "ab"}
    Stopwatch(clock).in_turn(calls, {"a": 3, "b": 2})
    assert "".join(clock.log) == "ab" + "abab" + "a"


def test_a_single_round_is_one_call():
    clock = Clock()
    Stopwatch(clock).in_turn({"a": clock.takes("a", 1e-7)}, {"a": 1})
    assert clock.log == ["a"]


def test_tiny_calls_are_repeated_until_the_clock_can_tell():
    clock = Clock()
    median = Stopwatch(clock).in_turn({"a": clock.takes("a", 1e-6)}, {"a": 2})["a"]
    assert median.seconds == pytest.approx(1e-6)
    assert len(clock.log) >= 3 * LEAST / 1e-6


def test_a_call_that_takes_no_time_ends_too():
    assert Stopwatch(Clock()).in_turn({"a": lambda: None}, {"a": 2})["a"] == (0.0, 0.0, 2)


@pytest.mark.parametrize(("until", "rounds"), [(45.0, 4), (5.0, 3)])
def test_no_round_begins_after_its_time_but_three_are_made(until, rounds):
    clock = Clock()  # 10 seconds go by before the first round, which finds out how often to repeat
    medians = Stopwatch(clock).in_turn({"a": clock.takes("a", 10.0)}, {"a": 7}, until)
    assert medians["a"].rounds == rounds


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_rests_meanwhile_and_is_as_it_was_afterwards(collects):
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        seen = []
        Stopwatch().sample(lambda: seen.append(gc.isenabled()))
        assert seen == [False]
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
