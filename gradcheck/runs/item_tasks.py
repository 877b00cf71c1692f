"""The tasks of one item of a run: how they are made, and their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gradcheck.checks.stages import Settings
from gradcheck.records.run_record import CaseId, SubjectReport
from gradcheck.runs.commands import reproduce_command, rerun_command
from gradcheck.runs.executor import NoStore, ResultStore, TaskExecutor, run_in_order
from gradcheck.runs.plan import Options
from gradcheck.runs.result import Result
from gradcheck.runs.source import Source, source_of
from gradcheck.runs.task import Task
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite
from gradcheck.targets import Item


@dataclass(frozen=True, kw_only=True)
class ItemTasks:
    """One item of a run, and what runs its tasks.

    Attributes
    ----------
    item : Suite, Subject or Deferred
    number : int
        Its place in the run.
    source : Source or None
        Where another process finds it; None where none has to.
    options : Options
    executor : TaskExecutor
    store : ResultStore
    """

    item: Item
    options: Options
    executor: TaskExecutor
    number: int = 0
    source: Source | None = None
    store: ResultStore = field(default_factory=NoStore)

    def of_case(self, suite: Suite, case: AnyCase, settings: Settings, number: int = 0) -> Task:
        """Return the task of checking one case of the suite."""
        command = reproduce_command(suite, case, self.options.dtype) or rerun_command(suite, self.options)
        task = self._task(case.id, settings, command, number)
        return replace(task, drawn=case.drawn) if isinstance(case, DrawnCase) else task

    def of_subject(self, item: Subject | Deferred) -> Task:
        """Return the one task of a subject."""
        seed = self.options.seed
        command = item.reproduce.replace("{seed}", str(seed)) if isinstance(item, Subject) else ""
        return self._task(CaseId(None, {}, None, seed), self.options.settings, command, 0)

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Run tasks of the plan; yield their results in the order of the plan."""
        return run_in_order(self.executor, self.item, tasks, self.store)

    def run_one(self, task: Task) -> Result:
        """Run a task that is not of the plan, and do not store its result."""
        ((_, result),) = self.executor.run(self.item, [task])
        return result

    def run_in_full(self, suite: Suite, case: AnyCase) -> Result:
        """Check a case in full, and look for the causes of its failures."""
        task = self.of_case(suite, case, self.options.settings)
        ((_, result),) = self.executor.run(self.item, [replace(task, causes_seed=self.options.seed)])
        # Further cases, which are asked for the cause, may hang or crash where this one does not.
        return self.run_one(task) if result.lost else result

    def _task(self, case: CaseId, settings: Settings, command: str, number: int) -> Task:
        return Task(
            item=self.number,
            number=number,
            name=self.item.name,
            case=case,
            dtype=self.options.dtype,
            settings=settings,
            reproduce=command,
            source=self.source,
        )


def check_apart(suite: Suite, case: Case, options: Options, executor: TaskExecutor) -> SubjectReport:
    """Check one case of a suite where an executor runs it.

    Raises
    ------
    ValueError
        If the executor cannot find the suite.
    """
    source = source_of(suite) if executor.needs_source else None
    return ItemTasks(item=suite, options=options, executor=executor, source=source).run_in_full(suite, case).report
