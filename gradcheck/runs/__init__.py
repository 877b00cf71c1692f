"""Many cases of many subjects: corners first, then drawn ones; a failure is shrunk to the smallest case."""

from gradcheck.runs.judges import check_apart, explain_case
from gradcheck.runs.plan import Options, plan_of
from gradcheck.runs.progress import InterruptedRunError, Progress
from gradcheck.runs.runner import run

__all__ = ["InterruptedRunError", "Options", "Progress", "check_apart", "explain_case", "plan_of", "run"]
