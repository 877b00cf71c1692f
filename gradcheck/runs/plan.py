"""How a campaign is run, and what it will run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gradcheck.checks.stages import GROUPS, Settings
from gradcheck.runs.quota import Quota
from gradcheck.runs.source import Source
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.suite import Suite

Item: TypeAlias = Suite | Subject | Deferred


@dataclass(frozen=True)
class Options:
    """How a campaign is run.

    Attributes
    ----------
    examples : int
        Drawn cases per suite, beside the corner cases.
    seed : int
    dtype : {"float64", "float32", "float16"} or None
        Precision of the primals; None leaves them as they are.
    exhaustive : bool
        Compare every entry with its own difference too.
    trials : int
        Tangents and cotangents of each projected check.
    contracts : bool
        Run the checks beside the projected one as well.
    without : mapping of str to str
        Checks to do without, each with its reason, beside those that a suite or a subject does without.
    groups : tuple of str
        Groups of checks that are run.
    corners : bool
        Run the corner cases too.
    self_test : bool
        Plant mistakes into what passed, and report which of them its cases would have shown.
    pictures : bool
        Keep what can be drawn of wrong gradients.
    """

    examples: int = 100
    seed: int = 0
    dtype: str | None = None
    exhaustive: bool = False
    trials: int = 2
    contracts: bool = True
    without: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = GROUPS
    corners: bool = True
    self_test: bool = False
    pictures: bool = False

    @property
    def settings(self) -> Settings:
        """How each case is checked."""
        return Settings(
            trials=self.trials,
            exhaustive=self.exhaustive,
            contracts=self.contracts,
            without=self.without,
            groups=self.groups,
            pictures=self.pictures,
        )


def plan_of(
    items: Sequence[Item], sources: Sequence[Source], options: Options, limits: Quota | None = None
) -> dict[str, Any]:
    """Return what decides which cases a run has and what becomes of them, as plain data."""
    limits = limits or Quota()
    return {
        "seed": options.seed,
        "examples": options.examples,
        "dtype": options.dtype,
        "exhaustive": options.exhaustive,
        "trials": options.trials,
        "contracts": options.contracts,
        "without": dict(options.without),
        "groups": list(options.groups),
        "corners": options.corners,
        "timeout": limits.seconds,
        "memory": limits.memory,
        "targets": [
            [item.name, item.kind_name if isinstance(item, Suite) else None, source.digest()]
            for item, source in zip(items, sources, strict=True)
        ],
    }
