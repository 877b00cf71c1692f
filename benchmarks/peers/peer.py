"""What a checker is here, and how one check ends."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, TypeAlias, get_args

import numpy as np

from peers.function import Function

Verdict: TypeAlias = Literal["accepted", "undecided", "rejected", "crashed"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Check: TypeAlias = Callable[[], None]


class Rejected(Exception):  # noqa: N818 - a verdict, no error
    """The checker calls the gradient wrong, in its own words."""


class Undecided(Exception):  # noqa: N818 - a verdict, no error
    """The checker says that it cannot tell."""


@dataclass(frozen=True)
class Outcome:
    """How a check ended, and the calls that it made.

    A check that raises its own assertion *rejected* the function; one that raises anything else *crashed*.
    """

    verdict: Verdict
    forwards: int
    pullbacks: int
    words: str = ""


@dataclass(frozen=True)
class Peer:
    """A checker of gradients.

    Attributes
    ----------
    name : str
    package : str or None
        The package that it needs; None for none.
    offered : str
        How a function with many outputs is given to it, and what beside its defaults is set.
    prepare : callable
        ``prepare(function)`` wraps a function as the checker takes it, and returns the check: it raises `Rejected` or
        `Undecided`, or whatever goes wrong.
    calls : callable, optional
        ``calls(inputs, outputs)``: the calls that a check takes, where these grow with the function.
    keeps : callable, optional
        ``keeps(inputs, outputs)``: how many numbers a check holds at once, where these are more than a few vectors.
    """

    name: str
    package: str | None
    offered: str
    prepare: Callable[[Function], Check]
    calls: Callable[[int, int], int] | None = None
    keeps: Callable[[int, int], int] | None = None

    def missing(self) -> str | None:
        """Return why this checker cannot be run, or None."""
        if self.package is None:
            return None
        try:
            importlib.import_module(self.package)
        except ImportError:
            return f"not installed (pip install {self.package})"
        return None

    def version(self) -> str:
        """Return the version of the package that it needs."""
        if self.package is None:
            return ""
        return str(getattr(importlib.import_module(self.package), "__version__", "") or version(self.package))

    def check(self, function: Function) -> Outcome:
        """Check a function once."""
        return judged(function, self.prepare(function))


def judged(function: Function, check: Check) -> Outcome:
    """Run a prepared check; its warnings go nowhere."""
    function.forwards = function.pullbacks = 0
    verdict: Verdict = "accepted"
    words = ""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            check()
        except Rejected as error:
            verdict, words = "rejected", str(error)
        except Undecided as error:
            verdict, words = "undecided", str(error)
        except Exception as error:  # whatever a checker raises beside its own assertion
            verdict, words = "crashed", f"{type(error).__name__}: {error}"
    return Outcome(verdict, function.forwards, function.pullbacks, words)
