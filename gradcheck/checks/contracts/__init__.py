"""Contracts: what subjects promise beside right gradients, each checked without a single difference."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.agreement import AGREEMENT
from gradcheck.checks.contracts.batches import ANY_RANK, BATCH_EXCHANGE, BATCH_ORDER, BATCH_SIZES, EMPTY_BATCH
from gradcheck.checks.contracts.contract import Contract
from gradcheck.checks.contracts.linearity import LINEAR_IN_COTANGENT, ZERO_FOR_ZERO
from gradcheck.checks.contracts.memory import ALIAS, MUTATION, OVERWRITTEN, UNINITIALISED
from gradcheck.checks.contracts.memory_layout import LAYOUT, READ_ONLY
from gradcheck.checks.contracts.repeated_calls import (
    ACCUMULATES,
    CALL_ORDER,
    DETERMINISTIC,
    FORWARD_AGREES,
    OTHER_MODE,
    PULLBACK_TWICE,
    REBOUND,
)
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.contracts.value_form import FORM_OF_ANY_VALUES
from gradcheck.checks.contracts.violation import Violation

#: In the order in which they run: those first whose violation would show in all that follow.
CONTRACTS: tuple[Contract, ...] = (
    MUTATION,
    ALIAS,
    UNINITIALISED,
    PULLBACK_TWICE,
    ACCUMULATES,
    DETERMINISTIC,
    REBOUND,
    CALL_ORDER,
    FORWARD_AGREES,
    AGREEMENT,
    OTHER_MODE,
    LINEAR_IN_COTANGENT,
    ZERO_FOR_ZERO,
    OVERWRITTEN,
    READ_ONLY,
    LAYOUT,
    BATCH_EXCHANGE,
    BATCH_ORDER,
    BATCH_SIZES,
    ANY_RANK,
    EMPTY_BATCH,
    FORM_OF_ANY_VALUES,
)


def check_contract(contract: Contract, session: Session) -> Iterator[Violation]:
    """Check one contract; a subject that raises, or answers in another form, breaks it.

    Limits that the subject evidently has are adopted: further contracts judge the rest.
    """
    try:
        for violation in contract.check(session):
            if violation.adopt is not None:
                session.probe.adopt(violation.adopt)
            if violation.spoils_arguments:
                session.probe.shield_arguments()
            yield violation
    except (FormError, SubjectRaisedError) as error:
        yield Violation(f"where {contract.promise} is tried: {error}", primal=getattr(error, "primal", None))
