"""A campaign that is killed again and again, and goes on each time: is anything lost, or done twice?

Run with ``python benchmarks/kill_and_resume.py``. A run with ``--resume`` gets SIGKILL at random moments, twenty times
unless told otherwise by ``--kills``, and is then left to end. Its report and the cases in its file are compared with
those of a run that nobody killed; exit status 1 if they differ, times excepted.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

#: A run is killed when the file has grown by at most so many cases.
STRIDE = 12
#: Seconds after which a run that adds nothing is killed all the same.
PATIENCE = 60.0


def command(words: list[str], journal: Path, report: Path) -> list[str]:
    """Return the command of a run that keeps a file."""
    return [sys.executable, "-m", "gradcheck", "verify", *words, "--resume", str(journal), "--json", str(report)]


def start(words: list[str], journal: Path, report: Path) -> subprocess.Popen[bytes]:
    """Start a run."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command(words, journal, report), **quiet)


def kill_once(words: list[str], journal: Path, report: Path, chance: random.Random) -> bool:
    """Start a run, and kill it at some moment; return whether it was still running."""
    process = start(words, journal, report)
    enough = (journal.stat().st_size if journal.exists() else 0) + chance.randrange(STRIDE * 1500)
    for _ in range(int(PATIENCE / 0.01)):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
            return False
        if journal.exists() and journal.stat().st_size > enough:
            break
    process.kill()
    process.wait()
    return True


def cases_in(journal: Path) -> Counter[tuple[int, int, str]]:
    """Return how often each case is in a file."""
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()[1:]]
    return Counter((line["item"], line["task"], line["case"]) for line in lines)


def told(report: Path) -> Any:
    """Return what a report says, times excepted."""
    data = json.loads(report.read_text(encoding="utf-8"))
    for subject in data["subjects"]:
        subject["seconds"] = 0.0
    return data


def differences(words: list[str], folder: Path, kills: int, seed: int) -> tuple[int, list[str]]:
    """Return how often a run was killed, and what is otherwise than in a run that was not."""
    chance = random.Random(seed)
    killed, whole = (folder / name for name in ("killed.jsonl", "whole.jsonl"))
    killed_report, whole_report = (folder / name for name in ("killed.json", "whole.json"))
    start(words, whole, whole_report).wait()
    count = 0
    for _ in range(kills):
        if not kill_once(words, killed, killed_report, chance):
            break
        count += 1
    start(words, killed, killed_report).wait()
    came, expected = cases_in(killed), cases_in(whole)
    found = [f"{case} is there {times} times" for case, times in came.items() if times > 1]
    found += [f"{case} is missing" for case in expected.keys() - came.keys()]
    found += [f"{case} is too much" for case in came.keys() - expected.keys()]
    if told(killed_report) != told(whole_report):
        found.append("the reports differ")
    return count, found


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.argument("words", nargs=-1)
def main(kills: int, seed: int, words: tuple[str, ...]) -> None:
    """Kill a run of WORDS, the arguments of 'gradcheck verify', again and again."""
    given = list(words or ("reference_layers:ReLU", "--examples", "150", "--workers", "2"))
    with tempfile.TemporaryDirectory() as folder:
        count, found = differences(given, Path(folder), kills, seed)
        cases = len(cases_in(Path(folder) / "whole.jsonl"))
    print(
        f"killed {count} times, {cases} cases: "
        + ("\n".join(found) or "nothing lost, nothing doubled, the same report")
    )
    sys.exit(1 if found or count < kills else 0)


if __name__ == "__main__":
    main()
