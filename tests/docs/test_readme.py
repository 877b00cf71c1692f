"""What the documents show is run as a reader would run it."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of the README in one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run gradcheck as a command in a folder."""
    command = [sys.executable, "-m", "gradcheck", *words]
    environment = {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", env=environment, check=False)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_blocks_run(number, tmp_path):
    path = tmp_path / "my_layers.py"
    path.write_text(blocks("python")[number], encoding="utf-8")
    with contextlib.chdir(tmp_path):
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__name__": "my_layers"})


def test_my_layers_is_run_by_the_command_line(tmp_path):
    (tmp_path / "my_layers.py").write_text(blocks("python")[-1], encoding="utf-8")
    result = run("verify", "my_layers.py", "--examples", "5", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_at_most_ten_lines_verify_ones_own_layer():
    lines = [line for line in blocks("python")[0].splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 10


def test_the_two_commands_are_the_ones_that_ci_runs():
    main, tests = (block.strip() for block in blocks("sh"))
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert main == "pip install . && gradcheck verify"
    for command in tests.split(" && "):
        assert command in script
    assert "\ngradcheck verify" in script


def test_the_failure_shown_is_the_one_that_is_printed(tmp_path):
    result = run("verify", str(ROOT / "examples" / "unrotated.py"), folder=tmp_path)
    assert result.returncode == 1
    shown = next(block for block in blocks("console") if "unrotated.py" in block)
    for line in shown.splitlines()[1:]:
        if not line.strip().startswith("reproduce"):
            assert line.strip() in result.stdout


def test_the_printed_command_shows_the_failure_again(tmp_path):
    result = run("verify", str(ROOT / "examples" / "unrotated.py"), folder=tmp_path)
    line = next(line for line in result.stdout.splitlines() if line.startswith("  reproduce"))
    program, *words = shlex.split(line.removeprefix("  reproduce"))
    assert program == "gradcheck"
    again = run(*words, folder=tmp_path)
    assert again.returncode == 1
    assert "gradient with respect to `x`" in again.stdout


def test_the_options_named_exist(tmp_path):
    helped = run("verify", "--help", folder=tmp_path).stdout
    for option in re.findall(r"`(--[a-z]+)`", README):
        assert option in helped


def test_files_named_in_the_documents_exist():
    text = README + (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:examples|benchmarks|docs|tests|gradcheck|reference_layers)/[\w./]+\.\w+)`", text):
        assert (ROOT / name).is_file(), name
