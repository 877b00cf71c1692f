"""One report for each page, with everything that a page can show."""

from __future__ import annotations

from gradcheck.records.run_record import CaseId, Evaluations, Failure, GradientPicture, SubjectReport
from gradcheck.records.study_record import Curve, Kinks, Prediction, SubjectStudy
from gradcheck.records.timing_record import Environment, GrowthFit, Measurement, SubjectTiming, Timing
from gradcheck.reports.run_report import Report
from gradcheck.reports.study_report import StudyReport
from gradcheck.reports.timing_report import TimingReport

HOSTILE = "<script>alert(\"1\")</script> & 'ß卷' onload=x {{ 7 * 7 }}"


def picture(rows: int = 3, columns: int = 4) -> GradientPicture:
    """The picture of a gradient of shape (2, rows, columns), wrong in its last entry."""
    numeric = tuple(tuple(float(row - column) for column in range(columns)) for row in range(rows))
    analytic = (*numeric[:-1], (*numeric[-1][:-1], 9.0))
    bar = ((1e-6,) * columns,) * rows
    steps = tuple(10.0**-k for k in range(12))
    return GradientPicture(
        shape=(2, rows, columns),
        axes=(1, 2),
        corner=(1, 0, 0),
        analytic=analytic,
        numeric=numeric,
        error_bar=bar,
        steps=steps,
        differences=tuple(-1 + 1e-3 * step for step in steps),
    )


def failure(name: str = "x", shown: GradientPicture | None = None) -> Failure:
    """A wrong gradient of a case of conv2d."""
    return Failure(
        "gradient",
        CaseId("conv2d", {"kernel_size": (3, 2), "note": name}, "integers", 7),
        f"the kernel is not rotated in {name}",
        primal=name,
        index=(1, 2, 3),
        analytic=9.0,
        numeric=-1.0,
        error_bar=1e-6,
        wrong_entries=1,
        entries=24,
        cause="kernel-not-rotated",
        reproduce=f'gradcheck replay \'{{"kind": "{name}"}}\'  --twice  spaced',
        picture=shown,
    )


def verify_report(name: str = "my conv") -> Report:
    """A subject of each verdict."""
    crashed = Failure("raised", CaseId(None, {"x": (3,)}, None, 0), "vjp raised RuntimeError: no", reproduce="rerun")
    shown = (failure(name, picture()), failure("w", picture(32, 32)), failure("b", picture(1, 2)))
    return Report(
        7,
        (
            SubjectReport(
                "relu",
                "relu",
                "passed",
                40,
                0.25,
                Evaluations(1234, 80),
                4.9e-7,
                0.0123,
                {"ties": 3, f"groups > 1 {name}": 0},
                checks={"gradient": Evaluations(1234, 80)},
                canaries={"sign-flipped": "caught", "bias-lost": "survived", "none": "not applicable"},
            ),
            SubjectReport(
                name,
                "conv2d",
                "failed",
                1234,
                2.5,
                Evaluations(9000, 3000),
                failures=shown,
                notes=(f"a note on {name}",),
                limits=("float64 only",),
                without={"linear": f"because of {name}"},
            ),
            SubjectReport("dead", verdict="inconclusive", vacuous=("x",)),
            SubjectReport("crash", verdict="error", failures=(crashed,)),
        ),
    )


def timing_report(name: str = "my conv") -> TimingReport:
    """One subject at three sizes, the largest difference computed, and one that could not be timed."""
    measurements = tuple(
        Measurement(
            config={"size": (k, k), "note": name},
            entries=10**k,
            outputs=10,
            timings=tuple(_timings(10**k, computed=k == 4)),
        )
        for k in (2, 3, 4)
    )
    growth = (
        GrowthFit(way="numeric", quantity="relative", exponent=1.01, low=0.97, high=1.05, sizes=3, computed=1),
        GrowthFit(way="numeric", quantity="evaluations", exponent=1.0, low=1.0, high=1.0, sizes=3, computed=1),
        GrowthFit(way="analytic", quantity="relative", exponent=0.02, low=None, high=None, sizes=3, computed=0),
    )
    place = Environment(
        gradcheck="1",
        python="3.13",
        numpy="2.3",
        blas="openblas",
        platform="Linux",
        processor=f"processor of {name}",
        cores=2,
        threads=None,
        threads_known_from="nothing limits them",
    )
    subjects = (
        SubjectTiming(name=name, kind="conv2d", measurements=measurements, growth=growth),
        SubjectTiming(name="none", kind=None, measurements=(), growth=(), notes=(name,)),
    )
    return TimingReport(seed=7, budget=60.0, rounds=5, environment=place, subjects=subjects)


def _timings(entries: int, computed: bool) -> list[Timing]:
    forward = 1e-4
    spent = {"forward": (1, 0), "analytic": (1, 1), "numeric": (2 * entries, 0), "projected": (5, 2)}
    return [
        Timing(
            way=way,  # type: ignore[arg-type]
            seconds=forward * sum(calls),
            spread=1e-6,
            rounds=0 if computed and way == "numeric" else 5,
            evaluations=Evaluations(*calls),
            computed=computed and way == "numeric",
            ratio=sum(calls) / 2,
        )
        for way, calls in spent.items()
    ]


def study_report(name: str = "my conv") -> StudyReport:
    """One subject with kinks in all precisions, one that could not be studied."""
    epsilons = tuple(10.0**-k for k in range(17))
    law = Prediction(order=2, truncation=0.1, rounding=1e-16, epsilon=1e-5, error=1e-11)
    curves = tuple(
        Curve(
            dtype=dtype,
            scheme=scheme,
            errors=(*map(law.at, epsilons[:-1]), float("nan")),
            best_epsilon=1e-5,
            best_error=1e-11,
            predicted=law,
            truncation_slope=2.0,
            rounding_slope=None,
        )
        for dtype in ("float64", "float32", "float16")
        for scheme in ("one-sided", "central")
    )
    whole = SubjectStudy(
        name=name,
        kind="relu",
        config={"note": name},
        entries=128,
        sampled=16,
        verdict="passed",
        epsilons=epsilons,
        curves=curves,
        kinks=Kinks(shares=(0.5, *(0.0,) * 16), errors_with=(0.3, *(None,) * 16), errors_without=(1e-12,) * 17),
        notes=(f"about {name}",),
    )
    none = SubjectStudy(
        name="none",
        kind=None,
        config={},
        entries=1,
        sampled=1,
        verdict="failed",
        epsilons=epsilons,
        curves=(),
        kinks=Kinks(shares=(0.0,) * 17, errors_with=(None,) * 17, errors_without=(None,) * 17),
    )
    return StudyReport(seed=7, subjects=(whole, none))
