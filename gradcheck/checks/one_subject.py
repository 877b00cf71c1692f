"""Check one subject at its point: run the stages, and make a report of what is known after them."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.evidence import GradientEvidence
from gradcheck.checks.findings import answer_failure, evidence_notes
from gradcheck.checks.probe import Probe
from gradcheck.checks.stages import BESIDE, Known, Settings, require_known, stages
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
    # Without contracts nothing looks for changes in place: arrays are lent, and copied only where that fails.
    for lends_arguments in (False,) if settings.contracts else (True, False):
        probe = Probe(subject, lends_arguments=lends_arguments)
        unjudged = GradientEvidence(judged=dict.fromkeys(subject.primals, 0.0))
        rng = np.random.default_rng(seed)
        known = Known(probe=probe, rng=rng, settings=settings, case=case, without=without, evidence=unjudged)
        try:
            # Steps that leave the domain of a forward are dealt with where their values are read.
            with np.errstate(all="ignore"):
                for stage in stages(subject):
                    known = stage(known)
                    if known.is_over:
                        break
            verdict = _verdict(known)
        except (FormError, SubjectRaisedError) as error:
            is_answer = isinstance(error, FormError) and (error.primal or error.check not in ("forward", "form"))
            verdict = "failed" if is_answer or known.failures else "error"
            known = known.plus([answer_failure(error, case)])
        if verdict != "error":
            break
    return SubjectReport(
        subject.name,
        case.kind,
        verdict,
        seconds=time.perf_counter() - begun,
        evaluations=probe.evaluations,
        resolution=known.evidence.resolution,
        masked=max(0.0, 1.0 - _judged_share(known)),
        failures=_reproducible(known.failures, subject, seed),
        notes=(*known.notes, *evidence_notes(known.evidence)),
        vacuous=known.evidence.vacuous,
        checks=probe.checks,
        limits=tuple(sorted(trait.limit for trait in subject.traits if trait.limit)),
        without=shown,
    )


def _verdict(known: Known) -> Verdict:
    """Return the verdict of a subject that answered."""
    if known.failures:
        return "failed"
    return "inconclusive" if known.evidence.unclear or known.evidence.vacuous else "passed"


def _judged_share(known: Known) -> float:
    """Return the share of (entries × outputs) that smooth differences judged."""
    space, judged = known.probe.space, known.evidence.judged
    return sum(part.size * judged[part.name] for part in space) / space.size if judged else 1.0


def _reproducible(failures: tuple[Failure, ...], subject: Subject, seed: int) -> tuple[Failure, ...]:
    command = subject.reproduce.replace("{seed}", str(seed)) or f"gradcheck.check(subject, seed={seed})"
    return tuple(dataclasses.replace(failure, reproduce=failure.reproduce or command) for failure in failures)
