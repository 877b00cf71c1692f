"""A file that a run appends each result to, so that a run that was killed goes on where it was.

The first line tells the plan, each further line one result, all of them JSON. A line is flushed before the next case
is counted: the process may be killed at any moment. It is forced to the disk once a second: a power failure may cost
that second.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gradcheck.records.codec import from_plain, to_plain
from gradcheck.records.field_types import Count
from gradcheck.records.json_text import parse_json
from gradcheck.runs.result import Result
from gradcheck.runs.task import Task
from gradcheck.version import __version__

#: The form of the file.
_FORM = 1
#: Seconds between two times that lines are forced to the disk.
_SYNC = 1.0


class JournalError(ValueError):
    """A file cannot be resumed; the text is one sentence."""


@dataclass(frozen=True, kw_only=True)
class _Header:
    """The first line."""

    gradcheck: str = __version__
    journal: Count = _FORM
    plan: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Each further line."""

    item: Count
    task: Count
    case: str
    outcome: Result


class Journal:
    """The results of one plan. Use as a context manager, or close it.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    plan : mapping
        As `gradcheck.runs.plan_of` tells it.

    Attributes
    ----------
    found : int
        Results that the file held when it was opened.
    notes : list of str
        What had to be mended.

    Raises
    ------
    JournalError
        If the file is of another plan, of another version, in use, or nothing that a run wrote.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        self._path = path
        self._plan = json.loads(json.dumps(plan))
        self.notes: list[str] = []
        self._places: dict[tuple[int, int], tuple[int, str]] = {}
        self._synced = 0.0
        try:
            self._file: BinaryIO = path.open("a+b", buffering=0)
        except (OSError, ValueError) as error:  # a name that holds a zero byte is a ValueError
            why = error.strerror if isinstance(error, OSError) else error
            raise JournalError(f"expected a file that can be written, got {str(path)!r} ({why})") from None
        try:
            self._lock()
            self._read_all()
        except BaseException:
            self._file.close()
            raise
        self.found = len(self._places)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Force everything to the disk, and let go of the file."""
        with contextlib.suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()

    def known(self, task: Task) -> bool:
        """Whether the result of a task is stored.

        Raises
        ------
        JournalError
            If it is that of another case.
        """
        place = self._places.get((task.item, task.number))
        if place is None:
            return False
        if place[1] != fingerprint(task):
            raise JournalError(
                f"{self._path}: expected case {task.number} of {task.name} to be the one that this run draws, got "
                f"another; was the file begun with another version of hypothesis?"
            )
        return True

    def read(self, task: Task) -> Result:
        """Return a stored result."""
        begin, _ = self._places[task.item, task.number]
        self._file.seek(begin)
        return from_plain(_Line, json.loads(self._file_line())).outcome

    def add(self, task: Task, result: Result) -> None:
        """Append a result."""
        begin = self._file.seek(0, os.SEEK_END)
        line = _Line(item=task.item, task=task.number, case=fingerprint(task), outcome=result)
        self._write(line)
        self._places[task.item, task.number] = (begin, line.case)

    def _write(self, line: _Header | _Line) -> None:
        data = _line_of(line)
        while data:  # an unbuffered file may take less than all
            data = data[self._file.write(data) :]
        if time.monotonic() - self._synced > _SYNC:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _file_line(self) -> bytes:
        with open(os.dup(self._file.fileno()), "rb") as reader:  # noqa: PTH123  # shares the position
            return reader.readline()

    def _lock(self) -> None:
        """Keep others from writing to the same file, where the system can."""
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JournalError(
                f"expected a file that no other run writes to, got {str(self._path)!r}, which one does now"
            ) from None

    def _read_all(self) -> None:
        header = _Header(plan=self._plan)
        self._file.seek(0)
        with open(os.dup(self._file.fileno()), "rb") as reader:  # noqa: PTH123
            first = reader.readline()
            if not first.endswith(b"\n") and _line_of(header).startswith(first):
                self._file.truncate(0)  # a new file, or one whose first line was not finished
                self._write(header)
                return
            self._require_plan(first)
            end = len(first)
            for number, line in enumerate(reader, 2):
                if not line.endswith(b"\n"):
                    self._file.truncate(end)
                    self.notes.append(f"{self._path}: the last line was half written, and is dropped")
                    return
                self._read_line(line, number, end)
                end += len(line)

    def _require_plan(self, line: bytes) -> None:
        try:
            header = from_plain(_Header, _parsed(line))
        except ValueError as error:
            raise JournalError(f"{self._path}: expected the file of a run with --resume: line 1: {error}") from None
        if (header.gradcheck, header.journal) != (__version__, _FORM):
            raise JournalError(
                f"{self._path}: expected a file of gradcheck {__version__}, got one of {header.gradcheck}; "
                f"name another file to begin anew"
            )
        theirs = header.plan
        for name in (*self._plan, *theirs):
            if theirs.get(name) != self._plan.get(name):
                came, expected = (_shown(plan.get(name)) for plan in (theirs, self._plan))
                raise JournalError(
                    f"{self._path}: expected the file of a run with {name}={expected}, got one with {name}={came}; "
                    f"name another file to begin anew"
                )

    def _read_line(self, line: bytes, number: int, begin: int) -> None:
        try:
            found = from_plain(_Line, _parsed(line))
        except ValueError as error:
            raise JournalError(f"{self._path}: line {number}: {error}") from None
        key = found.item, found.task
        if key in self._places:
            raise JournalError(f"{self._path}: line {number}: expected each case once, got {key} again")
        self._places[key] = (begin, found.case)


def fingerprint(task: Task) -> str:
    """Return a few letters that tell a case from every other."""
    told = hashlib.sha256(json.dumps(to_plain(task.case), sort_keys=True).encode())
    if isinstance(task.drawn, Mapping):
        for name, array in task.drawn.items():
            told.update(f"{name} {np.asarray(array).dtype}".encode())
            told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()[:16]


def _line_of(record: _Header | _Line) -> bytes:
    return json.dumps(to_plain(record), allow_nan=False).encode() + b"\n"


def _parsed(line: bytes) -> Any:
    try:
        return parse_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("expected JSON, got bytes that are not UTF-8") from None


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
