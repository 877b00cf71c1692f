"""The page on time and ε: its commands give the words that it shows; figures differ by machine."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "timing.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```text\n\$ (gradcheck .*)\n((?:.*\n)*?)```", PAGE)
#: Numbers with their units, intervals and marks, all of which depend on the machine.
_FIGURES = re.compile(
    r"[≈±(]*\s*-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?:\^?\s?(?:µs|ms|s|min|h|days|years|%)(?!\w))?\)?|[─\s]+"
)


def words(line):
    """Return a line without its figures, and without the interval of an exponent, which takes three sizes."""
    return _FIGURES.sub(" ", line.replace("…", " ")).replace("- (", "(").split()


def comparable(text):
    """Return the lines of an output as words: not the drawing, nor where it was made."""
    return [words(line) for line in text.splitlines() if line.strip() and "│" not in line and " · BLAS " not in line]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_what_the_page_shows_comes_out(command, output, tmp_path):
    quick = ["--budget", "1", "--rounds", "2"] if " time " in command else []
    line = [sys.executable, "-m", *shlex.split(command), *quick]
    environment = {**os.environ, "COLUMNS": "110", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, encoding="utf-8", env=environment, check=False)
    assert done.returncode == 0, done.stderr
    came = comparable(done.stdout)
    missing = [shown for shown in comparable(output) if shown not in came]
    assert missing == [], done.stdout


def test_every_command_is_on_the_page():
    assert [command.split()[1] for command, _ in SHOWN] == ["time", "study", "study", "study"]


def test_a_changed_word_would_be_seen():
    line = "  1,192    177 µs ±2%   1.22 ms ±9%    ≈ 959 ms   2,384     789   5+2  5.5"
    assert words(line) == words("  1,192    1.77 s ±0%   22 µs ±19%    9.1 min ±3%   2,384     7.8   7+2  15")
    assert words("forward    0.56 (0.11 … 1.01)  0.00") == words("forward    -0.56  0.00")
    assert words("its outputs are curved") != words("its outputs are linear")
