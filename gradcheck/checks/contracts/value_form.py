"""Which numbers an array holds does not decide the form of the answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.contracts.violation import Violation

_FORM = ("names", "shape", "dtype", "form")


@contract("form-of-any-values", "values do not decide shape and dtype")
def form_of_any_values(session: Session) -> Iterator[Violation]:
    """Where no entry is positive and many are zero, gradients have the same names, shapes and dtypes as elsewhere."""
    point = -np.abs(session.probe.point)
    point[::2] = 0.0
    try:
        session.probe.linearize(point).pullback(session.cotangent)
    except FormError as error:
        if error.check in _FORM:
            yield Violation(f"where no entry is positive and every other one zero: {error}", primal=error.primal)
    except SubjectRaisedError:
        return  # these values are outside the domain of the subject
