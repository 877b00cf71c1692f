"""Does the forward compute what a sibling known to be right computes? No derivative tells a wrong forward."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.checks.answers import flatten_outputs
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.probe import Probe


def _has_sibling(probe: Probe) -> bool:
    return probe.subject.sibling is not None


@contract("agreement", "the outputs are those of a layer known to be right", applies=_has_sibling)
def agreement(session: Session) -> Iterator[Violation]:
    """The outputs are those of the sibling with the same primals."""
    sibling = session.probe.subject.sibling
    assert sibling is not None
    arrays = session.arrays()
    due = sibling.forward(arrays) if sibling.forward is not None else sibling.vjp(arrays)[0]
    shapes = [np.shape(array) for array in (due if isinstance(due, tuple) else (due,))]
    seen = [part.shape for part in session.form]
    if seen != shapes:
        yield Violation(f"the outputs have shapes {seen}, those of {sibling.name} with the same primals {shapes}")
        return
    found = session.compare_outputs(session.first.outputs, flatten_outputs(due))
    if found is not None:
        yield session.violation(
            found,
            f"{session.named(found)} is not that of {sibling.name} with the same primals: {found}; the forward itself "
            f"computes something else, which no comparison of gradients can see",
        )
