"""The stages of one check in their order, each one's calls counted, each switched off by name with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from gradcheck.checks.contracts import CONTRACTS, check_contract
from gradcheck.checks.contracts.agreement import AGREEMENT
from gradcheck.checks.contracts.contract import Contract
from gradcheck.checks.contracts.memory import find_unwritten
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.exact import exact_tests
from gradcheck.checks.findings import (
    contract_failure,
    exact_failure,
    gradient_failures,
    precision_failure,
    second_point_failures,
)
from gradcheck.checks.gradient import GradientEvidence, check_gradient
from gradcheck.checks.laws import check_law, holds_here
from gradcheck.checks.localize import compare_every_entry
from gradcheck.checks.probe import FormError, Probe
from gradcheck.checks.second_point import check_second_point
from gradcheck.checks.setting import Setting
from gradcheck.messages import did_you_mean
from gradcheck.numeric.precision import DOUBLE
from gradcheck.records.run_record import CaseId, Evaluations, Failure

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
_GoesOn: TypeAlias = Literal["all", "gradient", "nothing"]


@dataclass(frozen=True)
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
        return ("forward" if contract is AGREEMENT else "contracts") in self.groups

    def needs(self, contract: Contract) -> bool:
        """Whether a contract is run: for itself, or for what follows."""
        judges = "gradient" in self.groups or "laws" in self.groups
        return self.reports(contract) or (judges and contract.name in _SETTLING)


class Ledger:
    """The calls that each check spent, and what it found.

    Attributes
    ----------
    failures : list of Failure
    notes : list of str
    evidence : GradientEvidence
    """

    def __init__(self, probe: Probe, case: CaseId, without: Mapping[str, str]) -> None:
        self._probe = probe
        self._without = without
        self.case = case
        self._spent: dict[str, list[int]] = {}
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.evidence = GradientEvidence(judged=dict.fromkeys((part.name for part in probe.space), 0.0))

    def is_due(self, check: str) -> bool:
        """Whether a check was not switched off."""
        return check not in self._without

    def booking(self, check: str) -> _Booking:
        """Book the calls that are made inside to a check."""
        return _Booking(self._probe, self._spent.setdefault(check, [0, 0]))

    @property
    def spent(self) -> dict[str, Evaluations]:
        """The calls of each check."""
        return {check: Evaluations(*calls) for check, calls in self._spent.items()}


class _Booking:
    """Adds the calls made between entering and leaving to an account of forwards and pullbacks."""

    def __init__(self, probe: Probe, account: list[int]) -> None:
        self._probe = probe
        self._account = account

    def __enter__(self) -> None:
        self._account[0] -= self._probe.forwards
        self._account[1] -= self._probe.pullbacks

    def __exit__(self, *error: object) -> None:
        self._account[0] += self._probe.forwards
        self._account[1] += self._probe.pullbacks


def run_stages(probe: Probe, rng: np.random.Generator, settings: Settings, ledger: Ledger) -> None:
    """Run every stage that is due, and leave what it found in the ledger.

    Raises
    ------
    FormError, SubjectRaisedError
        If the first answer is no answer; what was found until then is in the ledger.
    """
    with ledger.booking("gradient"):
        setting = Setting.of(probe, rng)
    session = _open(setting, ledger) if settings.contracts else None
    goes_on: _GoesOn = "all" if session is None else _run_contracts(session, settings, ledger)
    if goes_on == "nothing":
        return
    if session is not None:
        setting.pulls = session.pulls
    by_differences = "gradient" in settings.groups
    if not by_differences:
        ledger.evidence = GradientEvidence()  # nothing was asked that differences could not judge
    wrong = by_differences and _run_gradient(setting, settings, ledger)
    if session is not None and goes_on == "all":
        if "laws" in settings.groups:
            _run_laws(session, ledger, wrong)
        if by_differences and not wrong:
            _run_exact(setting, ledger)
            _run_second_point(session, settings, ledger)
    lower = precision_failure(setting, ledger.case) if by_differences else None
    if lower is not None and not _told_of_precision(ledger):
        ledger.failures.append(lower)


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


def _open(setting: Setting, ledger: Ledger) -> Session:
    """Make the first pullback; where it is not finite, see whether that is memory that nobody wrote."""
    with ledger.booking("form"):
        try:
            return Session(setting)
        except FormError as error:
            cotangent = setting.cotangent()
            found = find_unwritten(setting.probe, cotangent) if error.check == "finite" else None
            if found is not None and ledger.is_due("uninitialised"):
                ledger.failures.append(contract_failure("uninitialised", found, ledger.case))
            raise


def _run_gradient(setting: Setting, settings: Settings, ledger: Ledger) -> bool:
    """Compare the gradient with differences; return whether it is wrong."""
    with ledger.booking("gradient"):
        ledger.evidence = check_gradient(setting, settings.trials, settings.take_apart)
        if settings.exhaustive and not ledger.evidence.is_wrong:
            ledger.evidence.wrong += compare_every_entry(setting)
        wrong = list(gradient_failures(setting, ledger.evidence, ledger.case, settings.draws))
    if setting.probe.raised_beside is not None and ledger.evidence.unclear:
        ledger.notes.append(f"beside the point the forward has no values: {setting.probe.raised_beside}")
    ledger.failures += wrong
    return bool(wrong)


def _run_contracts(session: Session, settings: Settings, ledger: Ledger) -> _GoesOn:
    """Run the contracts; return what can tell anything after that."""
    for contract in CONTRACTS:
        if not (settings.needs(contract) and ledger.is_due(contract.name) and contract.applies(session.probe)):
            continue
        with ledger.booking(contract.name):
            violations = list(check_contract(contract, session))
        if not violations:
            continue
        ledger.failures += [
            contract_failure(contract.name, violation, ledger.case)
            for violation in violations
            if settings.reports(contract) or violation.ends_contracts or violation.ends_check
        ]
        if any(violation.ends_check for violation in violations):
            return "nothing"
        if any(violation.ends_contracts for violation in violations):
            return "gradient"
    return "all"


def _run_laws(session: Session, ledger: Ledger, is_wrong: bool) -> None:
    """Check the laws; those that a wrong gradient breaks are told beside it, not as faults of their own."""
    if not ledger.is_due("laws"):
        return
    for law in session.probe.subject.laws:
        check = f"law:{law.name}"
        if not ledger.is_due(check) or not holds_here(law, session):
            continue
        with ledger.booking(check):
            broken = check_law(law, session)
        if broken is not None and is_wrong:
            ledger.notes.append(f"the law {law.name!r} is broken too: {broken.sentence}")
        elif broken is not None:
            ledger.failures.append(contract_failure(check, broken, ledger.case))


def _run_exact(setting: Setting, ledger: Ledger) -> None:
    if _told_of_precision(ledger) or not ledger.is_due("linear") or not _computes_in_double(setting):
        return
    with ledger.booking("linear"):
        ledger.failures += [exact_failure(test, ledger.case) for test in exact_tests(setting) if not test.agrees]


def _run_second_point(session: Session, settings: Settings, ledger: Ledger) -> None:
    if not ledger.is_due("second-point"):
        return
    with ledger.booking("second-point"):
        found = check_second_point(session, settings.take_apart)
        if found is not None:
            ledger.failures += second_point_failures(found, ledger.case, settings.draws)


def _told_of_precision(ledger: Ledger) -> bool:
    return any(failure.check == "precision" for failure in ledger.failures)


def _computes_in_double(setting: Setting) -> bool:
    return setting.function.precision is DOUBLE and setting.probe.analytic_precision is DOUBLE
