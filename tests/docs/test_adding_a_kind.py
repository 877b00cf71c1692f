"""The page on adding a kind is followed to the letter, in a copy of both packages."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding_a_kind.md").read_text(encoding="utf-8")
REGISTRY = "gradcheck/kinds/__init__.py"
LAYER = "reference_layers/squared_relu.py"
KIND = "gradcheck/kinds/squared_relu.py"

FILES = dict(re.findall(r"^\*\*(\S+)\*\*\n\n```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
HUNKS = re.findall(r"^```diff\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = next(re.finditer(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))[1].splitlines()


def patched(text: str, hunk: str) -> str:
    """Return a text with the lines of a hunk that begin with a plus added where the others stand."""
    lines = hunk.splitlines(keepends=True)
    assert {line[0] for line in lines} <= {" ", "+"}
    before = "".join(line[1:] for line in lines if line[0] == " ")
    assert f"\n{text}".count(f"\n{before}") == 1, f"{before!r} should stand once in {REGISTRY}"
    return f"\n{text}".replace(f"\n{before}", "\n" + "".join(line[1:] for line in lines))[1:]


@pytest.fixture
def copy(tmp_path):
    """Return a folder with copies of both packages and what the page adds to them."""
    for package in ("gradcheck", "reference_layers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text, encoding="utf-8")
    registry = tmp_path / REGISTRY
    for hunk in HUNKS:
        registry.write_text(patched(registry.read_text(encoding="utf-8"), hunk), encoding="utf-8")
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in a folder, whose packages come before those that are installed."""
    python, *words = shlex.split(command)
    assert python == "python"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def test_the_page_shows_two_files_and_one_line_of_registration():
    assert list(FILES) == [LAYER, KIND]
    assert sum(line.startswith("+") for hunk in HUNKS for line in hunk.splitlines()) == 1


def test_the_new_kind_verifies_until_a_fault_is_planted(copy):
    verify = COMMANDS[0]
    result = run(verify, copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^squared_relu +passed", result.stdout, re.MULTILINE)
    assert "never met" not in result.stdout

    layer = copy / LAYER
    right = "return 2 * cache * grad_output"
    text = layer.read_text(encoding="utf-8")
    assert text.count(right) == 1
    layer.write_text(text.replace(right, right.replace("2", "3")), encoding="utf-8")
    result = run(verify, copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "squared_relu: failed (`x`)" in result.stdout


def test_the_new_kind_is_listed(copy):
    result = run(COMMANDS[1], copy)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^squared_relu +SquaredReLU +4 ", result.stdout, re.MULTILINE)


def test_the_tests_of_all_kinds_take_it_up(copy):
    for name in ("tests/kinds/test_kinds.py", "pyproject.toml", "conftest.py"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "tests" / "lib", copy / "tests" / "lib")
    result = run(f"{COMMANDS[2]} -p no:randomly -p no:xdist", copy)
    assert result.returncode == 0, result.stdout + result.stderr
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed is not None
    assert int(passed[1]) >= 10
    result = run(f"{COMMANDS[3]} -p no:randomly -p no:xdist", copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout
