"""Who runs the tasks of a campaign, and where other processes find what is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gradcheck.runs.executor import NoStore, ResultStore, TaskExecutor, run_in_order
from gradcheck.runs.plan import Item
from gradcheck.runs.result import Result
from gradcheck.runs.source import Source, source_of
from gradcheck.runs.task import Task


@dataclass(frozen=True)
class Seat:
    """The place of an item in a run, and where another process finds it."""

    number: int
    source: Source | None


def seats_of(items: Sequence[Item], sources: Sequence[Source] | None, *, needed: bool) -> list[Seat]:
    """Return the place of each item."""
    if sources is None:
        return [Seat(number, source_of(item) if needed else None) for number, item in enumerate(items)]
    return [Seat(number, source) for number, (_, source) in enumerate(zip(items, sources, strict=True))]


@dataclass(frozen=True)
class Bench:
    """Who runs the tasks of a plan, and what is known of them."""

    executor: TaskExecutor
    records: ResultStore

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Run tasks of the plan, in their order."""
        return run_in_order(self.executor, item, tasks, self.records)

    def run_one(self, item: Item, task: Task) -> Result:
        """Run a task that is not of the plan, and not recorded."""
        ((_, result),) = run_in_order(self.executor, item, [task], NoStore())
        return result
