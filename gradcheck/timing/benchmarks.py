"""A way to a gradient as a benchmark of pytest-benchmark."""

from __future__ import annotations

from typing import Any

from gradcheck.records.run_record import Evaluations
from gradcheck.records.timing_record import Way
from gradcheck.reports.text import format_config
from gradcheck.timing.measure import Ways
from gradcheck.timing.sizes import Sized


def run_benchmark(benchmark: Any, name: str, size: Sized, way: Way) -> Evaluations:
    """Run one way under the fixture ``benchmark`` and return what it calls.

    Parameters
    ----------
    benchmark : fixture of pytest-benchmark
        Gets a group for each size of each name, and sizes and calls as its ``extra_info``.
    name : str
    size : Sized
    way : {"forward", "analytic", "numeric", "projected"}
    """
    ways = Ways(size.make(), seed=0)
    call = ways.call(way)
    spent = ways.counted(call)
    benchmark.group = f"{name}, {ways.entries:,} entries"
    benchmark.extra_info.update(
        way=way,
        config=format_config(size.config),
        entries=ways.entries,
        outputs=ways.outputs,
        forwards=spent.forward,
        pullbacks=spent.pullback,
    )
    benchmark(call)
    return spent
