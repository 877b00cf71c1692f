"""What this project aims at, beside what was measured: met, or the gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from peers.cases import LARGE, SMALL
from peers.results import Cost, Results
from peers.tables import Table, noticed

PROJECTED, ONE, DEFAULT, EXHAUSTIVE = (
    "gradcheck, projected",
    "gradcheck, one trial",
    "gradcheck, default",
    "gradcheck, entry by entry",
)
SLOW, FAST, LOOP = "torch gradcheck, slow", "torch gradcheck, fast", "plain loop"


@dataclass(frozen=True)
class Target:
    """One aim: `met` is None where this run does not tell."""

    what: str
    due: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """Return the last cell of its row."""
        return {True: "met", False: "gap", None: "not judged"}[self.met]


def targets_table(results: Results) -> Table:
    """Return every target as a row."""
    rows = tuple((one.what, one.due, one.measured, one.verdict) for one in targets(results))
    return Table("Targets", ("what", "target", "measured", ""), rows, left=4)


def targets(results: Results) -> Iterator[Target]:
    """Yield the targets in their order."""
    small, large = (_costs(results, layer) for layer in (SMALL, LARGE))
    yield from _small(small)
    yield from _large(large)
    for layer, costs in ((SMALL, small), (LARGE, large)):
        what = f"default check beside torch fast mode, {layer}"
        yield _quotient(what, "≤ 2 ×", costs, DEFAULT, FAST, lambda found: found <= 2)
    yield from _verdicts(results)


def _small(costs: dict[str, Cost]) -> Iterator[Target]:
    what = f"projected check, two trials, {SMALL}"
    ours = costs.get(PROJECTED)
    if ours is None:
        yield Target(what, "≤ 6 × forward + backward", "not measured", None)
        return
    yield Target(what, "≤ 6 × forward + backward", f"{ours.ratio:.1f} ×", ours.ratio <= 6)
    calls = f"{ours.forwards} forwards, {ours.pullbacks} pullbacks"
    yield Target(what, "≤ 5 forwards, ≤ 2 pullbacks", calls, ours.forwards <= 5 and ours.pullbacks <= 2)
    others = {name: cost for name, cost in costs.items() if not name.startswith("gradcheck")}
    fastest = min(others, key=lambda name: others[name].ratio, default=None)
    if fastest is None:
        yield Target(what, "not slower than the fastest peer", "no peer measured", None)
    else:
        told = f"{ours.ratio:.1f} × beside {others[fastest].ratio:.1f} × of {fastest}, which takes one direction"
        if ONE in costs:
            told += f"; with one trial {costs[ONE].ratio:.1f} ×"
        yield Target(what, "not slower than the fastest peer", told, ours.ratio <= others[fastest].ratio)
    what = f"entry by entry, {SMALL}"
    yield _quotient(what, f"≥ 20 × faster than {SLOW}", costs, SLOW, EXHAUSTIVE, lambda found: found >= 20)
    yield _quotient(what, f"≥ 2 × faster than the {LOOP}", costs, LOOP, EXHAUSTIVE, lambda found: found >= 2)


def _large(costs: dict[str, Cost]) -> Iterator[Target]:
    what, due = f"projected check, {LARGE}", "≤ 5 × forward + backward"
    ours = costs.get(PROJECTED)
    if ours is None:
        yield Target(what, due, "not measured", None)
        return
    yield Target(what, due, f"{ours.ratio:.1f} ×", ours.ratio <= 5)
    told = "not measured" if ours.peak is None else f"{ours.peak:.1f} MiB"
    fast = costs.get(FAST)
    met = None
    if ours.peak is not None and fast is not None and fast.peak is not None:
        told += f" beside {fast.peak:.1f} MiB of {FAST}"
        met = ours.peak <= fast.peak
    yield Target(what, "memory like inputs + outputs: not above that of torch fast mode", told, met)


def _quotient(
    what: str, due: str, costs: dict[str, Cost], above: str, below: str, is_met: Callable[[float], bool]
) -> Target:
    if above not in costs or below not in costs:
        missing = above if above not in costs else below
        return Target(what, due, f"not measured: {missing} was not run", None)
    found = costs[above].ratio / costs[below].ratio
    return Target(what, due, f"{found:.2f} ×", is_met(found))


def _verdicts(results: Results) -> Iterator[Target]:
    faults, alarms = results.faults, results.alarms
    for group, planted in faults.groups.items():
        found = noticed(faults.verdicts.get(group, {}).get(DEFAULT, {}))
        yield Target(f"planted: {group}", "all found by the default check", f"{found} of {planted}", found == planted)
    told = f"{faults.by_suite} of {faults.hidden}"
    what = "planted: mistakes of the kind that the one configuration hides"
    yield Target(what, "all found by the suite", told, faults.by_suite == faults.hidden)
    counts = [verdicts.get(DEFAULT, {}) for verdicts in alarms.verdicts.values()]
    blamed, cases = sum(map(noticed, counts)), sum(alarms.cases.values())
    yield Target("false alarms of the default check", "0", f"{blamed} of {cases}", blamed == 0)
    yield Target("false alarms over 100,000 cases", "0", "by `benchmarks/false_alarms.py`", None)
    yield Target("largest network, every parameter", "≤ 15 × forward + backward", "by `benchmarks/networks.py`", None)
    yield Target("random convolutions per second, all checks", "≥ 100", "by `benchmarks/conv2d_cases.py`", None)
    yield Target("causes named rightly, of the faults found", "≥ 95 %", "not measured here; no peer names any", None)


def _costs(results: Results, layer: str) -> dict[str, Cost]:
    found = (costs.checks for costs in results.costs if costs.layer == layer)
    return {name: cost for name, cost in next(found, {}).items() if isinstance(cost, Cost)}
