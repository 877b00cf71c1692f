"""The pytest plugin as far as every test run loads it; the rest of it is `gradcheck.pytest_plugin`.

It stands beside the package because importing anything of that loads NumPy, which test runs that have nothing to do
with gradients should not pay for.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from gradcheck.pytest_plugin import Checker, SuiteCollector

#: What was verified while an item ran, as plain data: `gradcheck.pytest_plugin.record` writes it.
RECORDS = pytest.StashKey[list[dict[str, Any]]]()
#: The seed of a run that was given none.
SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("gradcheck", "gradients (gradcheck)")
    group.addoption(
        "--gradcheck-examples",
        type=_whole,
        metavar="N",
        help="Drawn cases per item (default: those of the marker, or of the hypothesis profile).",
    )
    group.addoption(
        "--gradcheck-seed",
        type=_whole,
        metavar="S",
        help="All drawn cases follow from it (default: random, or 0 where the hypothesis profile is derandomised).",
    )
    group.addoption("--gradcheck-json", metavar="FILE", help="Write what was verified as JSON.")
    group.addoption("--gradcheck-html", metavar="FILE", help="Write what was verified as an HTML page with pictures.")


def _whole(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError(value)
    return int(value)


_whole.__name__ = "whole number from 0"  # as argparse puts it into its sentence


@pytest.hookimpl(tryfirst=True)  # hypothesis loads a profile when it is configured
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, the profiles where one is asked for, and what gathers results."""
    config.addinivalue_line(
        "markers",
        "gradcheck(examples=N): verify gradients with N drawn cases; every item that gradcheck collects has it",
    )
    if config.getoption("--hypothesis-profile", None):
        from gradcheck.pytest_plugin import register_profiles

        register_profiles()
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    given = config.getoption("--gradcheck-seed")
    config.stash[SEED] = worker["gradcheck_seed"] if worker else _random() if given is None else given
    if worker is None:
        config.pluginmanager.register(_Gathered(config), "gradcheck-results")


def _random() -> int:
    return random.SystemRandom().randrange(2**31)  # other plugins seed the common generator


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every worker of pytest-xdist the same seed."""
    node.workerinput["gradcheck_seed"] = node.config.stash[SEED]


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> SuiteCollector | None:
    """Collect the suites and subjects of a module; where gradcheck was not imported, there are none."""
    if "gradcheck.suites.suite" not in sys.modules or not isinstance(collector, pytest.Module):
        return None
    from gradcheck.pytest_plugin import collect

    return collect(collector, name, obj)


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Checker:
    """Verify gradients: ``gradcheck(subject)`` is `gradcheck.verify`, recorded for the summary and the JSON report."""
    from gradcheck.pytest_plugin import Checker

    return Checker(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what an item verified with its report, from a worker to the process that writes."""
    report = yield
    if call.when == "call":
        vars(report)["gradcheck"] = item.stash.get(RECORDS, [])  # pytest-xdist sends what it finds there
    return report


def _output_file(config: pytest.Config, option: str) -> Path | None:
    """The file that an option names, which is looked at before the run."""
    given = config.getoption(option)
    if not given:
        return None
    path = Path(config.invocation_params.dir, given)
    if not path.parent.is_dir() or path.is_dir():
        raise pytest.UsageError(f"{option}: expected a file that can be written, got {given!r}")
    return path


class _Gathered:
    """What was verified in the whole run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._records: list[dict[str, Any]] = []
        self._json = _output_file(config, "--gradcheck-json")
        self._html = _output_file(config, "--gradcheck-html")
        if self._html is not None:
            from gradcheck.pytest_plugin import require_html

            require_html()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report tells."""
        self._records += getattr(report, "gradcheck", [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the reports that were asked for."""
        seed = self._config.stash[SEED]
        if self._json is not None:
            from gradcheck.pytest_plugin import records_to_json

            self._json.write_text(records_to_json(self._records, seed), encoding="utf-8")
        if self._html is not None:
            from gradcheck.pytest_plugin import records_to_html

            self._html.write_text(records_to_html(self._records, seed), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell what was verified in one line, where anything was."""
        if self._records:
            from gradcheck.pytest_plugin import summarise

            line, passed = summarise(self._records)
            terminalreporter.write_line(line, green=passed, red=not passed)
