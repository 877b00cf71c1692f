"""The operators of PyTorch's own database through `gradcheck.adapters.from_torch`: how many are blamed?

``python benchmarks/foreign/torch_operators.py --workers 2`` judges every operator of
``torch.testing._internal.common_methods_invocations.op_db`` at up to four of its samples, in float64 and float32, with
and without contracts. What does not pass is shown to ``torch.autograd.gradcheck`` too; where that refuses the operator
as well, it is counted as faulty, and not as blamed. Nothing is left out in silence: every operator is in the table,
with the reason where it has no gradient or cannot be called.

``--plant`` plants faults into the gradient of the first argument of every operator that passes with a gradient that is
not zero: a scale of 1.001, its largest entry off by 1 %, the wrong sign, entries in reverse, a rounding to float32. A
fault that does not change the gradient is left out and counted.

Exit status 1 if something right is blamed; with ``--plant``, if a fault passes.
Needs ``pip install "gradcheck[foreign]"``.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import Any

import click
import numpy as np
import torch
from operators import NO_AUTOGRAD as NO_AUTOGRAD
from operators import OPERATORS, NothingToCheckError, Sample, require_differentiable, sample_of, samples_of
from verdicts import FAULTY, Outcome, blamed, counts, grouped, markdown, outcome_of, print_blamed, shortened, tables

import gradcheck
from gradcheck import Report, Subject
from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import Settings
from gradcheck.messages import counted

torch.set_num_threads(1)

DTYPES = ("float64", "float32")
CONTRACTS = {"on": True, "off": False}
VERDICTS = ("passed", "blamed", "inconclusive", "error", FAULTY, "not differentiable", "skipped")
SCRIPT = "torch_operators.py"
NOTHING_TO_PLANT = "no right sample with a gradient"

# Judging


def report_of(case: str) -> Report:
    """Check one sample of an operator: ``NAME/DTYPE/on/SAMPLE``; with a fault ``NAME/DTYPE/FAULT/SAMPLE``."""
    name, dtype, way, number = case.split("/")
    sample = sample_of(name, samples_of(name, dtype, int(number) + 1)[int(number)])
    subject = sample.subject(f"python benchmarks/foreign/{SCRIPT} --case '{case}'")
    if way in FAULTS:
        subject = planted(subject, FAULTS[way])
    return gradcheck.check(subject, contracts=CONTRACTS.get(way, True))


def judged(key: str, most: int) -> list[Outcome]:
    """Judge the samples of one operator in one dtype: ``NAME/DTYPE/on``."""
    name, dtype, _ = key.split("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            require_differentiable(name, dtype)
            samples = samples_of(name, dtype, most)
        except NothingToCheckError as reason:
            return [Outcome(case=key, verdict="not differentiable", reason=str(reason))]
        except Exception as error:
            return [Outcome(case=key, verdict="skipped", reason=_told("its samples cannot be drawn: ", error))]
        if not samples:
            return [Outcome(case=key, verdict="skipped", reason="the database has no sample")]
        return [_judged_sample(f"{key}/{number}", given) for number, given in enumerate(samples)]


def _judged_sample(case: str, given: Any) -> Outcome:
    name, _, way, _ = case.split("/")
    try:
        sample = sample_of(name, given)
        outcome = outcome_of(case, gradcheck.check(sample.subject(), contracts=CONTRACTS[way]))
    except NothingToCheckError as reason:
        return Outcome(case=case, verdict="skipped", reason=str(reason))
    except Exception as error:
        return Outcome(case=case, verdict="error", reason=_told("", error))
    if outcome.verdict == "passed":
        return outcome
    accepted = sample.passes_gradcheck_of_torch()
    told = f"{outcome.reason} [torch.autograd.gradcheck: {'passed' if accepted else 'failed'}]"
    faulty = outcome.verdict == "blamed" and not accepted
    return replace(outcome, reason=told, verdict=FAULTY if faulty else outcome.verdict)


def _told(what: str, error: Exception) -> str:
    return shortened(f"{what}{type(error).__name__}: {error}")


# Planting


def _off_by_a_percent(gradient: Any, place: tuple[int, ...]) -> Any:
    gradient = gradient.copy()
    gradient[place] *= 1.01
    return gradient


#: Name -> what becomes of a gradient, given the place of its largest entry.
FAULTS: dict[str, Callable[[Any, Any], Any]] = {
    "scale": lambda gradient, _: gradient * gradient.dtype.type(1.001),
    "largest": _off_by_a_percent,
    "sign": lambda gradient, _: -gradient,
    "flip": lambda gradient, _: np.flip(gradient).copy(),
    "rounding": lambda gradient, _: gradient.astype(np.float32).astype(gradient.dtype),
}


def gradients_of(subject: Subject) -> tuple[Any, ...]:
    """Return three gradients of the first primal, for random cotangents."""
    rng = np.random.default_rng(0)
    name = next(iter(subject.primals))
    outputs, pullback = subject.vjp(subject.primals)
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    found = []
    for _ in range(3):
        cotangents = tuple(rng.standard_normal(output.shape).astype(output.dtype) for output in several)
        found.append(np.array(pullback(cotangents if isinstance(outputs, tuple) else cotangents[0])[name]))
    return tuple(found)


def planted(subject: Subject, fault: Callable[[Any, Any], Any]) -> Subject:
    """Return a subject whose gradient of the first primal has a fault."""
    name = next(iter(subject.primals))
    largest = gradients_of(subject)[0]
    place = np.unravel_index(np.abs(largest).argmax(), largest.shape)

    def vjp(primals: Any) -> Any:
        outputs, pullback = subject.vjp(primals)

        def wrong(cotangents: Any) -> Any:
            gradients = pullback(cotangents)
            return {**gradients, name: fault(np.asarray(gradients[name]), place)}

        return outputs, wrong

    return replace(subject, vjp=vjp)


def changes(subject: Subject, fault: Callable[[Any, Any], Any]) -> bool:
    """Whether a fault changes any of three gradients."""
    pairs = zip(gradients_of(subject), gradients_of(planted(subject, fault)), strict=True)
    return any(not np.array_equal(right, wrong) for right, wrong in pairs)


def planted_outcomes(key: str, most: int) -> list[Outcome]:
    """Plant every fault into the smallest sample of an operator that passes with a gradient that is not zero."""
    name, dtype, _ = key.split("/")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = [outcome.case for outcome in judged(key, most) if outcome.verdict == "passed"]
        subjects = {case: _sample(case).subject() for case in right}
        chosen = [case for case, subject in subjects.items() if any(map(np.any, gradients_of(subject)))]
        if not chosen:
            return [Outcome(case=f"{name}/{dtype}/none/0", verdict=NOTHING_TO_PLANT)]
        case = min(chosen, key=lambda case: sum(array.size for array in subjects[case].primals.values()))
        number = case.split("/")[-1]
        return [_planted_outcome(f"{name}/{dtype}/{fault}/{number}", subjects[case], fault) for fault in FAULTS]


def _planted_outcome(case: str, subject: Subject, fault: str) -> Outcome:
    if not changes(subject, FAULTS[fault]):
        return Outcome(case=case, verdict="left out")
    report = check_subject(planted(subject, FAULTS[fault]), 0, Settings())  # whose cause nobody asks for
    outcome = outcome_of(case, Report(0, (report,)))
    return replace(outcome, verdict="caught") if outcome.verdict in ("blamed", "error") else outcome


def _sample(case: str) -> Sample:
    name, dtype, _, number = case.split("/")
    return sample_of(name, samples_of(name, dtype, int(number) + 1)[int(number)])


# The command


def outcomes(judge: Callable[[str], list[Outcome]], keys: Sequence[str], workers: int) -> Iterator[list[Outcome]]:
    """Yield what became of each operator; with one worker in this process."""
    if workers == 1:
        yield from map(judge, keys)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(judge, keys, chunksize=4)


def by_operator(found: Sequence[Outcome]) -> str:
    """Return how many operators there are of each worst verdict, in each dtype and way."""
    worst = ("error", "blamed", FAULTY, "inconclusive", "passed", "skipped", "not differentiable")
    rows = []
    for dtype, of_dtype in grouped(found, 1).items():
        for way, group in grouped(of_dtype, 2).items():
            operators = [
                min((outcome.verdict for outcome in samples), key=worst.index) for samples in grouped(group, 0).values()
            ]
            rows.append((dtype, way, len(operators), *(operators.count(verdict) for verdict in VERDICTS)))
    return markdown(("dtype", "contracts", "operators", *VERDICTS), rows)


def print_planted(found: Sequence[Outcome]) -> int:
    """Print what became of planted faults; return how many passed."""
    verdicts = ("caught", "passed", "inconclusive", "left out", NOTHING_TO_PLANT)
    rows = [
        (dtype, fault, *counts(group, verdicts))
        for dtype, of_dtype in grouped(found, 1).items()
        for fault, group in grouped(of_dtype, 2).items()
    ]
    print(markdown(("dtype", "fault", "operators", *verdicts), rows))
    survivors = [outcome for outcome in found if outcome.verdict in ("passed", "inconclusive")]
    print(f"\n{counted(len(survivors), 'fault')} not caught:\n")
    for outcome in survivors:
        told = f"{outcome.verdict} {outcome.reason}"
        print(f"python benchmarks/foreign/{SCRIPT} --case '{outcome.case}'  # {told}")
    return sum(outcome.verdict == "passed" for outcome in found)


def _known(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in OPERATORS:
            raise click.BadParameter(f"expected an operator of the database, got {name!r}", ctx, param)
    return names


@click.command()
@click.option("--samples", type=click.IntRange(1), default=4, show_default=True, help="Samples of each operator.")
@click.option("--dtype", type=click.Choice(DTYPES), multiple=True, help="Default: both.")
@click.option("--contracts", type=click.Choice(list(CONTRACTS)), multiple=True, help="Default: on and off.")
@click.option("--plant", is_flag=True, help="Plant faults into what passes.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--only", multiple=True, callback=_known, help="An operator; can be given several times.")
@click.option("--case", help="Judge one case again, as the table of blamed ones shows it.")
def main(
    samples: int,
    dtype: tuple[str, ...],
    contracts: tuple[str, ...],
    plant: bool,
    workers: int,
    only: tuple[str, ...],
    case: str | None,
) -> None:
    """Print the verdicts over the operators of PyTorch's database."""
    if case is not None:
        report = report_of(case)
        print(report)
        sys.exit(0 if report.passed else 1)
    begun = time.perf_counter()
    ways = ("on",) if plant else contracts or tuple(CONTRACTS)
    keys = [f"{name}/{one}/{way}" for way in ways for one in dtype or DTYPES for name in only or OPERATORS]
    judge = partial(planted_outcomes if plant else judged, most=samples)
    found = list(chain.from_iterable(outcomes(judge, keys, workers)))
    seconds = time.perf_counter() - begun
    if plant:
        passed = print_planted(found)
        print(f"\n{counted(passed, 'fault')} passed; {seconds:,.0f} s")
        sys.exit(1 if passed else 0)
    print(tables(found, "operator", ("dtype", "contracts"), VERDICTS))
    print(f"\n{by_operator(found)}")
    print_blamed(found, SCRIPT)
    print(f"\n{counted(len(found), 'case')}, {len(blamed(found))} blamed; {seconds:,.0f} s")
    sys.exit(1 if blamed(found) else 0)


if __name__ == "__main__":
    main()
