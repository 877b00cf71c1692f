"""What the command line is run on: a kind of its own, and files as users write them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import strategies as st

import gradcheck
from gradcheck.cli import run
from gradcheck.suites.kind import Kind

USER_FILE = """\
import numpy as np
import gradcheck


def square(slope):
    def vjp(primals):
        x = primals["x"]
        return x**2, lambda cotangent: {"x": slope * x * cotangent}

    return vjp


X = np.linspace(-2.0, 2.0, 12).reshape(3, 4)
right = gradcheck.Subject("right [bold]", {"x": X}, square(2.0))
wrong = gradcheck.Subject("wrong", {"x": X}, square(2.1))
_hidden = gradcheck.Subject("hidden", {"x": X}, square(3.0))
number = 3


def make():
    return gradcheck.Subject("made", {"x": X}, square(2.0))


def both():
    return [right, make()]


def needs(size):
    return right


def breaks():
    raise RuntimeError("no such luck")
"""


@dataclass(frozen=True)
class SquareConfig:
    """Configuration of the kind below."""

    size: int = 1


class Square:
    """A layer of no parameters, in the style of `reference_layers`."""

    def __init__(self, slope: float = 2.0) -> None:
        self.slope = slope

    def forward(self, _params: Any, x: Any) -> tuple[Any, Any]:
        return x**2, x

    def backward(self, _params: Any, cache: Any, grad_output: Any) -> tuple[Any, dict[str, Any]]:
        return self.slope * cache * grad_output, {}


SQUARE = Kind(
    name="square",
    config=SquareConfig,
    configs=lambda: st.builds(SquareConfig, st.integers(1, 5)),
    corners=(SquareConfig(1), SquareConfig(3)),
    primals=lambda config, rng, _regime: {"x": rng.standard_normal(config.size)},
    build=lambda _config, _primals: Square(),
    conditions={"one entry": lambda config, _primals: config.size == 1},
    regimes=("normal",),
    layers=(Square,),
)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``layers.py``, which is the current one."""
    (tmp_path / "layers.py").write_text(USER_FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Kind]:
    """Only the kind ``square``, whatever kinds there are."""
    only = MappingProxyType({"square": SQUARE})
    monkeypatch.setattr("gradcheck.kinds.KINDS", only)
    return only


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: its exit status, standard output and standard error."""

    def runner(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return runner


@pytest.fixture
def refused(command: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """Run a command that must be refused, and return its one sentence."""

    def runner(*words: str | Path) -> str:
        status, out, err = command(*words)
        assert (status, out) == (2, "")
        assert err.startswith("gradcheck: ")
        assert err.count("\n") == 1
        return err.removeprefix("gradcheck: ").rstrip("\n")

    return runner


@pytest.fixture
def shell(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m gradcheck`` in the project, as a user does."""
    path = os.pathsep.join([str(Path(gradcheck.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])

    def runner(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gradcheck", *words],
            cwd=project,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80", **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return runner
