"""The options of who runs the cases, what each may take, and the file that keeps the results."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gradcheck.cli.exit_status import misuse
from gradcheck.cli.items import Found
from gradcheck.cli.options import count, one_of, output_file
from gradcheck.messages import counted
from gradcheck.reports.text import printable
from gradcheck.runs.executor import TaskExecutor
from gradcheck.runs.quota import Quota

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


def _all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return what gives a command several options."""

    def give(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return give


#: Those of a worker that may hang or die.
isolation_options = _all_of(
    click.option("--isolate", is_flag=True, help="Run cases in a worker process: a crash costs that case only."),
    click.option("--timeout", callback=_amount, metavar="SECONDS", help="End a case that takes longer; isolates."),
    click.option(
        "--memory", callback=_count_if_any, metavar="MIB", help="Refuse a case more memory than that; isolates."
    ),
)
#: Those of many workers and long runs.
worker_options = _all_of(
    click.option("--workers", callback=_count_if_any, metavar="N", help="Run cases in so many worker processes."),
    click.option(
        "--resume", callback=output_file, metavar="FILE", help="Append each result to FILE; go on from what it holds."
    ),
    click.option("--executor", callback=one_of("dask"), metavar="dask", help="Run cases on a cluster."),
    click.option("--scheduler", metavar="ADDRESS", help="Where the cluster is, as tcp://host:8786."),
)


@dataclass(frozen=True, kw_only=True)
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
        """Refuse options that are of two executors, or of half a one."""
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
        """Return what a run is given beside its items; the stack ends it."""
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
