"""``gradcheck self-test``: mistakes planted into the reference layers, and what became of each kind's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck import kinds
from gradcheck.cli.console import COLOURS, new_console, new_table, show_plain, write
from gradcheck.cli.exit_status import NOT_PASSED, PASSED, misuse
from gradcheck.cli.options import Command, output_file, seed_option, whole
from gradcheck.cli.progress_bar import ProgressBar
from gradcheck.messages import counted
from gradcheck.mutants.self_test import OUTCOMES, KindProof, proofs_to_json, prove_kind

#: The outcomes in the words of the table, where those differ from the words of the JSON file.
_HEADINGS = {"caught": "killed"}
_ARTICLES = {"equivalent": "no mistake", "convention": "a convention"}


@click.command("self-test", cls=Command)
@click.option(
    "--kind", "names", multiple=True, metavar="NAME", help="A kind to test, several times for several (default: all)."
)
@click.option("--examples", callback=whole, default="10", metavar="N", help="Drawn cases per kind (default: 10).")
@seed_option
@click.option("--baseline", is_flag=True, help="Tell what plain differences, entry by entry, kill in the same cases.")
@click.option("--json", "json_file", callback=output_file, metavar="FILE", help="Write every planted mistake as JSON.")
def self_test_command(names: tuple[str, ...], examples: int, seed: int, baseline: bool, json_file: Path | None) -> int:
    """Plant known mistakes into the reference layers, and see that all are killed.

    A mistake is killed when a check of the layer with the mistake does not pass.

    Exit status: 0 all killed, 1 one survived, 2 misuse.
    """
    with misuse(ValueError):
        chosen = [kinds.find_kind(name) for name in dict.fromkeys(names or kinds.KINDS)]
    proofs = []
    with ProgressBar(len(chosen)) as bar:
        for kind in chosen:
            bar.begin(kind.name, 1)
            proofs.append(prove_kind(kind, examples, seed, baseline=baseline))
            bar.step()
    _show(proofs)
    write(json_file, lambda: proofs_to_json(proofs))
    return NOT_PASSED if any(proof.survivors for proof in proofs) else PASSED


def _show(proofs: Sequence[KindProof]) -> None:
    """Print the table, what is no mistake and why, what survived, and the sum of it all."""
    console = new_console()
    with_baseline = any(proof.rejected is not None for proof in proofs)
    console.print(_table(proofs, console, with_baseline=with_baseline))
    for result in (one for proof in proofs for one in proof.argued):
        show_plain(console, f"{result.kind}: {result.slug} is {_ARTICLES[result.outcome]}: {result.argument}")
    for result in (one for proof in proofs for one in proof.survivors):
        where = f" for {result.primal}" if result.primal else ""
        show_plain(console, f"{result.kind}: {result.slug}{where} survived {counted(result.tried, 'case')}")
    planted, killed = sum(proof.planted for proof in proofs), sum(proof.count("caught") for proof in proofs)
    survived = sum(len(proof.survivors) for proof in proofs)
    told = f"\n{counted(len(proofs), 'kind')} · {planted:,} planted, {killed:,} killed, {survived:,} survived"
    if with_baseline:
        told += f" · baseline: {sum(proof.caught_by_baseline for proof in proofs):,} of {killed:,}"
    console.print(Text(told, style=COLOURS["failed" if survived else "passed"]), soft_wrap=True)


def _table(proofs: Sequence[KindProof], console: Console, *, with_baseline: bool) -> Table:
    table = new_table(console)
    table.add_column("kind", overflow="fold")
    beside = ("baseline", "right rejected") if with_baseline else ()
    for heading in ("planted", *(_HEADINGS.get(outcome, outcome) for outcome in OUTCOMES), *beside):
        table.add_column(heading, justify="right", no_wrap=True)
    for proof in proofs:
        counts = [f"{proof.count(outcome):,}" for outcome in OUTCOMES]
        if with_baseline:
            counts += [f"{proof.caught_by_baseline:,}", f"{proof.rejected:,} of {proof.cases:,}"]
        table.add_row(proof.kind, f"{proof.planted:,}", *counts)
    return table
