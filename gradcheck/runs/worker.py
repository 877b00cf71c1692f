"""The process that runs cases of code which is not trusted to come back; what it does around each of them."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import BinaryIO

from gradcheck.messages import told
from gradcheck.runs.quota import Quota, lift_memory_limit, limit_memory
from gradcheck.runs.result import Result, flooded, lost, result_to_json
from gradcheck.runs.source import find_item
from gradcheck.runs.task import Task, perform

#: What a worker says when it has found the item, and the case itself begins.
BEGUN = b"begun"
#: A case that has taken this share of its time leaves word of where it is.
_LATE = 0.95


def serve(pipe: Connection, trace: str, quota: Quota) -> None:
    """Run tasks that come through a pipe, until there are no more or nobody is left to send any.

    Parameters
    ----------
    pipe : Connection
        Brings pickled tasks from the process that started this one; takes results as JSON: what comes back from
        somebody's code is data.
    trace : str
        A file for the stack of a process that crashes or hangs.
    quota : Quota
    """
    with open(trace, "w+b", buffering=0) as log:  # noqa: PTH123  # faulthandler writes to its descriptor
        _withdraw(log)
        with contextlib.suppress(EOFError, OSError):
            while True:
                task = pickle.loads(pipe.recv_bytes())
                pipe.send_bytes(_run(task, pipe, log, quota).encode())


def _withdraw(log: BinaryIO) -> None:
    """Leave the terminal, the signals and the folder of core dumps to the process that started this one."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    with contextlib.suppress(ImportError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(log)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End as soon as the process that started this one does, whatever a case is doing."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _run(task: Task, pipe: Connection, log: BinaryIO, quota: Quota) -> str:
    assert task.source is not None
    with _watched_output() as printed:
        try:
            item = find_item(task.source)
        except BaseException as error:
            return result_to_json(_not_found(task, error))
        before = set(threading.enumerate())
        log.seek(0)
        log.truncate()
        pipe.send_bytes(BEGUN)
        with _limited(quota, log):
            result = perform(item, task)
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    result = replace(result, printed=printed.characters, threads=len(left))
    return result_to_json(flooded(result, task.case, task.reproduce))


def _not_found(task: Task, error: BaseException) -> Result:
    sentence = f"a worker cannot find what to run: {told(error)}"
    return lost(task.name, task.case, "import", sentence, task.reproduce)


@contextlib.contextmanager
def _limited(quota: Quota, log: BinaryIO) -> Iterator[None]:
    if quota.seconds is not None:
        faulthandler.dump_traceback_later(_LATE * quota.seconds, file=log)
    if quota.memory is not None:
        limit_memory(quota.memory)
    try:
        yield
    finally:
        if quota.memory is not None:
            lift_memory_limit()
        faulthandler.cancel_dump_traceback_later()


class _Counter(io.TextIOBase):
    """A stream that counts what is written to it, and keeps nothing."""

    def __init__(self) -> None:
        self.characters = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.characters += len(text)
        return len(text)


@contextlib.contextmanager
def _watched_output() -> Iterator[_Counter]:
    counter = _Counter()
    streams = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = counter
    try:
        yield counter
    finally:
        sys.stdout, sys.stderr = streams
