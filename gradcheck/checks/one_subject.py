"""One subject checked at its point: the stages run, and what they found becomes a report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import numpy as np

from gradcheck.checks.findings import evidence_notes
from gradcheck.checks.gradient import GradientEvidence
from gradcheck.checks.probe import FormError, Probe, SubjectRaisedError
from gradcheck.checks.stages import BESIDE, Ledger, Settings, require_known, run_stages
from gradcheck.records.run_record import CaseId, Failure, SubjectReport, Verdict
from gradcheck.subject import Subject


def check_subject(
    subject: Subject, seed: int, settings: Settings | None = None, case: CaseId | None = None
) -> SubjectReport:
    """Check one subject at its point; `case` tells reports where it comes from."""
    begun = time.perf_counter()
    settings = settings or Settings()
    without = {**subject.without, **settings.without}
    require_known(without)
    shown = without if settings.contracts else {}
    settings = dataclasses.replace(settings, contracts=settings.contracts and BESIDE not in without)
    case = case or CaseId(None, {name: array.shape for name, array in subject.primals.items()}, None, seed)
    # Without contracts nothing looks for changes in place, and arrays need not be copied before each call.
    probe, ledger, broken = _run(subject, seed, settings, case, without, lends_arguments=not settings.contracts)
    if probe.lends_arguments and broken == "error":
        probe, ledger, broken = _run(subject, seed, settings, case, without, lends_arguments=False)
    evidence = ledger.evidence
    return SubjectReport(
        subject.name,
        case.kind,
        broken if ledger.failures else _verdict(evidence),
        seconds=time.perf_counter() - begun,
        evaluations=probe.evaluations,
        resolution=evidence.resolution,
        masked=max(0.0, 1.0 - _judged_share(probe, evidence)),
        failures=_reproducible(tuple(ledger.failures), subject, seed),
        notes=(*ledger.notes, *evidence_notes(evidence)),
        vacuous=tuple(evidence.vacuous),
        checks=ledger.spent,
        limits=tuple(sorted(trait.limit for trait in subject.traits if trait.limit)),
        without=shown,
    )


def _run(
    subject: Subject,
    seed: int,
    settings: Settings,
    case: CaseId,
    without: Mapping[str, str],
    *,
    lends_arguments: bool,
) -> tuple[Probe, Ledger, Verdict]:
    """Run the stages; return what they left, and the verdict if they left failures."""
    probe = Probe(subject)
    probe.lends_arguments = lends_arguments
    ledger = Ledger(probe, case, without)
    try:
        # Steps that leave the domain of a forward are dealt with where their values are read.
        with np.errstate(all="ignore"):
            run_stages(probe, np.random.default_rng(seed), settings, ledger)
    except (FormError, SubjectRaisedError) as error:
        is_answer = isinstance(error, FormError) and error.check not in ("forward", "form")
        broken: Verdict = "failed" if is_answer or ledger.failures else "error"
        check = error.check if isinstance(error, FormError) else "raised"
        ledger.failures.append(Failure(check, case, str(error), primal=getattr(error, "primal", None)))
        return probe, ledger, broken
    return probe, ledger, "failed"


def _judged_share(probe: Probe, evidence: GradientEvidence) -> float:
    """Return the share of (entries × outputs) that smooth differences judged."""
    if not evidence.judged:
        return 1.0
    return sum(part.size * evidence.judged[part.name] for part in probe.space) / probe.space.size


def _reproducible(failures: tuple[Failure, ...], subject: Subject, seed: int) -> tuple[Failure, ...]:
    command = subject.reproduce.replace("{seed}", str(seed)) or f"gradcheck.check(subject, seed={seed})"
    return tuple(dataclasses.replace(failure, reproduce=failure.reproduce or command) for failure in failures)


def _verdict(evidence: GradientEvidence) -> Verdict:
    return "inconclusive" if evidence.unclear or evidence.vacuous else "passed"
