"""What pytest collects of a module with suites, and how it runs and shows that.

The hooks themselves are in ``_gradcheck_pytest.py``, which is light; this is imported where there is something to
verify.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from _gradcheck_pytest import RECORDS, SEED
from gradcheck.check import check
from gradcheck.checks.stages import GROUPS, Settings
from gradcheck.messages import counted
from gradcheck.records.codec import to_plain
from gradcheck.records.json_text import to_json
from gradcheck.records.run_record import VERDICTS, RunHeader, SubjectReport
from gradcheck.records.timing_record import Way
from gradcheck.reports.junit import facts
from gradcheck.reports.run_report import GradientError, Report, report_from_json
from gradcheck.reports.text import WIDTH, failure_to_text, format_short, headline, notes_to_lines
from gradcheck.runs import Options, run
from gradcheck.subject import Subject
from gradcheck.suites.suite import Suite
from gradcheck.targets import place

#: The group of all checks on the corner configurations.
_CORNERS = "corners"
#: The check without which a group has checked nothing, and why it was skipped.
_NEEDED = {
    "forward": ("agreement", "the builder names primals otherwise than the reference layer: nothing to compare with"),
    "laws": ("law:", "no law is about these primals"),
}
#: What is timed; the forward alone is a part of each.
_TIMED_WAYS: tuple[Way, ...] = ("analytic", "numeric", "projected")
#: So many failures of one item are shown in full: more do not fit a screen.
_SHOWN = 2


class SuiteCollector(pytest.Collector):
    """A suite or a subject of a test module."""

    def __init__(self, *, thing: Suite | Subject, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.thing = thing

    def collect(self) -> Iterable[pytest.Item]:
        """Return an item for each group of checks that there is, and where benchmarks are asked for those of time."""
        groups = [GroupItem.from_parent(self, name=group, thing=self.thing) for group in groups_of(self.thing)]
        return [*groups, *(_timing_items(self, self.thing) if wants_benchmarks(self.config) else [])]


class GroupItem(pytest.Item):
    """One group of checks on the drawn cases of a suite, or all of them on its corner configurations."""

    def __init__(self, *, thing: Suite | Subject, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._thing = thing
        self.add_marker("gradcheck")

    def runtest(self) -> None:
        """Run the checks; raise where they do not pass, skip where there was nothing to check."""
        examples = examples_of(self)
        corners = self.name == _CORNERS
        groups = GROUPS if corners else (self.name,)
        seed = seed_of(self.config)
        pictures = wants_pictures(self.config)
        settings = Settings(groups=groups, pictures=pictures)
        options = Options(examples=0 if corners else examples, seed=seed, corners=corners, settings=settings)
        (found,) = run([self._thing], options).subjects
        if why := self._reason_to_skip(found, examples):
            pytest.skip(why)
        found = replace(found, name=self._label)
        record(self, Report(seed, (found,)), together=self._parent.nodeid)
        if found.verdict != "passed":
            raise GradientError(Report(seed, (found,)))

    def _reason_to_skip(self, found: SubjectReport, examples: int) -> str:
        """Why nothing was checked."""
        if self.name == _CORNERS and not found.cases:
            return "no corner configuration keeps the limits"
        if not found.cases and not examples:
            return "no examples were asked for"
        needed, why = _NEEDED.get(self.name, ("", ""))
        return "" if found.verdict != "passed" or any(check.startswith(needed) for check in found.checks) else why

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the report instead of the way through the harness."""
        if isinstance(excinfo.value, GradientError):
            (subject,) = excinfo.value.report.subjects
            return fit_a_screen(subject, min(self.config.get_terminal_writer().fullwidth, WIDTH))
        if isinstance(excinfo.value, pytest.UsageError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return what pytest calls the item, and a line, without which it cannot tell of an item that a mark skips."""
        return self.path, 0, self._label

    @property
    def _label(self) -> str:
        return f"{self._parent.name}::{self.name}"

    @property
    def _parent(self) -> pytest.Collector:
        assert isinstance(self.parent, pytest.Collector)
        return self.parent


class Checker:
    """What the fixture ``gradcheck`` is: `gradcheck.verify` that is recorded."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, layer_or_subject: Any, *inputs: Any, **options: Any) -> Report:
        """Verify as `gradcheck.verify` does, with the seed and the number of examples of the run.

        Raises
        ------
        GradientError
            If a gradient is wrong or could not be told right; its text is the report.
        """
        __tracebackhide__ = True
        options.setdefault("seed", seed_of(self._item.config))
        options.setdefault("pictures", wants_pictures(self._item.config))
        if isinstance(layer_or_subject, Suite):
            options.setdefault("examples", examples_of(self._item))
        report = check(layer_or_subject, *inputs, **options)
        command = shlex.join(["pytest", self._item.nodeid, "--gradcheck-seed", str(options["seed"])])
        report = _replayed_by(report, command)
        record(self._item, report, together=f"{self._item.nodeid} {len(self._item.stash.get(RECORDS, []))}")
        if not report.passed:
            raise GradientError(report)
        return report


def collect(module: pytest.Module, name: str, thing: object) -> SuiteCollector | None:
    """Return what collects a suite or a subject; nothing for others, for private names and for second names."""
    if not isinstance(thing, Suite | Subject) or name.startswith("_"):
        return None
    if next(public for public, value in vars(module.obj).items() if value is thing and public[0] != "_") != name:
        return None
    path, here = module.path, module.config.invocation_params.dir
    target = (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
    return SuiteCollector.from_parent(module, name=name, thing=place(thing, f"{target}:{name}"))


def groups_of(thing: Suite | Subject) -> list[str]:
    """Return the groups of checks that there are for a suite or a subject."""
    kind = thing.kind if isinstance(thing, Suite) else None
    if isinstance(thing, Subject):
        has_sibling, has_laws = thing.sibling is not None, bool(thing.laws)
    else:
        has_sibling, has_laws = thing.has_reference, kind is not None and any(map(kind.laws, kind.corners))
    there = {
        "forward": has_sibling and "agreement" not in thing.without,
        "gradient": True,
        "contracts": True,
        "laws": has_laws and "laws" not in thing.without,
        _CORNERS: kind is not None,
    }
    return [group for group, is_there in there.items() if is_there]


# Times


def wants_benchmarks(config: pytest.Config) -> bool:
    """Whether the run asks for benchmarks in so many words: tests that are not about time should not wait for them."""
    return any(config.getoption(option, False) for option in ("benchmark_only", "benchmark_enable"))


def _timing_items(parent: SuiteCollector, thing: Suite | Subject) -> list[pytest.Item]:
    """Return the items that pytest-benchmark runs: a function each, which has its fixture."""
    return [
        pytest.Function.from_parent(parent, name=f"time[{way}]", callobj=_timing_function(thing, way))
        for way in _TIMED_WAYS
    ]


def _timing_function(thing: Suite | Subject, way: Way) -> Callable[[Any], None]:
    def time(benchmark: Any) -> None:
        from gradcheck.timing.benchmarks import run_benchmark
        from gradcheck.timing.sizes import sizes_of

        sizes = sizes_of(thing)
        # Differences of a large one would take too long, and the smallest tells little.
        run_benchmark(benchmark, thing.name, sizes[min(1, len(sizes) - 1)], way)

    return time


# What the run asks for


def seed_of(config: pytest.Config) -> int:
    """Return the seed of this run: the one that was given, else 0 where the profile wants each run the same."""
    from hypothesis import settings

    given = config.getoption("--gradcheck-seed")
    return 0 if given is None and settings().derandomize else config.stash[SEED]


def examples_of(item: pytest.Item) -> int:
    """Return the number of drawn cases of an item: by option, marker or hypothesis profile."""
    from hypothesis import settings

    given: int | None = item.config.getoption("--gradcheck-examples")
    if given is not None:
        return given
    for marker in item.iter_markers("gradcheck"):
        if marker.args or not marker.kwargs.keys() <= {"examples"}:
            shown = ", ".join([*map(repr, marker.args), *(f"{key}={value!r}" for key, value in marker.kwargs.items())])
            raise pytest.UsageError(f"expected pytest.mark.gradcheck(examples=N), got pytest.mark.gradcheck({shown})")
        examples = marker.kwargs.get("examples")
        if examples is None:
            continue
        if type(examples) is not int or examples < 0:
            raise pytest.UsageError(f"expected examples to be a whole number from 0, got examples={examples!r}")
        return examples
    return settings().max_examples


def register_profiles() -> None:
    """Make the hypothesis profiles ``dev``, ``ci`` and ``thorough`` known, those that are not."""
    from hypothesis import settings
    from hypothesis.errors import InvalidArgument

    profiles: dict[str, dict[str, Any]] = {
        "dev": {"max_examples": 25},
        "ci": {"max_examples": 100, "derandomize": True},
        "thorough": {"max_examples": 1000},
    }
    for name, chosen in profiles.items():
        try:
            settings.get_profile(name)
        except InvalidArgument:
            settings.register_profile(name, deadline=None, **chosen)


# Results


def record(item: pytest.Item, report: Report, together: str) -> None:
    """Keep a report with the item that it is about; records that belong `together` are of one subject."""
    subjects = report.to_dict()["subjects"]
    records = item.stash.setdefault(RECORDS, [])
    records.append({"item": item.nodeid, "together": together, "seed": seed_of(item.config), "subjects": subjects})
    for subject in report.subjects:
        item.user_properties += facts(subject).items()


def records_to_json(records: Sequence[Mapping[str, Any]], seed: int) -> str:
    """Return the JSON report of a run, whatever the order of its items."""
    subjects = [subject for each in sorted(records, key=lambda each: each["item"]) for subject in each["subjects"]]
    seeds = {each["seed"] for each in records}
    data = {**to_plain(RunHeader()), "seed": min(seeds, default=seed), "subjects": subjects}
    return to_json(data) + "\n"


def records_to_html(records: Sequence[Mapping[str, Any]], seed: int) -> str:
    """Return the HTML report of a run."""
    from gradcheck.reports.html.page import report_to_html

    return report_to_html(report_from_json(records_to_json(records, seed)))


def require_html() -> None:
    """Find out before a run whether its report can be written as HTML.

    Raises
    ------
    UsageError
        If a package is missing.
    """
    from gradcheck.reports.html.page import require_report_packages

    try:
        require_report_packages()
    except ModuleNotFoundError as error:
        raise pytest.UsageError(f"--gradcheck-html: {error}") from None


def wants_pictures(config: pytest.Config) -> bool:
    """Whether failures are to hold what an HTML report draws of them."""
    return bool(config.getoption("--gradcheck-html"))


def summarise(records: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """Return what was verified in one line, and whether all of it passed."""
    verdicts: dict[str, str] = {}
    for each in records:
        for subject in each["subjects"]:
            worst = verdicts.get(each["together"], "passed")
            verdicts[each["together"]] = max(worst, subject["verdict"], key=VERDICTS.index)
    subjects = [subject for each in records for subject in each["subjects"]]
    counts = Counter(verdicts.values())
    told = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    resolutions = [float(subject["resolution"]) for subject in subjects if subject["resolution"] is not None]
    cases = sum(subject["cases"] for subject in subjects)
    parts = [
        f"gradcheck: {', '.join([counted(len(verdicts), 'subject'), counted(cases, 'case'), *told])}",
        *([f"resolution {format_short(max(resolutions))}"] if resolutions else []),
        f"seed {records[0]['seed']}",
    ]
    return "; ".join(parts), set(verdicts.values()) <= {"passed"}


def fit_a_screen(subject: SubjectReport, width: int) -> str:
    """Return the report of a subject with its first failures; the command that shows them again comes last."""
    shown, more = subject.failures[:_SHOWN], subject.failures[_SHOWN:]
    notes = notes_to_lines(subject, width)
    if more:
        names = ", ".join(dict.fromkeys(failure.check for failure in more))
        notes.append(f"  and {counted(len(more), 'more failure')} ({names}): --gradcheck-json FILE holds them")
    blocks = [failure_to_text(subject.name, failure, width) for failure in shown]
    return "\n\n".join(["\n".join([headline(subject), *notes]), *blocks])


def _replayed_by(report: Report, command: str) -> Report:
    """The report, in which what only the test itself has is shown again by running the test."""
    return replace(
        report,
        subjects=tuple(
            replace(
                subject,
                failures=tuple(
                    replace(failure, reproduce=command) if failure.reproduce.startswith("gradcheck.check(") else failure
                    for failure in subject.failures
                ),
            )
            for subject in report.subjects
        ),
    )
