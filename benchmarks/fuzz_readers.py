"""Everything that reads what a stranger may have written is fed bytes, guided by the branches that they take.

Run with ``python benchmarks/fuzz_readers.py --seconds 60``; it needs ``pip install atheris``. A reader may take what it
is given or refuse it with a ValueError (the command line: with exit status 2 and one line); anything else ends the
script with exit status 1, and the bytes are shown. What was found so far is in ``tests/runs/test_strangers.py``.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

SEEDS = {
    "report": b'{"schema": 1, "gradcheck": "0.1.0", "seed": 0, "subjects": []}',
    "case": b'{"kind": "relu", "config": {"shape": [2, 3]}, "regime": "normal", "seed": 5}',
    "outcome": b'{"report": {}, "names": ["x"], "met": [], "warnings": [], "printed": 0, "threads": 0, "lost": false}',
    "journal": b'{"gradcheck": "0.1.0", "journal": 1, "plan": {}}\n{"item": 0, "task": 0, "case": "a"}\n',
    "command": b"verify\n--timeout\n3\n--memory\n8\n--workers\n0\n--without\na=b\nnowhere.py:x",
}


def readers(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """Return what is fed, by name."""
    import gradcheck.runs
    import gradcheck.runs.worker_pool  # noqa: F401  # what a command imports later says so when it is instrumented
    from gradcheck.cli import run
    from gradcheck.kinds import find_kind
    from gradcheck.records.codec import from_plain
    from gradcheck.records.json_text import parse_json
    from gradcheck.records.run_record import CaseId
    from gradcheck.reports.run_report import report_from_json
    from gradcheck.runs.journal import Journal
    from gradcheck.runs.result import result_from_json, result_to_json
    from gradcheck.suites.kind import case_from_data

    def text(data: bytes) -> str:
        return data.decode("utf-8", "replace")

    def case(data: bytes) -> object:
        read = from_plain(CaseId, parse_json(text(data)))
        return case_from_data(find_kind(read.kind or ""), read.config, read.regime or "", read.seed)

    def journal(data: bytes) -> None:
        file = folder / "run.jsonl"
        file.write_bytes(data)
        Journal(file, {}).close()

    def command(data: bytes) -> None:
        begin, *rest = text(data).split("\n")
        words = [word for word in rest if not word.startswith(("--json", "--junit", "--resume", "--scheduler"))]
        # Nothing is to be run, and nothing to be written.
        words = ["replay", *words] if begin == "replay" else ["verify", *words, "nowhere.py"]
        said = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            status = run(words)
        if status not in (0, 2) or (status == 2 and said.getvalue().count("\n") != 1):
            raise AssertionError(f"exit status {status} of {words}: {said.getvalue()!r}")

    return {
        "report": lambda data: report_from_json(text(data)).to_json(),
        "case": case,
        "outcome": lambda data: result_to_json(result_from_json(text(data))),
        "journal": journal,
        "command": command,
    }


def feed(name: str, seconds: int) -> None:
    """Feed one reader in this process, which does not come back."""
    import atheris

    with atheris.instrument_imports(include=["gradcheck"]), tempfile.TemporaryDirectory() as folder:
        reader = readers(Path(folder))[name]
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        (corpus / "seed").write_bytes(SEEDS[name])

        def one(data: bytes) -> None:
            with contextlib.suppress(ValueError):
                reader(data)

        found = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-"
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-verbosity=0", found, str(corpus)], one)
        atheris.Fuzz()


@click.command()
@click.option("--seconds", default=60, show_default=True, help="For each reader.")
@click.option("--reader", "name", type=click.Choice(list(SEEDS)), help="Feed this one alone, in this process.")
def main(seconds: int, name: str | None) -> None:
    """Feed every reader."""
    if name is not None:
        feed(name, seconds)
    wrong = 0
    for one in SEEDS:
        command = [sys.executable, __file__, "--reader", one, "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        wrong += done.returncode != 0
        print(f"{one}: {'nothing found' if done.returncode == 0 else done.stderr[-2000:] + done.stdout[-500:]}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
