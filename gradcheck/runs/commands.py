"""The command, or the snippet, that checks the same again."""

from __future__ import annotations

import json
import shlex

from gradcheck.records.codec import to_plain
from gradcheck.runs.plan import Options
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite


def reproduce_command(suite: Suite, case: AnyCase, dtype: str | None = None) -> str:
    """Return the command (or, for a suite that is in no file, the snippet) that checks one case again.

    Nothing for a case that a strategy drew: only the whole run leads to it again.
    """
    if isinstance(case, DrawnCase):
        return ""
    data = to_plain(case.id)
    if suite.origin is None:
        given = f", dtype={dtype!r}" if dtype else ""
        described = f"{data['config']}, {case.regime!r}, {case.seed}"
        return f"gradcheck.check(suite.subject(suite.case({described})), seed={case.seed}{given})"
    target = ["--target", suite.origin] if suite.origin else []
    precision = ["--dtype", dtype] if dtype else []
    return shlex.join(["gradcheck", "replay", *target, *precision, json.dumps(data)])


def rerun_command(suite: Suite, options: Options) -> str:
    """Return the command (or snippet) that draws the same cases again."""
    if suite.origin is None:
        given = f", dtype={options.dtype!r}" if options.dtype else ""
        return f"gradcheck.check(suite, seed={options.seed}, examples={options.examples}{given})"
    precision = ["--dtype", options.dtype] if options.dtype else []
    numbers = ["--seed", str(options.seed), "--examples", str(options.examples)]
    return shlex.join(["gradcheck", "verify", suite.origin, *numbers, *precision])
