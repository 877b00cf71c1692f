"""Right functions of our own making that are in no kind: how many are blamed, how many cannot be told?

``python benchmarks/foreign/functions.py --cases 10000 --workers 2`` spreads its cases evenly over the functions of
`own`, float64 and float32, and eleven value regimes. Each is checked as `gradcheck.check` does by default. That the
functions are right is established without gradcheck (`own/confirm.py`, in the tests). Exit status 1 if one is blamed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

from collections.abc import Sequence
from itertools import cycle, islice, product

import numpy as np
from own import FUNCTIONS, REGIMES
from own.confirm import disagreement_nearby, largest_rounding
from verdicts import command

import gradcheck
from gradcheck import Report, Subject

DTYPES = ("float64", "float32")


def cases_of(names: Sequence[str], cases: int, seed: int) -> list[str]:
    """Return so many cases; all functions come before a dtype or regime changes."""
    turns = cycle((regime, dtype, name) for regime, dtype, name in product(REGIMES, DTYPES, names))
    return [
        f"{name}/{dtype}/{regime}/{seed * 1_000_000 + number}"
        for number, (regime, dtype, name) in enumerate(islice(turns, cases))
    ]


def subject_of(case: str) -> Subject:
    """Return the function of a case at its point."""
    name, dtype, regime, number = case.split("/")
    reproduce = f"python benchmarks/foreign/functions.py --case '{case}'"
    return FUNCTIONS[name].subject(dtype, regime, int(number), reproduce)


def report_of(case: str) -> Report:
    """Check the function of a case."""
    return gradcheck.check(subject_of(case), seed=int(case.split("/")[-1]))


def second_method(case: str) -> str:
    """Tell how far the gradient is from differences in extended precision, and from itself there."""
    subject = subject_of(case)
    with np.errstate(all="ignore"):
        return f"differences {disagreement_nearby(subject):.0e}, rounding {largest_rounding(subject):.0e}"


main = command(
    script="functions.py",
    noun="function",
    parts=("dtype", "regime"),
    names=FUNCTIONS,
    cases_of=cases_of,
    report_of=report_of,
    cases=10_000,
    second_method=second_method,
)

if __name__ == "__main__":
    main()
