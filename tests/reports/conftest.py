"""A report with one subject of each verdict."""

from __future__ import annotations

import pytest

from gradcheck.records.run_record import CaseId, Evaluations, Failure, SubjectReport
from gradcheck.reports.run_report import Report

CONFIG = {"in_channels": 3, "kernel_size": (3, 3), "stride": (2, 1), "padding": "same", "bias": True}


def rotated_kernel() -> Failure:
    """The failure of a convolution whose input gradient uses the kernel as it is."""
    return Failure(
        "gradient",
        CaseId("conv2d", CONFIG, "integers", 7),
        "the input gradient correlates with the kernel where a convolution with it is due",
        primal="x",
        index=(0, 2, 1, 3),
        analytic=-0.4312,
        numeric=-0.8624,
        error_bar=3.04e-10,
        wrong_entries=57,
        entries=96,
        cause="kernel-not-rotated",
        reproduce='gradcheck replay \'{"kind": "conv2d"}\'',
    )


@pytest.fixture
def report() -> Report:
    """One subject passed, one failed, one inconclusive, one crashed."""
    crashed = Failure("raised", CaseId(None, {"x": (3,)}, None, 0), "vjp raised RuntimeError: no", reproduce="rerun")
    return Report(
        0,
        (
            SubjectReport(
                "relu", "relu", "passed", 40, 0.25, Evaluations(200, 80), 4.9e-7, 0.0123, {"ties": 3, "groups > 1": 0}
            ),
            SubjectReport(
                "my conv", "conv2d", "failed", 1234, 2.5, Evaluations(9000, 3000), failures=(rotated_kernel(),)
            ),
            SubjectReport(
                "dead", verdict="inconclusive", notes=("the gradient of 'x' is zero on both sides",), vacuous=("x",)
            ),
            SubjectReport("crash", verdict="error", failures=(crashed,)),
        ),
    )
