"""One run of everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peers import false_alarms, faults
from peers.cases import COST, LARGE, SMALL
from peers.cost import ROUNDS, measure
from peers.peer import Peer
from peers.results import Checker, Results, this_machine

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes
    ----------
    share : int
        Every so-manieth mistake is planted.
    seeds : int
        Points of each right layer.
    budget : float
        Seconds that a single check may take.
    rounds : int
    """

    share: int = 6
    seeds: int = 3
    budget: float = 12.0
    rounds: int = ROUNDS


USUAL, FULL = Size(), Size(share=1, seeds=12, budget=90.0, rounds=31)


def run(peers: Sequence[Peer], size: Size, progress: Progress = lambda what, done, of: None) -> Results:
    """Measure costs, plant mistakes, and ask about right layers."""
    begun = time.perf_counter()
    costs = []
    for done, (name, layer) in enumerate(COST.items()):
        progress("cost", done, len(COST))
        memory = name in (SMALL, LARGE)
        costs.append(measure(name, layer, peers, size.budget, size.rounds, memory=memory))
    found = faults.ask(peers, size.share, lambda done, of: progress("mistakes", done, of))
    alarms = false_alarms.ask(peers, size.seeds, lambda done, of: progress("right layers", done, of))
    checkers = tuple(map(Checker.of, peers))
    return Results(this_machine(), checkers, tuple(costs), found, alarms, time.perf_counter() - begun)
