"""Pages that say how gradcheck is extended, followed to the letter in a copy of its sources."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(
    r"^\*\*(?P<path>\S+)\*\*\n\n(?P<fence>`{3,})(?P<language>\w+)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What pytest needs beside the test files of a copy.
_FOR_TESTS = ("pyproject.toml", "conftest.py", "tests/lib")


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page asks its reader to do.

    Attributes
    ----------
    files : dict of str to str
        New files, by their place in the repository.
    hunks : list of (str, str)
        Lines to be added to a file, with those that they stand between.
    commands : list of str
    """

    files: dict[str, str]
    hunks: list[tuple[str, str]]
    commands: list[str]

    @property
    def added_lines(self) -> int:
        """How many lines are added to files that exist."""
        return sum(line.startswith("+") for _, hunk in self.hunks for line in hunk.splitlines())


def read_page(name: str) -> Page:
    """Return what a page of ``docs`` asks for: each block of a file or a diff stands below the name of its file."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    diffs = [block for block in blocks if block["language"] == "diff"]
    return Page(
        files={block["path"]: block["text"] for block in blocks if block not in diffs},
        hunks=[(block["path"], hunk) for block in diffs for hunk in _hunks(block["text"])],
        commands=[line for block in _COMMANDS.finditer(text) for line in block[1].splitlines()],
    )


def _hunks(diff: str) -> Iterator[str]:
    return (hunk for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE) if hunk)


def follow(page: Page, folder: Path, *beside: str) -> Path:
    """Copy the packages, and what else of the repository is named, into a folder; then add what the page asks for."""
    for place in ("gradcheck", "reference_layers", *beside):
        copy_into(folder, place)
    for place, text in page.files.items():
        assert not (folder / place).exists()
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    for place, hunk in page.hunks:
        path = folder / place
        path.write_text(_patched(path.read_text(encoding="utf-8"), hunk, place), encoding="utf-8")
    return folder


def copy_into(folder: Path, place: str) -> None:
    """Copy a file or a folder of the repository to its place in another folder."""
    source, target = ROOT / place, folder / place
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def _patched(text: str, hunk: str, place: str) -> str:
    """Return a text with the lines of a hunk that begin with a plus added where the others stand."""
    lines = hunk.splitlines(keepends=True)
    assert {line[0] for line in lines} <= {" ", "+"}
    before = "".join(line[1:] for line in lines if line[0] == " ")
    assert f"\n{text}".count(f"\n{before}") == 1, f"{before!r} should stand once in {place}"
    return f"\n{text}".replace(f"\n{before}", "\n" + "".join(line[1:] for line in lines))[1:]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a page in a folder, whose packages come before those that are installed."""
    python, *words = shlex.split(command)
    assert python == "python"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def run_tests(command: str, folder: Path) -> int:
    """Run a pytest command of a page, whose tests must pass, and return how many there were."""
    for place in _FOR_TESTS:
        copy_into(folder, place)
    result = run(f"{command} -p no:randomly -p no:xdist", folder)
    assert result.returncode == 0, result.stdout + result.stderr
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed is not None
    return int(passed[1])
