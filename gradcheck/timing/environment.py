"""Where times were taken, and how many threads NumPy's matrix products had."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gradcheck.records.timing_record import Environment

#: What libraries of matrix products read when NumPy loads them, and not again.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def threads_to_be(threads: int) -> dict[str, str]:
    """Return the variables of an environment in which matrix products have that many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def threads_of(variables: Mapping[str, str]) -> tuple[int | None, str]:
    """Return the number of threads that an environment asks for, and how that is known.

    Examples
    --------
    >>> threads_of({"OMP_NUM_THREADS": "1"})
    (1, 'OMP_NUM_THREADS=1')
    >>> threads_of({})
    (None, 'no variable limits them')
    """
    given = {name: variables[name] for name in THREAD_VARIABLES if variables.get(name, "").isdecimal()}
    if not given:
        return None, "no variable limits them"
    how = ", ".join(f"{name}={value}" for name, value in given.items())
    counts = {int(value) for value in given.values()}
    return (counts.pop(), how) if len(counts) == 1 else (None, f"the variables differ: {how}")


def environment() -> Environment:
    """Return where this process runs."""
    from gradcheck.version import __version__

    threads, how = threads_of(os.environ)
    return Environment(
        gradcheck=__version__,
        python=platform.python_version(),
        numpy=np.__version__,
        blas=_blas(),
        platform=platform.platform(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=threads,
        threads_known_from=how,
    )


def _blas() -> str:
    built = np.show_config(mode="dicts") or {}
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[key]) for key in ("name", "version") if blas.get(key)) or "unknown"


def _processor() -> str:
    """The name of the processor, which Python does not know on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
