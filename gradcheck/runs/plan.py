"""The plan of a run: its options, and the cases that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcheck.checks.stages import Settings
from gradcheck.runs.quota import Quota
from gradcheck.runs.source import Source
from gradcheck.suites.cases import Batch, batches, draw_batch
from gradcheck.suites.suite import AnyCase, Suite
from gradcheck.targets import Item


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides which cases a run has, and how each is checked.

    Attributes
    ----------
    examples : int
        Drawn cases per suite, beside the corner cases.
    seed : int
    dtype : {"float64", "float32", "float16"} or None
        Precision of the primals; None leaves them as they are.
    corners : bool
        Run the corner cases too.
    self_test : bool
        Plant mutants into what passed, and report which of them its cases kill.
    stop_at_failure : bool or None
        Whether a suite ends with the first drawn case that fails. None: it does where neither an executor nor a store
        of results was named.
    settings : Settings
        How each case is checked.
    """

    examples: int = 100
    seed: int = 0
    dtype: str | None = None
    corners: bool = True
    self_test: bool = False
    stop_at_failure: bool | None = None
    settings: Settings = field(default_factory=Settings)


def plan_of(
    items: Sequence[Item], sources: Sequence[Source], options: Options, quota: Quota | None = None
) -> dict[str, Any]:
    """Return what decides which cases a run has and what becomes of them, as plain data."""
    quota, settings = quota or Quota(), options.settings
    return {
        "seed": options.seed,
        "examples": options.examples,
        "dtype": options.dtype,
        "exhaustive": settings.exhaustive,
        "trials": settings.trials,
        "contracts": settings.contracts,
        "without": dict(settings.without),
        "groups": list(settings.groups),
        "corners": options.corners,
        "timeout": quota.seconds,
        "memory": quota.memory,
        "targets": [
            [item.name, item.kind_name if isinstance(item, Suite) else None, source.digest()]
            for item, source in zip(items, sources, strict=True)
        ],
    }


@dataclass(frozen=True, kw_only=True)
class PlannedCase:
    """One case of a suite's plan.

    Attributes
    ----------
    case : Case or DrawnCase
    batch : Batch or None
        The batch that it was drawn in; None for a corner case.
    index : int
        Its place there, or among the corner cases.
    """

    case: AnyCase
    batch: Batch | None
    index: int


def planned_cases(suite: Suite, corners: Sequence[AnyCase], options: Options) -> Iterator[PlannedCase]:
    """Yield the corner cases of a suite and then its drawn cases, a batch at a time."""
    for index, corner in enumerate(corners):
        yield PlannedCase(case=corner, batch=None, index=index)
    for batch in batches(options.examples, options.seed):
        for index, case in enumerate(draw_batch(suite, batch)):
            yield PlannedCase(case=case, batch=batch, index=index)
