"""Right layers over many random cases: how many are called wrong, how many cannot be told.

Run with ``python benchmarks/false_alarms.py --workers 4``: 100,000 cases unless told otherwise by ``--cases``. Every
reference layer is drawn over its configurations and value regimes, with every contract and law on, in three ways: in
float64; with float32 primals, differences in float64; and as a layer that computes in float32 whatever it is given, so
that the differences too are taken in float32. Beside them stand ReLU and max pooling at ties and exact zeros, and √|x|,
whose slope at 0 is infinite.

A case follows from its layer, mode and number; how many workers there are changes nothing. The first false alarms are
printed with the command that shows each again, and the exit status is 1 if there is any.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import contextlib
import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any, NamedTuple

import click
import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import Settings
from gradcheck.kinds import KINDS
from gradcheck.kinds.elementwise import ReLUConfig
from gradcheck.messages import counted, did_you_mean
from gradcheck.records.codec import to_plain
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import VERDICTS
from gradcheck.reports.run_report import Report
from gradcheck.strategies.shapes import shapes
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Arrays, Subject
from gradcheck.suites.kind import Case, Kind, case_from_data

MODES = {"float64": "float64", "float32": "float32", "float32 only": "float32"}
AT_KINKS: tuple[Regime, ...] = ("integers", "zeros", "near_ties")
#: So many cases are drawn and checked in one go.
CHUNK = 50
#: So many false alarms are printed.
SHOWN = 5


class Chunk(NamedTuple):
    """Some cases of one layer in one mode, drawn with a seed of their own."""

    layer: str
    mode: str
    number: int
    cases: int


@dataclass
class Outcome:
    """What came of some cases: verdicts, seconds of one core, and the reports of those called wrong."""

    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    alarms: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Count another outcome too."""
        self.verdicts += other.verdicts
        self.seconds += other.seconds
        self.alarms += other.alarms


# The layers, each a kind of its own


def _sqrt_abs(primals: Arrays) -> tuple[np.ndarray, Any]:
    """Return √|x|, with gradient 0 at its cusp."""
    x = primals["x"]
    y = np.sqrt(np.abs(x))
    slope = np.where(x == 0, 0, np.sign(x) / (2 * np.where(x == 0, 1, y))).astype(x.dtype)
    return y, lambda cotangent: {"x": cotangent * slope}


SQRT_ABS = Kind(
    name="√|x|",
    config=ReLUConfig,
    configs=lambda: shapes().map(ReLUConfig),
    corners=(ReLUConfig((3, 7)),),
    primals=lambda config, rng, regime: {"x": values(regime, config.shape, rng)},
    build=lambda _, primals: Subject("√|x|", primals, _sqrt_abs),
    regimes=("normal", *AT_KINKS),
)

LAYERS: dict[str, Kind] = {
    **KINDS,
    "relu at ties and zeros": replace(KINDS["relu"], regimes=AT_KINKS),
    "max_pool2d at ties and zeros": replace(KINDS["max_pool2d"], regimes=AT_KINKS),
    SQRT_ABS.name: SQRT_ABS,
}


def narrowed(build: Callable[[Any, Arrays], Any]) -> Callable[[Any, Arrays], Subject]:
    """Return what builds a layer as one that computes in float32 whatever it is given."""

    def as_float32(primals: Arrays) -> Mapping[str, np.ndarray]:
        return {name: array.astype(np.float32) for name, array in primals.items()}

    def narrow(config: Any, primals: Arrays) -> Subject:
        subject = build(config, primals)

        def vjp(arrays: Arrays) -> tuple[Any, Any]:
            return subject.vjp(as_float32(arrays))

        return replace(subject, vjp=vjp, forward=lambda arrays: vjp(arrays)[0])

    return narrow


# Cases


def draw_cases(kind: Kind, number: int, count: int) -> list[Case]:
    """Return the cases that a kind draws with that seed."""
    cases: list[Case] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.configs(), st.sampled_from(kind.regimes), st.integers(0, 2**31 - 1))
    def collect(config: Any, regime: Regime, case_seed: int) -> None:
        cases.append(Case(kind, config, regime, case_seed))

    collect()
    return cases


def check(layer: str, mode: str, case: Case) -> Report:
    """Check one case of a layer with all checks, laws among them."""
    kind = LAYERS[layer]
    primals = case.primals(np.dtype(MODES[mode]))
    build = narrowed(kind.build) if mode == "float32 only" else kind.build
    subject = replace(build(case.config, primals), laws=kind.laws(case.config))
    told = json.dumps({"layer": layer, "mode": mode, **to_plain(case.id)}, ensure_ascii=False)
    command = f"python benchmarks/false_alarms.py --case {shlex.quote(told)}"
    report = check_subject(subject, case.seed, Settings(), case.id)
    return Report(
        case.seed, (replace(report, failures=tuple(replace(one, reproduce=command) for one in report.failures)),)
    )


def run(chunk: Chunk) -> Outcome:
    """Draw and check the cases of a chunk."""
    begun = time.perf_counter()
    outcome = Outcome()
    for case in draw_cases(LAYERS[chunk.layer], chunk.number, chunk.cases):
        report = check(chunk.layer, chunk.mode, case)
        outcome.verdicts[report.verdict] += 1
        if report.verdict in ("failed", "error"):
            outcome.alarms.append(f"{chunk.layer}, {chunk.mode}\n{report}")
    outcome.seconds = time.perf_counter() - begun
    return outcome


def chunks(layers: list[str], cases: int) -> list[Chunk]:
    """Return so many cases in all, spread over layers and modes as evenly as it can be."""
    pairs = [(layer, mode) for layer in layers for mode in MODES]
    each, more = divmod(cases, len(pairs))
    parts = []
    for k, (layer, mode) in enumerate(pairs):
        count = each + (k < more)
        parts += [
            Chunk(layer, mode, number, min(CHUNK, count - begin)) for number, begin in enumerate(range(0, count, CHUNK))
        ]
    return parts


def outcomes(parts: list[Chunk], workers: int) -> Iterator[Outcome]:
    """Yield what came of each chunk, in their order; with one worker in this process."""
    if workers == 1:
        yield from map(run, parts)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        try:
            yield from pool.map(run, parts)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


# The command


def _case(ctx: click.Context, param: click.Parameter, told: str | None) -> tuple[str, str, Case] | None:
    """A case as a false alarm prints it."""
    if told is None:
        return None
    try:
        data = parse_json(told)
        layer, mode = data["layer"], data["mode"]
        if layer not in LAYERS or mode not in MODES:
            raise ValueError(f"there is no layer {layer!r} in mode {mode!r}")
        return layer, mode, case_from_data(LAYERS[layer], data["config"], data["regime"], data["seed"])
    except (ValueError, TypeError, KeyError) as error:
        raise click.BadParameter(f"expected a case as a false alarm prints it ({error})", ctx, param) from None


def _known(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in LAYERS:
            known = ", ".join(LAYERS)
            told = f"expected a layer among {known}, got {name!r}{did_you_mean(name, LAYERS)}"
            raise click.BadParameter(told, ctx, param)
    return names


def _table(totals: Mapping[tuple[str, str], Outcome]) -> Table:
    table = Table("layer", "mode", "cases", *VERDICTS, "s")
    for column in table.columns[2:]:
        column.justify = "right"
    for (layer, mode), outcome in totals.items():
        counts = (outcome.verdicts.total(), *(outcome.verdicts[verdict] for verdict in VERDICTS))
        table.add_row(layer, mode, *(f"{count:,}" for count in counts), f"{outcome.seconds:.1f}")
    return table


@click.command()
@click.option("--cases", type=click.IntRange(1), default=100_000, help="Random cases in all (default: 100,000).")
@click.option("--workers", type=click.IntRange(1), default=1, help="Processes, of one BLAS thread each (default: 1).")
@click.option("--only", multiple=True, callback=_known, help="A layer; can be given several times (default: all).")
@click.option("--case", callback=_case, help="Check one case again, as a false alarm prints it.")
def main(cases: int, workers: int, only: tuple[str, ...], case: tuple[str, str, Case] | None) -> None:
    """Print the verdicts over random cases of right layers."""
    if case is not None:
        report = check(*case)
        print(report)
        sys.exit(1 if report.verdict in ("failed", "error") else 0)
    begun = time.perf_counter()
    parts = chunks(list(only or LAYERS), cases)
    totals: dict[tuple[str, str], Outcome] = {}
    modes = {("all layers", mode): Outcome() for mode in MODES}
    columns = (TextColumn("cases"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    with bar if sys.stderr.isatty() else contextlib.nullcontext():
        task = bar.add_task("", total=cases)
        for part, outcome in zip(parts, outcomes(parts, workers), strict=True):
            totals.setdefault((part.layer, part.mode), Outcome()).add(outcome)
            modes["all layers", part.mode].add(outcome)
            bar.advance(task, part.cases)
    Console(width=110).print(_table(totals | modes))
    alarms = [alarm for outcome in totals.values() for alarm in outcome.alarms]
    for alarm in alarms[:SHOWN]:
        print(f"\n{alarm}")
    verdicts = sum((outcome.verdicts for outcome in modes.values()), Counter())
    took = f"{time.perf_counter() - begun:,.0f} s with {counted(workers, 'worker')}"
    found = f"{counted(len(alarms), 'false alarm')}, {verdicts['inconclusive']:,} inconclusive"
    print(f"\n{verdicts.total():,} cases of right layers: {found}; {took}")
    sys.exit(1 if alarms else 0)


if __name__ == "__main__":
    main()
