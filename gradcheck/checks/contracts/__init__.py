"""Contracts: what subjects promise beside right gradients, each checked without a single difference."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.agreement import agreement
from gradcheck.checks.contracts.batches import any_rank, batch_exchange, batch_order, batch_sizes, empty_batch
from gradcheck.checks.contracts.contract import Contract
from gradcheck.checks.contracts.linearity import linear_in_cotangent, zero_for_zero
from gradcheck.checks.contracts.memory import alias, mutation, overwritten, uninitialised
from gradcheck.checks.contracts.memory_layout import accepts_read_only, layout
from gradcheck.checks.contracts.repeated_calls import (
    accumulates,
    call_order,
    deterministic,
    forward_agrees,
    other_mode,
    pullback_twice,
    rebound,
)
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.contracts.value_form import form_of_any_values
from gradcheck.checks.contracts.violation import Violation

#: In the order in which they run: those first whose violation would show in all that follow.
CONTRACTS: tuple[Contract, ...] = (
    mutation,
    alias,
    uninitialised,
    pullback_twice,
    accumulates,
    deterministic,
    rebound,
    call_order,
    forward_agrees,
    agreement,
    other_mode,
    linear_in_cotangent,
    zero_for_zero,
    overwritten,
    accepts_read_only,
    layout,
    batch_exchange,
    batch_order,
    batch_sizes,
    any_rank,
    empty_batch,
    form_of_any_values,
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
