"""The script that times convolutions checks the cases that it draws, and its shares are those of a whole."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "conv2d_cases.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conv2d_cases", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load()


def test_a_campaign_checks_the_very_cases_that_are_drawn_alone():
    built, drawn = [], []

    def build(config, primals):
        built.append((config, {name: array.tobytes() for name, array in primals.items()}))
        return script.KIND.build(config, primals)

    report = script.campaign(3, 12, replace(script.KIND, build=build))
    script.draw(3, 12, drawn.append)
    assert report.passed
    assert report.subjects[0].cases == len(drawn) == 12
    assert {"gradient", "deterministic", "law:euler-weight"} <= report.subjects[0].checks.keys()
    due = [(case.config, {name: array.tobytes() for name, array in case.primals().items()}) for case in drawn]
    assert built == due


def test_a_handful_of_cases_is_timed():
    words = [sys.executable, SCRIPT, "--cases", "8", "--rounds", "1"]
    result = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"│ +([a-z ]+?) +│ +([\d.]+) │ +(\d+)% │", result.stdout)
    times = {name: float(took) for name, took, _ in rows}
    *parts, whole = times
    assert whole == "campaign"
    assert sum(times[part] for part in parts) == pytest.approx(times[whole], abs=0.03)
    told = re.search(
        r"^(\d+) cases/s on one core, all checks on; share of hypothesis (\d+)%$", result.stdout, re.MULTILINE
    )
    assert int(told[1]) == pytest.approx(1e3 / times[whole], rel=0.1)
    assert told[2] == rows[0][2]
