"""The command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from peers.checkers import PEERS
from peers.page import better_elsewhere, page
from peers.results import Results
from peers.run import FULL, USUAL, Size, run
from peers.tables import all_tables

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--full", is_flag=True, help="Plant every mistake, ask about more right layers; about half an hour.")
@click.option("--write", "target", type=_FILE, help="Write the page, and the figures beside it as JSON.")
@click.option("--from", "source", type=_FILE, help="Take figures that were written before in the place of a run.")
def main(full: bool, target: Path | None, source: Path | None) -> None:
    """Print gradcheck beside its peers: what a check costs, what it finds, what it blames wrongly."""
    results = _measured(FULL if full else USUAL) if source is None else _read(source)
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in all_tables(results):
        console.print(table.rich(), "")
    print("Where others are better:")
    for sentence in better_elsewhere(results):
        print(f"- {sentence}")
    if target is not None:
        target.with_suffix(".json").write_text(results.to_json(), encoding="utf-8")
        target.write_text(page(results), encoding="utf-8")


def _measured(size: Size) -> Results:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, object] = {}

        def progress(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done + 1)  # type: ignore[arg-type]

        return run(PEERS, size, progress)


def _read(source: Path) -> Results:
    try:
        return Results.from_json(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"expected figures that --write wrote, got {source} ({error})") from None
