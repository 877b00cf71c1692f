"""Who runs the tasks of a campaign, and where other processes find what is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gradcheck.campaign.options import Item
from gradcheck.execution.crew import Crew, NoRecords, Records, run_in_order
from gradcheck.execution.outcome import Outcome
from gradcheck.execution.source import Source, source_of
from gradcheck.execution.task import Task


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

    crew: Crew
    records: Records

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks of the plan, in their order."""
        return run_in_order(self.crew, item, tasks, self.records)

    def run_one(self, item: Item, task: Task) -> Outcome:
        """Run a task that is not of the plan, and not recorded."""
        ((_, outcome),) = run_in_order(self.crew, item, [task], NoRecords())
        return outcome
