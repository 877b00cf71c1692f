"""Who runs tasks, and their results in the order of the plan whoever runs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Protocol

from gradcheck.runs.result import Result
from gradcheck.runs.task import Task, perform
from gradcheck.targets import Item


class TaskExecutor(Protocol):
    """What runs the tasks of one item after another."""

    @property
    def needs_source(self) -> bool:
        """Whether items are found by their source, not handed over."""

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Run tasks, taken one by one as there is room to run them; yield each with its result, in any order."""

    def close(self) -> None:
        """End whatever still runs."""


class ResultStore(Protocol):
    """The results of earlier runs of the same plan."""

    def known(self, task: Task) -> bool:
        """Whether the store has the result of a task."""

    def read(self, task: Task) -> Result:
        """Return the result of a task."""

    def add(self, task: Task, result: Result) -> None:
        """Store a result."""


class InProcess:
    """This process, one task after another."""

    needs_source = False

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Run tasks as they come."""
        for task in tasks:
            yield task, perform(item, task)

    def close(self) -> None:
        """Do nothing: nothing runs on."""


class NoStore:
    """A store that keeps nothing."""

    def known(self, task: Task) -> bool:  # noqa: ARG002  # of no task
        """Know no task."""
        return False

    def read(self, task: Task) -> Result:
        """Refuse: there is nothing to read."""
        raise LookupError(task.number)

    def add(self, task: Task, result: Result) -> None:
        """Forget the result."""


def run_in_order(
    executor: TaskExecutor, item: Item, tasks: Iterable[Task], store: ResultStore
) -> Iterator[tuple[Task, Result]]:
    """Yield each task with its result in the order of the plan; what the store knows is not run again."""
    waiting: deque[Task] = deque()
    done: dict[int, Result] = {}

    def due() -> Iterator[Task]:
        for task in tasks:
            waiting.append(task)
            if not store.known(task):
                yield task

    def ready() -> Iterator[tuple[Task, Result]]:
        while waiting and (waiting[0].number in done or store.known(waiting[0])):
            task = waiting.popleft()
            fresh = done.pop(task.number, None)
            yield task, store.read(task) if fresh is None else fresh

    with closing(executor.run(item, due())) as running:  # type: ignore[type-var]
        for task, result in running:
            store.add(task, result)
            done[task.number] = result
            yield from ready()
    yield from ready()
