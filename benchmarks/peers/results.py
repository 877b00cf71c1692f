"""What was measured, as data: the tables and the page are made from this alone."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from peers.peer import Peer, Verdict

#: How often each verdict was given.
Counts = dict[Verdict, int]
#: ``progress(done, of)`` is told how far a measurement is.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Checker:
    """A checker as it was found on the machine."""

    name: str
    version: str
    offered: str
    missing: str | None = None

    @classmethod
    def of(cls, peer: Peer) -> Checker:
        """Return what the tables tell of a checker."""
        missing = peer.missing()
        return cls(peer.name, "" if missing else peer.version(), peer.offered, missing)


@dataclass(frozen=True)
class Cost:
    """What one check of a right layer took.

    Attributes
    ----------
    forwards, pullbacks : int
        Calls of the layer.
    ratio : float
        Median, over rounds, of its time divided by that of one forward and backward in the same round.
    spread : float
        Half of the distance between the quartiles of these ratios, as a share of their median.
    milliseconds : float
        Median.
    rounds : int
    verdict : str
    peak : float or None
        MiB that the process grew by at most; None where the system does not tell.
    """

    forwards: int
    pullbacks: int
    ratio: float
    spread: float
    milliseconds: float
    rounds: int
    verdict: Verdict
    peak: float | None = None


@dataclass(frozen=True)
class Costs:
    """What a layer costs by itself, and under each checker: a `Cost`, or why there is none."""

    layer: str
    inputs: int
    outputs: int
    forward: float  # milliseconds
    both: float  # milliseconds, of one forward and backward
    checks: dict[str, Cost | str]


@dataclass(frozen=True)
class Faults:
    """What became of the planted mistakes.

    Attributes
    ----------
    kinds : tuple of str
    groups : mapping of str to int
        How many mistakes were planted, by group.
    verdicts : mapping
        Counts of verdicts by group and checker. A checker that does not accept the right layer is not asked about
        its mistakes, and stands there with fewer.
    slugs : mapping
        Counts for mistakes of call order, memory and precision, by slug and checker.
    sentences : mapping of str to str
        What these slugs mean.
    hidden, by_suite : int
        Mistakes that change nothing at these points, and how many of these the suite of the kind finds, which draws
        configurations by itself.
    available : int
        How many could have been planted.
    """

    kinds: tuple[str, ...]
    groups: dict[str, int]
    verdicts: dict[str, dict[str, Counts]]
    slugs: dict[str, dict[str, Counts]]
    sentences: dict[str, str]
    hidden: int
    by_suite: int
    available: int


@dataclass(frozen=True)
class Alarms:
    """Verdicts on right layers, by situation and checker."""

    cases: dict[str, int]
    verdicts: dict[str, dict[str, Counts]]


@dataclass(frozen=True)
class Results:
    """One run of all of it."""

    machine: dict[str, str]
    checkers: tuple[Checker, ...]
    costs: tuple[Costs, ...]
    faults: Faults
    alarms: Alarms
    seconds: float

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps({"peers": 1, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Return what `to_json` wrote."""
        data = json.loads(text)
        return cls(
            data["machine"],
            tuple(Checker(**one) for one in data["checkers"]),
            tuple(
                Costs(**{**one, "checks": {name: _cost(row) for name, row in one["checks"].items()}})
                for one in data["costs"]
            ),
            Faults(**{**data["faults"], "kinds": tuple(data["faults"]["kinds"])}),
            Alarms(**data["alarms"]),
            data["seconds"],
        )


def _cost(row: Any) -> Cost | str:
    return row if isinstance(row, str) else Cost(**row)


def this_machine() -> dict[str, str]:
    """Return what figures depend on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "BLAS threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }
