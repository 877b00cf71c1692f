"""How far a run is, shown on terminals."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.text import printable


class ProgressBar:
    """How far a run is: the subjects in one bar, the cases of the present one in another; on terminals only."""

    def __init__(self, subjects: int) -> None:
        self._shown = sys.stderr.isatty()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # What a subject prints goes where it was sent; on a terminal it must not tear the bar.
            redirect_stdout=sys.stdout.isatty(),
            disable=not self._shown,
        )
        self._all = self._bars.add_task("subjects", total=subjects)
        self._one = self._bars.add_task("", total=None, visible=False)

    def __enter__(self) -> ProgressBar:
        if self._shown:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:  # stopping what was never shown prints an empty line in some versions of rich
            self._bars.stop()

    def begin(self, name: str, cases: int) -> None:
        self._bars.reset(self._one, total=cases, visible=True, description=printable(name))

    def advance(self) -> None:
        self._bars.advance(self._one)

    def end(self, report: SubjectReport) -> None:  # noqa: ARG002  # the bar shows how many, not how well
        self.step()

    def step(self) -> None:
        self._bars.advance(self._all)


class _RateColumn(ProgressColumn):
    """How many cases a second."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s")
