"""What the checks found, put into the words and fields of a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.escalation import Examination
from gradcheck.checks.evidence import GradientEvidence
from gradcheck.checks.exact import ExactTest
from gradcheck.checks.kinks import KinkFault, KinkVerdict
from gradcheck.checks.localize import WrongGradient
from gradcheck.checks.picture import take_picture
from gradcheck.checks.second_point import SecondPoint
from gradcheck.checks.setting import Setting
from gradcheck.messages import digits_apart
from gradcheck.numeric.space import Space
from gradcheck.records.run_record import CaseId, Failure
from gradcheck.subject import Trait

#: An error up to this share of a gradient is told beside its size.
_NEARLY_RIGHT = 1e-4


def gradient_failures(
    setting: Setting, evidence: GradientEvidence, case: CaseId, pictures: bool = False
) -> Iterator[Failure]:
    """Return a failure for each gradient that was found wrong, with what can be drawn of it if `pictures`."""
    for wrong in evidence.wrong:
        failure = _wrong_gradient(setting, wrong, case)
        yield replace(failure, picture=take_picture(setting, wrong)) if pictures else failure
    for found in evidence.disagreements:
        yield _disagreement(setting, found, case)
    for kink in evidence.kinks:
        worst: dict[str, tuple[KinkFault, int]] = {}
        for fault in kink.faults:
            name = setting.space.locate(fault.position)[0]
            known, count = worst.get(name, (fault, 0))
            worst[name] = (max(known, fault, key=lambda one: abs(one.analytic)), count + 1)
        for fault, count in worst.values():
            yield _kink_fault(setting, kink, fault, count, case)


def answer_failure(error: FormError | SubjectRaisedError, case: CaseId) -> Failure:
    """Return the failure of a subject whose answer is none, or whose code raised."""
    if isinstance(error, FormError):
        return Failure(error.check, case, str(error), primal=error.primal)
    return Failure("raised", case, str(error))


def contract_failure(check: str, violation: Violation, case: CaseId) -> Failure:
    """Return the failure of a contract or a law."""
    return Failure(
        violation.check or check,
        case,
        violation.sentence,
        primal=violation.primal,
        index=violation.index,
        wrong_entries=violation.wrong_entries,
        entries=violation.entries,
    )


def second_point_failures(found: SecondPoint, case: CaseId, pictures: bool = False) -> Iterator[Failure]:
    """Return the failures of a gradient that is right at the first point and wrong at the second.

    Where a copy of the subject that is asked there first errs as well, nothing is left of the first point: that is a
    wrong gradient like any other.
    """
    for failure in gradient_failures(found.setting, found.evidence, case, pictures):
        if found.right_if_first is False:
            why = "the values of the first point hide the error, those of a second one do not"
            yield replace(failure, explanation=f"{failure.explanation}; {why}")
            continue
        why = "something of the first call is left"
        if found.right_if_first is None:
            why = f"{why}, or the values of the first point hide the error"
        elif failure.primal in found.unmoved:
            why = (
                "bit for bit it is still that of the first point: what the first forward left is used by every "
                "pullback, fill the cache in each forward"
            )
        sentence = f"right at the first point, wrong at a second one that came later: {failure.explanation}; {why}"
        yield replace(failure, check="second-point", explanation=sentence)


def exact_failure(test: ExactTest, case: CaseId) -> Failure:
    """Return the failure of a comparison along a linear argument."""
    names = " and ".join(test.primals)
    relative = abs(test.analytic - test.numeric) / max(abs(test.numeric), abs(test.analytic))
    return Failure(
        "linear",
        case,
        f"the forward is linear in {names}, so that the difference is exact there: the gradient is off by "
        f"{relative:.1g} of it, more than float64 rounding explains; "
        f"{'a hidden float32 cast does this, or ' if relative < 1e-5 else ''}a small wrong term such as an epsilon",
        primal=test.primals[0] if len(test.primals) == 1 else None,
        analytic=test.analytic,
        numeric=test.numeric,
        error_bar=test.bar,
    )


def precision_failure(setting: Setting, case: CaseId) -> Failure | None:
    """Return the failure of a forward that computes in a lower precision than its primals have, undeclared."""
    seen, promised = setting.function.precision, setting.probe.analytic_precision
    if seen.unit <= promised.unit or setting.probe.declared_precision is not None:
        return None
    return Failure(
        "precision",
        case,
        f"the forward computes in {seen.dtype} although its primals are {promised.dtype}: it does not move when they "
        f"move by a few {promised.dtype} roundings; if that is meant, declare gradcheck.{Trait(seen.trait)}",
    )


def evidence_notes(evidence: GradientEvidence) -> Iterator[str]:
    """Return what a reader should know beside the verdict."""
    for kink in evidence.kinks:
        if kink.conventions:
            yield (
                f"{kink.judged} of {kink.outputs} outputs at a kink judged by one-sided slopes: "
                f"{'; '.join(kink.conventions)}"
            )
    for name in evidence.vacuous:
        yield (
            f"the gradient of {name!r} is zero on both sides, which tells nothing: is every unit dead, "
            f"is the softmax over one class, is the output normalised?"
        )
    yield from evidence.unclear


def _wrong_gradient(setting: Setting, wrong: WrongGradient, case: CaseId) -> Failure:
    sentences = []
    if wrong.index is None:
        sentences.append(
            "the gradient along a random tangent is not the slope of the forward; "
            "no single entry is off by more than its own error bar"
        )
    nearly = _right_but_for(wrong)
    if nearly is not None:
        sentences.append(nearly)
    elif wrong.ratio is not None:
        sentences.append(
            f"analytic = {digits_apart(wrong.ratio, 1.0)[0]} × numeric in every entry{_mean_or_sum(wrong)}"
        )
    if wrong.outputs:
        form = setting.linearization.form
        sentences.append(f"the error enters through {_outputs(wrong.outputs, form.space, form.is_tuple)}")
    return Failure(
        "gradient",
        case,
        "; ".join(sentences) or "analytic and numeric gradient differ",
        primal=wrong.part.name,
        index=wrong.index,
        analytic=wrong.analytic,
        numeric=wrong.numeric,
        error_bar=wrong.bar,
        wrong_entries=wrong.wrong_entries if wrong.index is not None else None,
        entries=wrong.part.size,
        sampled=wrong.sampled,
    )


def _right_but_for(wrong: WrongGradient) -> str | None:
    """Say how large an error is that is small beside the gradient, and relative to what."""
    if wrong.comparison is None:
        error, size, what = abs(wrong.analytic - wrong.numeric), abs(wrong.numeric), "of its slope along that tangent"
    else:
        error = float(np.abs(wrong.comparison.analytic - wrong.comparison.numeric).max())
        size, what = float(np.abs(wrong.comparison.numeric).max()), "of its largest entry"
    if not 0 < error <= _NEARLY_RIGHT * size:
        return None
    return (
        f"the gradient is right but for {error / size:.2g} {what} ({error:.2g} beside {size:.3g}): does a small "
        f"constant such as an epsilon stand in the forward or in the backward alone, or is a lower precision used?"
    )


def _mean_or_sum(wrong: WrongGradient) -> str:
    """Ask whether a constant ratio is the number of things that one side sums and the other averages."""
    shape = wrong.part.shape
    for count in (*shape, int(np.prod(shape))):
        for factor, sides in ((count, "a sum against a mean"), (1 / count, "a mean against a sum")):
            if count > 1 and wrong.ratio is not None and abs(wrong.ratio - factor) <= 1e-4 * factor:
                return f": {sides} over {count}?"
    return ""


def _outputs(positions: tuple[int, ...], space: Space, is_tuple: bool) -> str:
    def place(position: int) -> str:
        name, index = space.locate(position)
        text = str(list(index))
        return f"output {name}{text}" if is_tuple else text

    word = "one output" if len(positions) == 1 else f"{len(positions)} outputs"
    return f"{word} of {space.size:,}: {', '.join(map(place, positions))}"


def _disagreement(setting: Setting, found: Examination, case: CaseId) -> Failure:
    moved = [part.name for part in setting.space if found.tangent[part.slice].any()]
    return Failure(
        "gradient",
        case,
        f"the gradient along a random tangent of {', '.join(moved)} is not the slope of the forward",
        primal=moved[0] if len(moved) == 1 else None,
        analytic=found.analytic,
        numeric=found.numeric,
        error_bar=found.bar,
    )


def _kink_fault(setting: Setting, kink: KinkVerdict, fault: KinkFault, count: int, case: CaseId) -> Failure:
    name, index = setting.space.locate(fault.position)
    return Failure(
        "kink",
        case,
        f"{fault.sentence} ({kink.judged} of {kink.outputs} outputs at a kink were judged)",
        primal=name,
        index=index,
        analytic=fault.analytic,
        numeric=(fault.low + fault.high) / 2,
        error_bar=(fault.high - fault.low) / 2,
        wrong_entries=count,
        entries=setting.space.part(name).size,
        sampled=kink.judged < kink.outputs,
    )
