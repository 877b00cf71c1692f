"""`check` returns a report, `verify` raises: the public face of the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np

from gradcheck.adapters.adapt import adapt, require_layer
from gradcheck.adapters.reference import from_reference, random_params
from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import Settings
from gradcheck.numeric.precision import DTYPES
from gradcheck.reports.run_report import GradientError, Report
from gradcheck.subject import Subject, require_reasons
from gradcheck.suites.suite import Suite

_Parameters = ParamSpec("_Parameters")


def check(
    layer_or_subject: Any,
    *inputs: Any,
    seed: int = 0,
    trials: int = 2,
    exhaustive: bool = False,
    dtype: str | None = None,
    contracts: bool = True,
    without: Mapping[str, str] | None = None,
    examples: int | None = None,
    pictures: bool = False,
) -> Report:
    """Compare the gradients of a subject with the ε-difference of its forward.

    Parameters
    ----------
    layer_or_subject : Subject, Suite or layer
        A `gradcheck.Subject`; a `gradcheck.suite`, all cases of which are run; or a layer in the style of
        `reference_layers`, checked at `inputs` with parameters drawn at random.
    *inputs
        For a layer: its input, and what else its forward takes (targets).
    seed : int
        Every random number follows from it.
    trials : int
        Random tangents and cotangents of the projected check; every pair of them is a test.
    exhaustive : bool
        Compare every entry with a difference of its own too: ``2n`` forwards.
    dtype : {"float64", "float32", "float16"}, optional
        Check at the primals rounded to this dtype. Default: as they are.
    contracts : bool
        Run the checks beside the projected one as well: contracts, laws, exact differences where the forward is
        linear, a second point.
    without : mapping of str to str, optional
        Checks to do without, by name, each with the reason, which the report shows.
    examples : int, optional
        For a suite: how many cases are drawn beside the corner cases. Default: 100.
    pictures : bool
        Keep what `Report.to_html` draws of wrong gradients, which takes some thirty forwards for each of them.

    Returns
    -------
    Report
        Never raises for a wrong gradient.

    Raises
    ------
    TypeError, ValueError
        If an argument is unusable.

    Notes
    -----
    The projected check takes ``2·trials + 1`` forwards and `trials` pullbacks, whatever the number of entries; the
    checks beside it take some thirty of each, which the report counts by check. Where the projected check disagrees,
    or meets a kink, a ladder of steps gives every output an error bar; only a disagreement beyond the bar, along two
    tangents, is called wrong. See ``docs/design.md``.

    Examples
    --------
    >>> import numpy as np
    >>> import gradcheck
    >>> def square(primals):
    ...     x = primals["x"]
    ...     return x**2, lambda cotangent: {"x": 3 * x * cotangent}
    >>> report = gradcheck.check(gradcheck.Subject("square", {"x": np.array([1.0, -2.0])}, square))
    >>> report.verdict, report.failures[0].primal, report.failures[0].wrong_entries
    ('failed', 'x', 2)
    """
    off = dict(require_reasons(without or {}))
    settings = Settings(trials=trials, exhaustive=exhaustive, contracts=contracts, without=off, pictures=pictures)
    _require_int("seed", seed, 0)
    _require_int("trials", trials, 1)
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(f"expected dtype among {', '.join(DTYPES)}, got dtype={dtype!r}")
    # What runs many cases, and what looks for causes, is loaded when it is asked for: `import gradcheck` stays light.
    if isinstance(layer_or_subject, Suite):
        from gradcheck.runs import Options, run

        _refuse_inputs(inputs, "a suite draws its own")
        drawn = 100 if examples is None else examples
        _require_int("examples", drawn, 0)
        options = Options(examples=drawn, seed=seed, dtype=dtype, settings=settings)
        return run([layer_or_subject], options)
    if examples is not None:
        raise TypeError(f"expected examples beside a suite alone, which draws cases, got examples={examples!r}")
    subject = _as_subject(layer_or_subject, inputs, seed)
    if dtype is not None:
        subject = subject.with_primals({name: array.astype(dtype) for name, array in subject.primals.items()})
    from gradcheck.runs.causes import explain_subject

    return Report(seed, (explain_subject(check_subject(subject, seed, settings), subject, seed),))


def _with_signature_of(
    function: Callable[_Parameters, Report],
) -> Callable[[Callable[..., Report]], Callable[_Parameters, Report]]:
    """Give another function, which hands its arguments on, the signature of `function`."""

    def with_signature(other: Callable[..., Report]) -> Callable[_Parameters, Report]:
        return functools.update_wrapper(other, function, assigned=("__annotations__",), updated=())

    return with_signature


@_with_signature_of(check)
def verify(*args: Any, **kwargs: Any) -> Report:
    """Check a subject and raise unless it passes; parameters as in `check`.

    Raises
    ------
    GradientError
        If a gradient is wrong or could not be told right; its text is the report.

    Examples
    --------
    >>> import numpy as np
    >>> import gradcheck
    >>> def double(primals):
    ...     return 2 * primals["x"], lambda cotangent: {"x": 2 * cotangent}
    >>> gradcheck.verify(gradcheck.Subject("double", {"x": np.array([1.0, -2.0])}, double)).verdict
    'passed'
    """
    __tracebackhide__ = True
    report = check(*args, **kwargs)
    if not report.passed:
        raise GradientError(report)
    return report


def _as_subject(thing: Any, inputs: tuple[Any, ...], seed: int) -> Subject:
    if isinstance(thing, Subject):
        _refuse_inputs(inputs, "a Subject holds its own")
    if isinstance(thing, Subject) or not inputs:
        return adapt(thing)
    require_layer(thing)
    x, *constants = inputs
    params = random_params(thing, np.random.default_rng(seed), x)
    reproduce = "gradcheck.check(layer, *inputs, seed={seed})"
    return from_reference(thing, {"x": x, **params}, *constants, reproduce=reproduce)


def _refuse_inputs(inputs: tuple[Any, ...], why: str) -> None:
    if inputs:
        raise TypeError(f"expected no inputs beside it, since {why}; got {len(inputs)}")


def _require_int(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"expected {name} to be an int, got {name}={value!r} ({type(value).__name__})")
    if value < least:
        raise ValueError(f"expected {name} to be at least {least}, got {name}={value}")
