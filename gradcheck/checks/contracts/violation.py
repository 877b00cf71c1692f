"""What a contract or a law reports: one broken promise."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from gradcheck.subject import Trait


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
    spoils_arguments : bool
        Whether the subject was seen to write to what it is given, or to insist that it can: further forwards get
        copies.
    is_harmless : bool
        Whether that is a note beside the verdict, since no answer was seen to suffer.
    ends_contracts, ends_check : bool
        Whether further contracts (and even differences) would tell nothing, since no value is the same twice.
    """

    sentence: str
    _: KW_ONLY
    primal: str | None = None
    index: tuple[int, ...] | None = None
    wrong_entries: int | None = None
    entries: int | None = None
    check: str | None = None
    adopt: Trait | None = None
    spoils_arguments: bool = False
    is_harmless: bool = False
    ends_contracts: bool = False
    ends_check: bool = False
