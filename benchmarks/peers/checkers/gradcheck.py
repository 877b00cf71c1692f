"""This project's checks."""

from __future__ import annotations

from typing import Any

import gradcheck
from peers.function import Function
from peers.peer import Check, Peer, Rejected, Undecided


def _check(**settings: Any) -> Any:
    def prepare(function: Function) -> Check:
        def check() -> None:
            report = gradcheck.check(function.subject, **settings)
            words = "; ".join(f"{failure.check}: {failure.explanation}" for failure in report.failures)
            if report.verdict == "failed":
                raise Rejected(words)
            if report.verdict == "inconclusive":
                raise Undecided("; ".join(report.subjects[0].notes))
            if report.verdict == "error":
                raise RuntimeError(words)

        return check

    return prepare


_AS_IT_IS = "as it is, told that samples of a batch are independent"
GRADCHECK: tuple[Peer, ...] = (
    Peer("gradcheck, projected", "gradcheck", f"{_AS_IT_IS}; `contracts=False`", _check(contracts=False)),
    Peer(
        "gradcheck, one trial",
        "gradcheck",
        f"{_AS_IT_IS}; `contracts=False, trials=1`, one direction as the others have",
        _check(contracts=False, trials=1),
    ),
    Peer("gradcheck, default", "gradcheck", f"{_AS_IT_IS}; with contracts and laws", _check()),
    Peer(
        "gradcheck, entry by entry",
        "gradcheck",
        f"{_AS_IT_IS}; `contracts=False, exhaustive=True`",
        _check(contracts=False, exhaustive=True),
        calls=lambda inputs, outputs: 2 * inputs + 8,  # noqa: ARG005 - fewer where samples are independent
    ),
)
