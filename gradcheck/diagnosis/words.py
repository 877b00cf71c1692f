"""A diagnosis put into the failures that it explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.diagnosis.explanations import Diagnosis
from gradcheck.records.run_record import Failure

#: Checks that find a wrong value; every other check names the cause itself.
VALUES = ("gradient", "kink", "linear", "second-point", "finite", "shape")
#: Contracts that a wrong value breaks too.
_BROKEN_BY_VALUES = (
    "linear-in-cotangent",
    "zero-for-zero",
    "batch-exchange",
    "batch-order",
    "batch-sizes",
    "any-rank",
)
#: Contracts that can be broken without making a value wrong: the value is what people look for first.
_NEVER_TO_BLAME = ("alias",)
#: Checks that tell nothing of a cause.
_NO_CAUSE = ("build", "raised", "form", "names", "dtype", "forward")
#: Relative errors up to this are those of a float32 cast.
_ROUNDING = 1e-5
#: What a finding says when it knows nothing.
_UNEXPLAINED = "analytic and numeric gradient differ"


def is_about_values(failure: Failure) -> bool:
    """Whether a failure is one of values, whose cause is to be looked for."""
    return failure.check in (*VALUES, *_BROKEN_BY_VALUES) or failure.check.startswith("law:")


def explained(failures: Sequence[Failure], diagnosis: Diagnosis) -> tuple[Failure, ...]:
    """Return the failures with their causes, and with what is known of those that have none."""
    told = [_explained(failure, diagnosis) for failure in failures]
    if not diagnosis.wrong:
        return tuple(told)
    # What may have made a value wrong, such as a changed argument, comes before it.
    return tuple(sorted(told, key=lambda one: (one.check in _BROKEN_BY_VALUES, one.check in _NEVER_TO_BLAME)))


def _explained(failure: Failure, diagnosis: Diagnosis) -> Failure:
    if failure.check in _NO_CAUSE:
        return failure
    if not is_about_values(failure):
        return replace(failure, cause=failure.check)
    own = failure.check if failure.check in (*_BROKEN_BY_VALUES, "second-point") else None
    primals = [failure.primal] if failure.primal else list(diagnosis.wrong)
    causes = [diagnosis.causes[primal] for primal in primals if primal in diagnosis.causes]
    if causes and len({cause.slug for cause in causes}) == 1 and len(causes) == len(primals):
        told = _joined(causes[0].sentence, _without_ratio(failure.explanation))
        return replace(failure, cause=causes[0].slug, explanation=told)
    if failure.check == "linear" and _is_rounding(failure):
        return replace(failure, cause="precision")
    told = "; ".join(diagnosis.descriptions[primal] for primal in primals if diagnosis.descriptions.get(primal))
    told = told or diagnosis.note
    return replace(failure, cause=own, explanation=_joined(failure.explanation, told))


def _is_rounding(failure: Failure) -> bool:
    """Whether an error along a linear argument is as small as a roundoff of float32, and no larger."""
    if failure.analytic is None or failure.numeric is None:
        return False
    return abs(failure.analytic - failure.numeric) <= _ROUNDING * max(abs(failure.analytic), abs(failure.numeric))


def _without_ratio(finding: str) -> str:
    """Leave out a ratio that the cause tells too; where it asks something, the question stays."""
    clauses = finding.split("; ")
    return "; ".join(one for one in clauses if not one.startswith("analytic = ") or one.endswith("?"))


def _joined(first: str, second: str) -> str:
    return "; ".join(part for part in (first, second) if part and part != _UNEXPLAINED) or _UNEXPLAINED
