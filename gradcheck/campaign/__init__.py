"""Many cases of many subjects: corners first, then drawn ones; a failure is shrunk to the smallest case."""

from gradcheck.campaign.judges import check_apart, explain_case
from gradcheck.campaign.options import Options, plan_of
from gradcheck.campaign.progress import InterruptedRunError, Progress
from gradcheck.campaign.runner import run

__all__ = ["InterruptedRunError", "Options", "Progress", "check_apart", "explain_case", "plan_of", "run"]
