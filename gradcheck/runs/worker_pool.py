"""Worker processes, each of which may hang or die: that costs the case it runs, and a new worker takes its place.

Every worker has a pipe of its own. A pool whose workers share one, and a lock for it, is broken when a worker dies that
waits and so holds the lock, as one does that a forgotten thread ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import re
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from gradcheck.runs.quota import Quota
from gradcheck.runs.result import Result, lost, result_from_json
from gradcheck.runs.source import Source
from gradcheck.runs.task import Task
from gradcheck.runs.worker import BEGUN, serve
from gradcheck.targets import Item

#: Seconds that a worker may take to find its item.
_LOADING = 120.0
#: Seconds after which workers are looked at, although none said anything.
_LOOK = 0.25
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_OURS = str(Path(__file__).parents[1])


class WorkerPool:
    """Worker processes of this machine. Use as a context manager, or close it.

    Parameters
    ----------
    workers : int
    quota : Quota, optional
        What each case may take.

    Notes
    -----
    Workers are spawned, not forked, find items by import, and are new for each item, except that the layers that come
    with gradcheck share theirs: what somebody's code leaves behind meets no other code.

    Raises
    ------
    ValueError
        If there would be no worker.

    Examples
    --------
    >>> WorkerPool(0)
    Traceback (most recent call last):
        ...
    ValueError: expected at least one worker, got workers=0
    """

    needs_source = True

    def __init__(self, workers: int = 1, quota: Quota | None = None) -> None:
        if workers < 1:
            raise ValueError(f"expected at least one worker, got workers={workers!r}")
        self._size = workers
        self._quota = quota or Quota()
        self._folder = tempfile.TemporaryDirectory(prefix="gradcheck-")
        self._workers: list[_Worker] = []
        self._serves: Source | None = None
        self._started = 0

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:  # noqa: ARG002  # it is found
        """Run tasks of one item; return each with its result as it is done."""
        due = iter(tasks)
        try:
            while True:
                self._hand_out(due)
                busy = [worker for worker in self._workers if worker.task is not None]
                if not busy:
                    return
                wait([worker.pipe for worker in busy], self._patience(busy))
                for worker in busy:
                    result = worker.look()
                    if result is not None:
                        task = worker.finish()
                        if result.lost or result.threads:
                            self._retire(worker)
                        yield task, result
        finally:
            for worker in [worker for worker in self._workers if worker.task is not None]:
                self._retire(worker)

    def close(self) -> None:
        """End every worker."""
        for worker in list(self._workers):
            self._retire(worker)
        self._folder.cleanup()

    def _hand_out(self, due: Iterator[Task]) -> None:
        """Give every worker that is free a task, and make workers while there are tasks for more."""
        while True:
            free = next((worker for worker in self._workers if worker.task is None), None)
            if free is None and len(self._workers) >= self._size:
                return
            task = next(due, None)
            if task is None:
                return
            if self._changes_hands(task):
                free = None
            (free or self._start()).begin(task)

    def _changes_hands(self, task: Task) -> bool:
        """End the workers of another item, unless both are ours."""
        assert task.source is not None
        before, self._serves = self._serves, task.source
        if before in (None, task.source) or (before.is_reference and task.source.is_reference):
            return False
        for worker in list(self._workers):
            self._retire(worker)
        return True

    def _start(self) -> _Worker:
        self._started += 1
        worker = _Worker(Path(self._folder.name) / f"{self._started}.txt", self._quota)
        self._workers.append(worker)
        return worker

    def _retire(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()

    @staticmethod
    def _patience(busy: list[_Worker]) -> float:
        return max(0.0, min(_LOOK, *(worker.deadline - time.monotonic() for worker in busy)))


class _Worker:
    """One worker process, the task it has, and the time by which it must be done."""

    def __init__(self, trace: Path, quota: Quota) -> None:
        self._trace = trace
        self._quota = quota
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=serve, args=(theirs, str(trace), quota), daemon=True)
        self._process.start()
        theirs.close()
        self.task: Task | None = None
        self._began = False
        self.deadline = float("inf")

    def begin(self, task: Task) -> None:
        """Give the worker a task."""
        self.task, self._began = task, False
        self.deadline = time.monotonic() + _LOADING
        with contextlib.suppress(OSError):  # a worker that is gone is noticed when it is looked at
            self.pipe.send_bytes(pickle.dumps(task))

    def finish(self) -> Task:
        """Take the task back."""
        task, self.task = self.task, None
        assert task is not None
        return task

    def look(self) -> Result | None:
        """Return the result of the task, if there is one by now."""
        try:
            while self.pipe.poll():
                message = self.pipe.recv_bytes()
                if message != BEGUN:
                    return result_from_json(message.decode())
                self._began = True
                seconds = self._quota.seconds
                self.deadline = float("inf") if seconds is None else time.monotonic() + seconds
        except (EOFError, OSError):
            return self._died()
        except ValueError as error:
            return self._lost("crash", f"what its worker sent cannot be read: {error}")
        if time.monotonic() >= self.deadline:
            return self._late()
        if not self._process.is_alive() and not self.pipe.poll():
            return self._died()
        return None

    def end(self) -> None:
        """End the process, and what it started."""
        if self._process.exitcode is None and self._process.pid is not None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._process.close()
        self.pipe.close()

    def _late(self) -> Result:
        if not self._began:
            return self._lost("timeout", f"a worker could not find what to run within {_LOADING:g} s")
        return self._lost("timeout", f"the case did not end within {self._quota.seconds:g} s{self._where()}")

    def _died(self) -> Result:
        self._process.join(_LOOK)
        code = self._process.exitcode
        if code is not None and code < 0:
            return self._lost("crash", f"the case ended its process by {_signal_name(-code)}{self._where()}")
        return self._lost("exit", f"the case ended its process with status {code}{self._where()}")

    def _lost(self, check: str, sentence: str) -> Result:
        assert self.task is not None
        return lost(self.task.name, self.task.case, check, sentence, self.task.reproduce)

    def _where(self) -> str:
        """The line that the process was in, of somebody's code the innermost."""
        with contextlib.suppress(OSError):
            frames = _FRAME.findall(self._trace.read_text(encoding="utf-8", errors="replace"))
            for file, line in frames:
                if not file.startswith(_OURS) and not file.startswith(os.path.dirname(os.__file__)):  # noqa: PTH120
                    return f" ({Path(file).name}, line {line})"
        return ""


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "an unknown one"
    hint = ", which is how a system ends what takes too much memory" if name == "SIGKILL" else ""
    return f"signal {number} ({name}{hint})"
