"""What a check costs: calls, and time beside one forward and backward, all checkers in turn in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from peers.cases import Layer
from peers.function import Function
from peers.memory import peaks
from peers.peer import Check, Outcome, Peer, judged
from peers.results import Cost, Costs

#: Each check is repeated so often, or as long as its seconds last.
ROUNDS, SECONDS_EACH = 15, 1.5
#: A check that would hold more at once is not run.
MOST_GIBIBYTES = 2.0


@dataclass
class _Row:
    peer: Peer
    function: Function
    check: Check
    outcome: Outcome
    rounds: int
    times: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)


def measure(
    name: str, layer: Layer, peers: Sequence[Peer], budget: float, rounds: int = ROUNDS, *, memory: bool = False
) -> Costs:
    """Return what each checker takes for a layer; none is run that would take much longer than `budget` seconds.

    The peak memory is asked only where `memory` is true: each checker takes a process of its own for that.
    """
    base = Function(layer.subject())
    point = base.arrays()
    forward = _median_of(lambda: base.call(*point), 15)
    both = _median_of(base.forward_and_backward, 15)
    units = []
    checks: dict[str, Cost | str] = {}
    rows = []
    for peer in peers:
        reason = peer.missing() or _too_much(peer, base, both, budget)
        if reason:
            checks[peer.name] = reason
        else:
            rows.append(_warm(peer, layer, rounds))
            checks[peer.name] = ""  # keeps the order
    for row in _in_turn(rows):
        # The unit is measured right beside each check, since a machine's pace changes within a run.
        units.append(_median_of(base.forward_and_backward, 5))
        row.times.append(_seconds(partial(judged, row.function, row.check)))
        row.ratios.append(row.times[-1] / units[-1])
    grown = peaks([row.peer for row in rows], layer) if memory else {}
    for row in rows:
        checks[row.peer.name] = replace(_cost(row), peak=grown.get(row.peer.name))
    return Costs(name, base.inputs, base.outputs, 1e3 * forward, 1e3 * statistics.median(units or [both]), checks)


def _too_much(peer: Peer, function: Function, both: float, budget: float) -> str | None:
    """Return why a check is not run, if it is not: calls are taken to last half of the unit each."""
    size = function.inputs, function.outputs
    calls = peer.calls(*size) if peer.calls else 0
    if calls * both / 2 > budget:
        return f"not run: {calls:,} calls, about {calls * both / 2:,.0f} s"
    gibibytes = 8 * peer.keeps(*size) / 2**30 if peer.keeps else 0
    return f"not run: would hold {gibibytes:,.0f} GiB" if gibibytes > MOST_GIBIBYTES else None


def _warm(peer: Peer, layer: Layer, rounds: int) -> _Row:
    """Prepare a check and run it once, or twice if it is short: libraries load and compile in the first run."""
    function = Function(layer.subject())
    check = peer.prepare(function)
    begun = time.perf_counter()
    outcome = judged(function, check)
    took = time.perf_counter() - begun
    if took < SECONDS_EACH:
        took = _seconds(partial(judged, function, check))
    return _Row(peer, function, check, outcome, max(1, min(rounds, int(SECONDS_EACH / took))))


def _in_turn(rows: Sequence[_Row]) -> Iterator[_Row]:
    for k in range(max((row.rounds for row in rows), default=0)):
        yield from (row for row in rows if k < row.rounds)


def _cost(row: _Row) -> Cost:
    ratio = statistics.median(row.ratios)
    lower, _, upper = statistics.quantiles(row.ratios, n=4) if len(row.ratios) > 1 else (ratio,) * 3
    return Cost(
        row.outcome.forwards,
        row.outcome.pullbacks,
        ratio,
        (upper - lower) / (2 * ratio),
        1e3 * statistics.median(row.times),
        row.rounds,
        row.outcome.verdict,
    )


def _median_of(function: Callable[[], object], times: int) -> float:
    return statistics.median(_seconds(function) for _ in range(times))


def _seconds(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun
