"""What the command line says of who runs the cases, what each may take, and the file that keeps the outcomes."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gradcheck.cli.command import count, load_all, misuse, one_of, output_file
from gradcheck.messages import counted
from gradcheck.reports.text import printable
from gradcheck.runs.executor import TaskExecutor
from gradcheck.runs.quota import Quota
from gradcheck.runs.source import Source
from gradcheck.targets import Item

if TYPE_CHECKING:
    from gradcheck.runs.journal import Journal

F = TypeVar("F", bound=Callable[..., Any])


def _amount(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A number above 0."""
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) or float(value) == 0:
        raise click.BadParameter(f"expected a number above 0, got {value!r}", ctx, param)
    return float(value)


def _count_if_any(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A whole number from 1."""
    return None if value is None else count(ctx, param, value)


_ISOLATING = (
    click.option("--isolate", is_flag=True, help="Run cases in a worker process: a crash costs that case only."),
    click.option("--timeout", callback=_amount, metavar="SECONDS", help="End a case that takes longer; isolates."),
    click.option(
        "--memory", callback=_count_if_any, metavar="MIB", help="Refuse a case more memory than that; isolates."
    ),
)
_CAMPAIGN = (
    click.option("--workers", callback=_count_if_any, metavar="N", help="Run cases in so many worker processes."),
    click.option(
        "--resume", callback=output_file, metavar="FILE", help="Append each result to FILE; go on from what it holds."
    ),
    click.option("--executor", callback=one_of("dask"), metavar="dask", help="Run cases on a cluster."),
    click.option("--scheduler", metavar="ADDRESS", help="Where the cluster is, as tcp://host:8786."),
)


def isolating(command: F) -> F:
    """Give a command the options of a worker that may hang or die."""
    for option in reversed(_ISOLATING):
        command = option(command)
    return command


def campaigning(command: F) -> F:
    """Give a command the options of many workers and long runs."""
    for option in reversed(_CAMPAIGN):
        command = option(command)
    return command


@dataclass(frozen=True)
class ExecutorOptions:
    """What was asked for."""

    isolate: bool = False
    timeout: float | None = None
    memory: int | None = None
    workers: int | None = None
    resume: Path | None = None
    executor: str | None = None
    scheduler: str | None = None

    def require_one_executor(self) -> None:
        """Refuse options that are of two crews, or of half a one."""
        if self.executor and self.isolates:
            raise click.UsageError(
                f"expected --executor {self.executor} without --isolate, --workers, --timeout and --memory, which are "
                f"for workers of this machine, got both"
            )
        if (self.executor is None) != (self.scheduler is None):
            came, missing = ("--executor", "--scheduler") if self.executor else ("--scheduler", "--executor")
            raise click.UsageError(f"expected --executor and --scheduler together, got {came} without {missing}")

    @property
    def isolates(self) -> bool:
        """Whether cases run in workers of this machine."""
        return self.isolate or any(one is not None for one in (self.timeout, self.memory, self.workers))

    @property
    def limits(self) -> Quota:
        """What each case may take."""
        with misuse(ValueError):
            return Quota(self.timeout, self.memory)

    def make_executor(self) -> TaskExecutor | None:
        """Return who runs the cases; None where that is this process, as ever."""
        from gradcheck.runs.futures import on_dask
        from gradcheck.runs.worker_pool import WorkerPool

        if self.scheduler is not None:
            with misuse(ValueError):
                return on_dask(self.scheduler)
        if self.isolates:
            return WorkerPool(self.workers or 1, self.limits)
        return None

    def aside(self, stack: contextlib.ExitStack, found: Found, options: Any) -> dict[str, Any]:
        """Return what a campaign is given beside its items; the stack ends it."""
        given: dict[str, Any] = {}
        executor = self.make_executor()
        if executor is not None:
            stack.enter_context(contextlib.closing(executor))
            given |= {"executor": executor, "sources": found.sources}
        if self.resume is not None:
            given["store"] = stack.enter_context(self._journal(self.resume, found, options))
        return given

    def _journal(self, path: Path, found: Found, options: Any) -> Journal:
        from gradcheck.runs import plan_of
        from gradcheck.runs.journal import Journal

        with misuse(ValueError):
            journal = Journal(path, plan_of(found.items, found.sources, options, self.limits))
        resumed = [f"{path}: {counted(journal.found, 'case')} on record"] if journal.found else []
        for note in (*journal.notes, *resumed):
            print(f"gradcheck: {printable(note)}", file=sys.stderr)
        return journal


@dataclass(frozen=True)
class Found:
    """What targets hold, and where another process finds each item."""

    items: list[Item]
    sources: list[Source]


def find_all(targets: Iterable[str], find: Callable[[str], list[Item]]) -> Found:
    """Return what targets hold, none of them twice."""
    from gradcheck.runs.source import located

    held: list[tuple[str, Sequence[Item]]] = [
        (target, load_all([target], find)) for target in dict.fromkeys(map(_relative, targets))
    ]
    return Found(
        [item for _, items in held for item in items],
        [located(item, target, index) for target, items in held for index, item in enumerate(items)],
    )


def _relative(target: str) -> str:
    """A target below the current folder as seen from there: reports name no folders of the person who ran them."""
    here = f"{Path.cwd()}{os.sep}"
    return target.removeprefix(here)
