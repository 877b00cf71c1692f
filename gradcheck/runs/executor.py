"""Who runs tasks, and the results in the order of the plan whoever runs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Protocol

from gradcheck.runs.result import Result
from gradcheck.runs.task import Item, Task, perform


class TaskExecutor(Protocol):
    """Somebody who runs the tasks of one item after another."""

    @property
    def needs_source(self) -> bool:
        """Whether items are found by their source, not handed over."""

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Run tasks, taken one by one as there is somebody to run them; return each with its outcome, in any order."""

    def close(self) -> None:
        """End whatever still runs."""


class ResultStore(Protocol):
    """What is known of earlier runs of the same plan."""

    def known(self, task: Task) -> bool:
        """Whether the outcome of a task is on record."""

    def read(self, task: Task) -> Result:
        """Return the outcome on record."""

    def add(self, task: Task, result: Result) -> None:
        """Put an outcome on record."""


class InProcess:
    """This process, one task after another."""

    needs_source = False

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Run tasks as they come."""
        for task in tasks:
            yield task, perform(item, task)

    def close(self) -> None:
        """There is nothing to end."""


class NoStore:
    """Nothing is known, and nothing kept."""

    def known(self, task: Task) -> bool:  # noqa: ARG002  # of no task
        """Nothing is."""
        return False

    def read(self, task: Task) -> Result:
        """There is nothing to read."""
        raise LookupError(task.number)

    def add(self, task: Task, result: Result) -> None:
        """Forget it."""


def run_in_order(
    executor: TaskExecutor, item: Item, tasks: Iterable[Task], records: ResultStore
) -> Iterator[tuple[Task, Result]]:
    """Return each task with its outcome in the order of the plan; what is on record is not run again."""
    waiting: deque[Task] = deque()
    done: dict[int, Result] = {}

    def due() -> Iterator[Task]:
        for task in tasks:
            waiting.append(task)
            if not records.known(task):
                yield task

    def ready() -> Iterator[tuple[Task, Result]]:
        while waiting and (waiting[0].number in done or records.known(waiting[0])):
            task = waiting.popleft()
            fresh = done.pop(task.number, None)
            yield task, records.read(task) if fresh is None else fresh

    with closing(executor.run(item, due())) as running:  # type: ignore[type-var]
        for task, result in running:
            records.add(task, result)
            done[task.number] = result
            yield from ready()
    yield from ready()
