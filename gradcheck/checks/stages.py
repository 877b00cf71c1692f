"""The stages of one check, as a list: each takes what is known of a subject, and returns what is known after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from gradcheck.checks.answers import FormError
from gradcheck.checks.check_laws import check_law, holds_here
from gradcheck.checks.contracts import CONTRACTS, check_contract
from gradcheck.checks.contracts.agreement import agreement
from gradcheck.checks.contracts.contract import Contract
from gradcheck.checks.contracts.memory import find_unwritten
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.evidence import GradientEvidence
from gradcheck.checks.exact import exact_tests
from gradcheck.checks.findings import (
    answer_failure,
    contract_failure,
    exact_failure,
    gradient_failures,
    precision_failure,
    second_point_failures,
)
from gradcheck.checks.fresh_copy import FreshCopy
from gradcheck.checks.gradient_check import check_gradient
from gradcheck.checks.probe import Probe
from gradcheck.checks.second_point import check_second_point
from gradcheck.checks.setting import Setting
from gradcheck.messages import did_you_mean
from gradcheck.numeric.precision import DOUBLE
from gradcheck.records.run_record import CaseId, Failure
from gradcheck.subject import Law, Subject

#: Stages beside the contracts that can be switched off.
_OTHERS = ("laws", "linear", "second-point")
#: All checks beside the gradient's together, which can be switched off by one name.
BESIDE = "contracts"
#: What can be run alone: agreement with the sibling's forward, differences, the other contracts, laws.
GROUPS = ("forward", "gradient", "contracts", "laws")
#: Contracts whose violation tells how to judge gradients fairly: they run before these, reported or not.
_SETTLING = (
    "mutation",
    "uninitialised",
    "pullback-twice",
    "accumulates",
    "deterministic",
    "call-order",
    "linear-in-cotangent",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a subject is checked.

    Attributes
    ----------
    trials : int
        Tangents and cotangents of the projected check.
    exhaustive : bool
        Whether every entry is compared with its own difference as well.
    contracts : bool
        Whether checks beside the gradient itself run.
    take_apart : bool
        Whether a wrong gradient is taken apart (searches for the smallest case do without).
    without : mapping of str to str
        Checks that are switched off, with the reason for each.
    groups : tuple of str
        Which of `GROUPS` are run.
    pictures : bool
        Whether failures hold what can be drawn of a wrong gradient that is taken apart.
    """

    trials: int = 2
    exhaustive: bool = False
    contracts: bool = True
    take_apart: bool = True
    without: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = GROUPS
    pictures: bool = False

    @property
    def draws(self) -> bool:
        """Whether failures hold pictures."""
        return self.pictures and self.take_apart

    def reports(self, contract: Contract) -> bool:
        """Whether the group of a contract is run."""
        return ("forward" if contract is agreement else "contracts") in self.groups

    def needs(self, contract: Contract) -> bool:
        """Whether a contract is run: for itself, or for what follows."""
        judges = "gradient" in self.groups or "laws" in self.groups
        return self.reports(contract) or (judges and contract.name in _SETTLING)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a subject between two stages, and how it is checked.

    Attributes
    ----------
    probe : Probe
    rng : numpy.random.Generator
    settings : Settings
    case : CaseId
        Where failures say that they come from.
    without : mapping of str to str
        The checks that are switched off, by the settings or by the subject.
    failures : tuple of Failure
    notes : tuple of str
    evidence : GradientEvidence
    linearized : Setting or None
        The subject at its point, once it is linearized.
    fresh : FreshCopy or None
        The ``vjp`` of the subject as it was before its first call; None where a second point is not asked for.
    session : Session or None
        The calls that the checks beside the gradient's share; None where these are not run, or would tell nothing.
    is_over : bool
        Whether further stages would tell nothing.
    """

    probe: Probe
    rng: np.random.Generator
    settings: Settings
    case: CaseId
    without: Mapping[str, str]
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    evidence: GradientEvidence = field(default_factory=GradientEvidence)
    linearized: Setting | None = None
    fresh: FreshCopy | None = None
    session: Session | None = None
    is_over: bool = False

    @property
    def setting(self) -> Setting:
        """The subject at its point."""
        assert self.linearized is not None
        return self.linearized

    @property
    def compares(self) -> bool:
        """Whether gradients are compared with differences."""
        return "gradient" in self.settings.groups

    @property
    def reports_low_precision(self) -> bool:
        """Whether a failure already says that the subject computes in a lower precision."""
        return any(failure.check == "precision" for failure in self.failures)

    def is_due(self, check: str) -> bool:
        """Whether a check was not switched off."""
        return check not in self.without

    def plus(self, failures: Iterable[Failure] = (), notes: Iterable[str] = ()) -> Known:
        """Return this with what a stage found."""
        failures, notes = tuple(failures), tuple(notes)
        if not failures and not notes:
            return self
        return replace(self, failures=self.failures + failures, notes=self.notes + notes)


Stage: TypeAlias = Callable[[Known], Known]


def stages(subject: Subject) -> list[Stage]:
    """Return the stages of the check of a subject, in their order.

    A stage that is switched off, or that would tell nothing after what was found, returns what it is given. Where the
    subject gives no answer it raises `FormError` or `SubjectRaisedError`: then what the stages before found is known.
    """
    return [
        linearize,
        pull_back,
        check_contracts,
        compare_gradient,
        *(partial(obey_law, law=law) for law in subject.laws),
        compare_exactly,
        compare_at_second_point,
        look_for_low_precision,
    ]


def linearize(known: Known) -> Known:
    """Make the first forward, and before it, where that will be asked for, a copy of what has seen no point yet."""
    asks_fresh = known.settings.contracts and known.compares and known.is_due("second-point")
    fresh = FreshCopy(known.probe.subject.vjp) if asks_fresh else None
    with known.probe.counting("gradient"):
        return replace(known, linearized=Setting.of(known.probe, known.rng), fresh=fresh)


def pull_back(known: Known) -> Known:
    """Make the first pullback; a gradient of a wrong form is told, and judged if it is clear how to convert it."""
    while True:
        try:
            return _pulled_back(known)
        except FormError as error:
            wrong_form = answer_failure(error, known.case)
            if known.probe.convert(error):
                known = linearize(known.plus([wrong_form]))
                continue
            unwritten = _unwritten(known) if error.check == "finite" else []
            if not unwritten and not known.failures:
                raise
            return replace(known.plus([*unwritten, wrong_form]), is_over=True)


def _pulled_back(known: Known) -> Known:
    if not known.settings.contracts:
        if known.compares:
            with known.probe.counting("gradient"):
                known.setting.pull(0)
        return known
    with known.probe.counting("form"):
        return replace(known, session=Session(known.setting))


def _unwritten(known: Known) -> list[Failure]:
    """Say so where a gradient that is not finite is memory that nobody wrote."""
    if not known.settings.contracts or not known.is_due("uninitialised"):
        return []
    with known.probe.counting("form"):
        found = find_unwritten(known.probe, known.setting.cotangent())
    return [] if found is None else [contract_failure("uninitialised", found, known.case)]


def check_contracts(known: Known) -> Known:
    """Check the contracts, until one is broken after which the others would tell nothing."""
    session, settings = known.session, known.settings
    if session is None:
        return known
    for contract in CONTRACTS:
        if not (settings.needs(contract) and known.is_due(contract.name) and contract.applies(known.probe)):
            continue
        with known.probe.counting(contract.name):
            violations = list(check_contract(contract, session))
        if not violations:
            continue
        told = [
            violation
            for violation in violations
            if settings.reports(contract) or violation.ends_contracts or violation.ends_check
        ]
        known = known.plus(
            [contract_failure(contract.name, violation, known.case) for violation in told if not violation.is_harmless],
            [violation.sentence for violation in told if violation.is_harmless],
        )
        if any(violation.ends_check for violation in violations):
            return replace(known, is_over=True)
        if any(violation.ends_contracts for violation in violations):
            known = replace(known, session=None)
            break
    return replace(known, linearized=replace(known.setting, pulls=session.pulls))


def compare_gradient(known: Known) -> Known:
    """Compare the gradient with differences."""
    settings = known.settings
    if not known.compares:
        return replace(known, evidence=GradientEvidence())  # nothing is asked that differences could not judge
    with known.probe.counting("gradient"):
        evidence = check_gradient(
            known.setting,
            trials=settings.trials,
            take_apart=settings.take_apart,
            exhaustive=settings.exhaustive,
        )
        # A gradient of which entries were never written is blamed for that alone, whatever their memory held.
        unwritten = {failure.primal for failure in known.failures if failure.check == "uninitialised"}
        found = gradient_failures(known.setting, evidence, known.case, settings.draws)
        failures = [failure for failure in found if failure.primal not in unwritten]
    notes = []
    if known.probe.undefined_beside is not None and evidence.unclear:
        notes.append(f"beside the point the forward has no values: {known.probe.undefined_beside}")
    return replace(known.plus(failures, notes), evidence=evidence)


def obey_law(known: Known, law: Law) -> Known:
    """Check a law; where a wrong gradient breaks it, that is a note beside the gradient, no failure of its own."""
    check, session = f"law:{law.name}", known.session
    if session is None or "laws" not in known.settings.groups or not holds_here(law, session):
        return known
    if not (known.is_due("laws") and known.is_due(check)):
        return known
    with known.probe.counting(check):
        broken = check_law(law, session)
    if broken is None:
        return known
    if known.evidence.is_wrong:
        return known.plus(notes=[f"the law {law.name!r} is broken too: {broken.sentence}"])
    return known.plus([contract_failure(check, broken, known.case)])


def compare_exactly(known: Known) -> Known:
    """Compare with exact differences where the forward is linear, if the gradient is right as far as others see."""
    setting = known.setting
    in_double = setting.function.precision is DOUBLE and setting.probe.analytic_precision is DOUBLE
    # Along every line through a kink of several entries, such as that of a median, the forward may be straight.
    if known.session is None or not known.compares or not known.is_due("linear") or not in_double:
        return known
    if known.evidence.is_wrong or known.evidence.kinks or known.reports_low_precision:
        return known
    with known.probe.counting("linear"):
        tests = list(exact_tests(setting.balanced()))
    return known.plus(exact_failure(test, known.case) for test in tests if not test.agrees)


def compare_at_second_point(known: Known) -> Known:
    """Compare the gradient at a second point too, if it is right at the first one."""
    if known.session is None or known.fresh is None or known.evidence.is_wrong:
        return known
    with known.probe.counting("second-point"):
        found = check_second_point(known.session, known.fresh, known.settings.take_apart)
        failures = [] if found is None else list(second_point_failures(found, known.case, known.settings.draws))
    return known.plus(failures)


def look_for_low_precision(known: Known) -> Known:
    """Report a forward that computes in a lower precision than it promises."""
    lower = precision_failure(known.setting, known.case) if known.compares else None
    return known if lower is None or known.reports_low_precision else known.plus([lower])


def require_known(without: Mapping[str, str]) -> None:
    """Refuse names of checks that cannot be switched off. Which laws there are, ``law:NAME``, is up to the subject.

    Raises
    ------
    ValueError
    """
    known = (*(contract.name for contract in CONTRACTS), *_OTHERS, BESIDE)
    for name in without:
        if name not in known and not name.startswith("law:"):
            raise ValueError(
                f"expected a check to do without among {', '.join(known)}, got {name!r}{did_you_mean(name, known)}"
            )
