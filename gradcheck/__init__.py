"""Verify hand-written backward passes: a verdict with an error bar, and the evidence for it.

Errors::

    GradientError(AssertionError)   a gradient is wrong, or could not be told right
    ValueError, TypeError           misuse: the message says what was expected and what came
"""

from gradcheck.adapters import adapt, from_reference
from gradcheck.check import check, verify
from gradcheck.numeric.plain import numeric_gradient
from gradcheck.records.run_record import Failure, SubjectReport
from gradcheck.reports.run_report import GradientError, Report
from gradcheck.subject import Law, Subject, Trait
from gradcheck.suites.suite import Suite, suite
from gradcheck.version import __version__ as __version__

__all__ = [
    "Failure",
    "GradientError",
    "Law",
    "Report",
    "Subject",
    "SubjectReport",
    "Suite",
    "Trait",
    "adapt",
    "check",
    "from_reference",
    "numeric_gradient",
    "suite",
    "verify",
]
