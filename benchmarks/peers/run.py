"""One run of everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from peers import false_alarms, faults
from peers.cases import COST, LARGE, SMALL
from peers.cost import ROUNDS, measure
from peers.peer import Peer
from peers.results import Checker, Results, this_machine


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes
    ----------
    share : int
        One in so many of the mistakes of any layer is planted (see `faults.sample`).
    seeds : int
        Points of each right layer.
    budget : float
        Seconds that a single check may take.
    rounds : int
    """

    share: int = 8
    seeds: int = 3
    budget: float = 12.0
    rounds: int = ROUNDS


USUAL, FULL = Size(), Size(share=1, seeds=12, budget=90.0, rounds=31)


def run(peers: Sequence[Peer], size: Size, progress: Callable[[str, int, int], None]) -> Results:
    """Measure costs, plant mistakes, and ask about right layers."""
    begun = time.perf_counter()
    costs = []
    for done, (name, layer) in enumerate(COST.items()):
        progress("cost", done, len(COST))
        memory = name in (SMALL, LARGE)
        costs.append(measure(name, layer, peers, size.budget, size.rounds, memory=memory))
    found = faults.ask(peers, partial(progress, "mistakes"), size.share)
    alarms = false_alarms.ask(peers, partial(progress, "right layers"), size.seeds)
    checkers = tuple(map(Checker.of, peers))
    return Results(this_machine(), checkers, tuple(costs), found, alarms, time.perf_counter() - begun)
