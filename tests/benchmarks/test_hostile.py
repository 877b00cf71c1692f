"""A run whose layers hang, crash, print, eat memory and lie comes to its end, and judges everything else as ever."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gradcheck.runs import Options

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory of a case is limited on Linux")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hostile", ROOT / "benchmarks" / "hostile.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script = load()


def run(names: list[str]) -> None:
    options = Options(examples=2, corners=False)  # the second case is one that goes wrong
    reports = script.misbehave(names, options, timeout=5.0)
    assert script.broken_promises(reports, options) == []
    lost = [report for report in reports.values() if report.failures and report.failures[0].check in LOST]
    assert lost
    for report in lost:
        assert report.failures[0].reproduce.startswith("gradcheck replay --target ")
        assert report.failures[0].case.config == {"shape": (4, 3, 2, 5)}


LOST = ("timeout", "crash")


def test_the_worst_of_them() -> None:
    """Each of these ends a worker, or leaves it unfit for others."""
    run(["hang in C", "segfault", "out of memory", "global state"])


@pytest.mark.slow
def test_all_of_them() -> None:
    run(list(script.PROMISED))


def test_the_page_shows_every_one() -> None:
    page = (ROOT / "docs" / "hostile.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (passed|failed|error) \| (\S+) \|", page, re.MULTILINE)
    assert {name: (verdict, "" if check == "–" else check) for name, verdict, check in rows} == script.PROMISED
