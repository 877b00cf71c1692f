"""What a contract is: something that no comparison of values on fresh arrays can see, and how it is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gradcheck.checks.probe import Probe
from gradcheck.subject import Trait

if TYPE_CHECKING:
    from gradcheck.checks.contracts.session import Session


@dataclass(frozen=True)
class Violation:
    """One broken promise.

    Attributes
    ----------
    sentence : str
        What was seen, and what would help: how to mend or to declare it.
    primal : str or None
        Whose gradient it is about.
    index : tuple of int or None
        The worst entry of that gradient.
    wrong_entries, entries : int or None
    check : str or None
        The slug under which it is reported. Default: the name of the contract.
    adopt : Trait or None
        The limit that the subject evidently has: further checks treat it as declared, and judge the rest.
    ends_contracts, ends_check : bool
        Whether further contracts (and even differences) would tell nothing, since no value is the same twice.
    """

    sentence: str
    primal: str | None = None
    index: tuple[int, ...] | None = None
    wrong_entries: int | None = None
    entries: int | None = None
    check: str | None = None
    adopt: Trait | None = None
    ends_contracts: bool = False
    ends_check: bool = False


Check: TypeAlias = Callable[["Session"], Iterable[Violation]]


def always(probe: Probe) -> bool:  # noqa: ARG001 - the condition of a contract that has none
    """Hold for every subject."""
    return True


@dataclass(frozen=True)
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
    applies: Callable[[Probe], bool] = always
