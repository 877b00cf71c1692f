"""A project of a user: test modules with suites, run by pytest as a command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.modules import LAYERS

import gradcheck
import gradcheck.kinds
import gradcheck.pytest_plugin  # loaded before a run within this process, which forgets what it has loaded itself

ROOT = Path(gradcheck.__file__).parents[1]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with ``layers.py``, where pytest finds the plugin as it does where gradcheck is installed."""
    paths = [str(ROOT), str(pytester.path)]
    entry = metadata.entry_points(group="pytest11", name="gradcheck")
    if not entry:  # the sources run without having been installed anew
        info = pytester.path / "site" / "gradcheck_of_the_sources-0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gradcheck-of-the-sources\nVersion: 0\n")
        (info / "entry_points.txt").write_text("[pytest11]\ngradcheck = _gradcheck_pytest\n")
        paths.append(str(info.parent))
        monkeypatch.syspath_prepend(info.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    for name in ("CI", "HYPOTHESIS_PROFILE", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")  # as where nothing is a terminal, whatever these tests are run in
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    pytester.makepyfile(layers=LAYERS)
    return pytester


@pytest.fixture
def runs(project: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Write a test module and run pytest on it in this process, with few examples, in the order of the file."""

    def run(text: str, *words: str) -> pytest.RunResult:
        project.makepyfile(test_mine=text)
        return project.runpytest_inprocess("-p", "no:randomly", *_few(words), *words)

    return run


@pytest.fixture
def runs_apart(project: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Do the same as a user does, by a command: for what a process has once, such as profiles, workers and modules."""

    def run(text: str, *words: str, random: bool = False) -> pytest.RunResult:
        project.makepyfile(test_mine=text)
        order = [] if random else ["-p", "no:randomly"]
        return project.runpytest_subprocess(*order, *_few(words), *words)

    return run


def _few(words: tuple[str, ...]) -> list[str]:
    """The option for few examples, where the words ask for no number of their own."""
    return [] if any("examples" in word for word in words) else ["--gradcheck-examples=5"]


@pytest.fixture
def verified(project: pytest.Pytester) -> Callable[[], dict[str, Any]]:
    """Read the JSON report ``out.json``."""
    return lambda: json.loads((project.path / "out.json").read_text(encoding="utf-8"))
