"""What a contract is: something that no comparison of values on fresh arrays can see, and how it is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gradcheck.checks.contracts.session import Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.probe import Probe

Check: TypeAlias = Callable[[Session], Iterable[Violation]]


def always(probe: Probe) -> bool:  # noqa: ARG001 - the condition of a contract that has none
    """Hold for every subject."""
    return True


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A promise that subjects make, and the check of it.

    Attributes
    ----------
    name : str
        The slug by which reports name it and by which it is switched off.
    promise : str
        What is promised, in a few words.
    check : callable
        ``check(session)`` returns the violations.
    applies : callable
        ``applies(probe)``: whether the subject makes this promise, by its traits.
    """

    name: str
    promise: str
    check: Check
    applies: Callable[[Probe], bool]


def contract(name: str, promise: str, *, applies: Callable[[Probe], bool] = always) -> Callable[[Check], Contract]:
    """Make a contract of the function below, which checks it; parameters as the attributes of `Contract`."""
    return lambda check: Contract(name=name, promise=promise, check=check, applies=applies)
