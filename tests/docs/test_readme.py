"""What the documents show is run as a reader would run it."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = DOCUMENTS[0].read_text(encoding="utf-8")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


class Command(NamedTuple):
    """A command that a document shows, the output shown with it, and its exit status."""

    words: tuple[str, ...]
    output: str
    status: int


def blocks(language: str, text: str = README) -> list[str]:
    """Return the fenced blocks of a document in one language; those inside of a longer fence are a file to be made."""
    own = re.sub(r"^````.*?^````$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", own, re.DOTALL)


def commands(text: str) -> Iterator[Command]:
    """Yield the gradcheck commands of a document; `$ echo $?` below one shows its exit status, which is else 0."""
    for block in blocks("console", text):
        shown = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        for this, following in zip(shown, [*shown[1:], ""], strict=True):
            line, _, output = this.partition("\n")
            told = following.removeprefix("echo $?\n") if following.startswith("echo $?\n") else "0"
            if line.startswith("gradcheck "):
                yield Command(tuple(shlex.split(line)[1:]), output, int(told))
    for block in blocks("sh", text):
        for line in block.strip().splitlines():
            if line.startswith("gradcheck "):
                yield Command(tuple(shlex.split(line)[1:]), "", 0)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run gradcheck as a command in a folder; where the main job has just been run, take what it printed."""
    main_job = os.environ.get("GRADCHECK_MAIN_JOB")
    if words == ("verify",) and main_job:
        return subprocess.CompletedProcess(words, 0, Path(main_job).read_text(encoding="utf-8"), "")
    command = [sys.executable, "-m", "gradcheck", *words]
    environment = {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", env=environment, check=False)


@pytest.fixture
def reader(tmp_path):
    """Return the folder of somebody who has copied the examples and the file that the README shows."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    mine = next(block for block in blocks("python") if "gradcheck.suite(" in block)
    (tmp_path / "my_layers.py").write_text(mine, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run_one_after_the_other(document, tmp_path):
    namespace: dict[str, object] = {"__name__": "document"}
    with contextlib.chdir(tmp_path):
        for block in blocks("python", document.read_text(encoding="utf-8")):
            exec(compile(block, document.name, "exec"), namespace)


COMMANDS = [command for document in DOCUMENTS for command in commands(document.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.words))
def test_commands_give_the_exit_status_and_the_output_that_are_shown(command, reader):
    result = run(*command.words, folder=reader)
    assert result.returncode == command.status, result.stdout + result.stderr
    printed = [_without_numbers(line) for line in result.stdout.splitlines()]
    for line in command.output.splitlines():
        # What stands for something left out cannot be compared, and a command is printed in one long line.
        if "…" not in line and line.strip():
            assert _without_numbers(line) in printed, result.stdout


def _without_numbers(line: str) -> str:
    """The words of a line, and its numbers where they tell of a configuration: times and counts differ by machine."""
    words = line if re.match(r"  (case|where|   )", line) else _NUMBER.sub("#", line).replace("-#", "#")
    words = re.sub(r"[─ ]+", " ", words).strip()
    # Durations and shares have units of their own, seldom met ones among them.
    return re.sub(r"# (ms|s|min|h)\b", "# s", words)


def test_the_commands_shown_are_those_that_matter():
    assert ("verify",) in [command.words for command in COMMANDS]
    assert ("verify", "my_layers.py") in [command.words for command in COMMANDS]
    assert (("verify", "examples/unrotated.py"), 1) in [(command.words, command.status) for command in COMMANDS]


def test_a_changed_word_in_the_output_would_be_seen():
    table = "relu passed 128 4,028 566 3.8e-6 7.4 % 0.30 s"
    assert _without_numbers(table) == _without_numbers("relu   passed   99 3,000   1 1e-5   0 % 1.2 s")
    assert _without_numbers(table) != _without_numbers(table.replace("passed", "failed"))
    assert _without_numbers("  where      [0, 1] is worst") != _without_numbers("  where      [0, 2] is worst")


def test_at_most_ten_lines_verify_ones_own_layer():
    for block in blocks("python"):
        lines = [line for line in block.splitlines() if line and not line.startswith(("import ", "from "))]
        assert len(lines) <= 10


def test_the_two_commands_are_the_ones_that_ci_runs():
    main, tests = (block.strip() for block in blocks("sh"))
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert main == "pip install . && gradcheck verify"
    for command in [*tests.split(" && "), "gradcheck verify"]:
        assert command in script


def test_the_options_named_exist(tmp_path):
    helped = run("verify", "--help", folder=tmp_path).stdout
    named = re.findall(r"`(--[a-z]+)", README)
    assert named
    for option in named:
        assert option in helped
    for option in set(re.findall(r"--[a-z]+", helped)) - {"--help"}:
        assert option in named, f"{option} is not told of"
