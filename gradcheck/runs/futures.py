"""Cases on any `concurrent.futures.Executor`: processes of this machine, or workers of a cluster."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import replace
from typing import TypeAlias

from gradcheck.messages import told
from gradcheck.runs.result import Result, lost, result_from_json
from gradcheck.runs.source import Source
from gradcheck.runs.task import Task, perform_remotely
from gradcheck.targets import Item

#: So many tasks are with the executor at a time.
IN_FLIGHT = 256
#: Seconds to wait for a scheduler.
_CONNECTING = 20

_Running: TypeAlias = dict["Future[str]", Task]


class FuturesExecutor:
    """The workers of an executor.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Its workers need gradcheck, and what the items import; no disk in common, as the text of a file goes with it.
    done : callable, optional
        Called when nothing more is to be run. Default: the executor stays as it is, for whoever made it.
    """

    needs_source = True

    def __init__(self, executor: Executor, done: Callable[[], object] = lambda: None) -> None:
        self._executor = executor
        self._done = done
        self._shipped: dict[Source, Source] = {}

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:  # noqa: ARG002  # it is found
        """Run tasks of one item; return each with its result as it is done."""
        due = iter(tasks)
        running: _Running = {}
        try:
            while True:
                while len(running) < IN_FLIGHT and (task := next(due, None)) is not None:
                    running[self._submit(task)] = task
                if not running:
                    return
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    task = running.pop(future)
                    yield task, _result(task, future)
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        """Let go of the executor."""
        self._done()

    def _submit(self, task: Task) -> Future[str]:
        try:
            return self._executor.submit(perform_remotely, self._with_text(task))
        except (BrokenExecutor, RuntimeError) as error:
            broken: Future[str] = Future()
            broken.set_exception(error)
            return broken

    def _with_text(self, task: Task) -> Task:
        assert task.source is not None
        if task.source not in self._shipped:
            self._shipped[task.source] = task.source.shipped()
        return replace(task, source=self._shipped[task.source])


def _result(task: Task, future: Future[str]) -> Result:
    try:
        return result_from_json(future.result())
    except Exception as error:  # whatever an executor has to tell of a worker that died
        sentence = f"the executor could not run the case: {told(error)}"
        return lost(task.name, task.case, "executor", sentence, task.reproduce)


def on_dask(address: str) -> FuturesExecutor:
    """Return the workers of a Dask cluster.

    Raises
    ------
    ValueError
        If Dask is not installed, or nothing answers at that address.
    """
    try:
        client_of = importlib.import_module("distributed").Client
    except ImportError:
        raise ValueError(
            'a cluster needs the package distributed; install it with: pip install "gradcheck[distributed]"'
        ) from None
    try:
        client = client_of(address, timeout=_CONNECTING)
    except (OSError, ValueError) as error:
        raise ValueError(f"expected the address of a Dask scheduler, got {address!r} ({told(error)})") from None
    # Each task is one of its own, although two may be given the same arguments; a worker that dies is not the task's.
    return FuturesExecutor(client.get_executor(pure=False, retries=3), client.close)
