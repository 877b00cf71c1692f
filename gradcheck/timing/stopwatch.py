"""How long calls take: in turn, often enough for the clock, and told by medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Clock: TypeAlias = Callable[[], int]

#: Seconds of a sample, of which the clock and the loop are far below a percent.
LEAST = 2e-3
_MOST_REPEATS = 10_000
#: Of so few samples a median means something.
_FEWEST = 3


class Median(NamedTuple):
    """Seconds of one call: the median of its samples, the median deviation from that, and how many there were."""

    seconds: float
    spread: float
    rounds: int


@dataclass(frozen=True)
class Stopwatch:
    """Times calls.

    Attributes
    ----------
    clock : callable
        Returns nanoseconds.
    """

    clock: Clock = time.perf_counter_ns

    @property
    def now(self) -> float:
        """Seconds of the clock."""
        return self.clock() * 1e-9

    def in_turn(
        self,
        calls: Mapping[str, Callable[[], Any]],
        rounds: Mapping[str, int],
        until: float = float("inf"),
        least: float = LEAST,
    ) -> dict[str, Median]:
        """Time several calls in interleaved rounds, so that what disturbs a moment disturbs all of them.

        Parameters
        ----------
        calls : mapping of str to callable
            Each was called before: what is loaded at the first use is no part of a time.
        rounds : mapping of str to int
            Samples of each, at least 1.
        until : float
            When the clock shows this, no further round is begun, but three are made.
        least : float
            A call is repeated until its sample lasts so many seconds.
        """
        samples: dict[str, list[float]] = {name: [] for name in calls}
        repeats = {name: self._repeats(call, least) for name, call in calls.items() if rounds[name] > 1}
        for done in range(max(rounds.values())):
            if done >= _FEWEST and self.now > until:
                break
            for name, call in calls.items():
                if done < rounds[name]:
                    samples[name].append(self.sample(call, repeats.get(name, 1)))
        return {name: _median(taken) for name, taken in samples.items()}

    def sample(self, call: Callable[[], Any], repeats: int = 1) -> float:
        """Return the mean seconds of that many calls, the garbage collector being off."""
        collects = gc.isenabled()
        gc.disable()
        try:
            begun = self.clock()
            for _ in range(repeats):
                call()
            return (self.clock() - begun) * 1e-9 / repeats
        finally:
            if collects:
                gc.enable()

    def _repeats(self, call: Callable[[], Any], least: float) -> int:
        """How many calls make a sample that is long enough."""
        repeats = 1
        while (took := self.sample(call, repeats) * repeats) < least and repeats < _MOST_REPEATS:
            repeats = min(_MOST_REPEATS, max(2 * repeats, round(repeats * least / max(took, least / 10))))
        return repeats


def _median(samples: list[float]) -> Median:
    middle = statistics.median(samples)
    return Median(middle, statistics.median(abs(sample - middle) for sample in samples), len(samples))
