"""Runs: a plan becomes tasks, an executor runs them, and their results add up to a report."""

from gradcheck.runs.causes import explain_case
from gradcheck.runs.item_tasks import check_apart
from gradcheck.runs.plan import Options, plan_of
from gradcheck.runs.progress import InterruptedRunError, Progress
from gradcheck.runs.runner import run

__all__ = ["InterruptedRunError", "Options", "Progress", "check_apart", "explain_case", "plan_of", "run"]
