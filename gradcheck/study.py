"""The ε-study: how wrong an ε-difference is, for every ε from 1 to 1e-16, in three precisions, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.probe import Probe
from gradcheck.checks.stages import Settings
from gradcheck.messages import told
from gradcheck.numeric.directions import signed_random
from gradcheck.numeric.precision import PRECISIONS, Precision
from gradcheck.numeric.space import Space, Vector, rms
from gradcheck.records.study_record import SCHEMES, Curve, Dtype, Kinks, Prediction, Scheme, SubjectStudy
from gradcheck.reports.study_report import StudyReport
from gradcheck.subject import Array, Deferred, Subject
from gradcheck.suites.suite import Suite
from gradcheck.timing.growth import power_law
from gradcheck.timing.measure import Progress, Silent
from gradcheck.timing.sizes import sizes_of

#: From 1 to 1e-16, three a decade; 0.5 and 0.1 are those that the articles name.
EPSILONS = (1.0, *(digit * 10.0**-decade for decade in range(1, 17) for digit in (5, 2, 1)))
_DTYPES: tuple[Dtype, ...] = ("float64", "float32", "float16")
#: Kinks are looked for from this distance on; nearer ones count as lying there.
_NEAREST = 1e-6
#: The second and third derivative are differences of gradients this far apart.
_STEP = 1e-3
#: Second and third derivatives below these shares of the gradient are rounding.
_NO_BEND, _NO_TWIST = 1e-10, 1e-7
#: A change of the gradient by this share of its size, over an interval halved so often, is a jump.
_JUMP, _HALVINGS = 1e-4, 24
#: The sides of a curve: errors this many times the least one, and this far below that of a difference of 0.
_ABOVE, _BELOW = 10.0, 0.5
#: A suite is studied at this one of its sizes, from the smallest.
_SIZE = 2


@dataclass(frozen=True)
class StudyOptions:
    """How a study is made.

    Attributes
    ----------
    seed : int
        All values follow from it, and which entries are drawn.
    entries : int
        Entries that are differenced, drawn evenly from the primals.

    Raises
    ------
    ValueError
        If there is no entry.
    """

    seed: int = 0
    entries: int = 16

    def __post_init__(self) -> None:
        if self.entries < 1:
            raise ValueError(f"expected at least one entry, got entries={self.entries!r}")


def study_items(
    items: Sequence[Suite | Subject | Deferred], options: StudyOptions | None = None, progress: Progress | None = None
) -> StudyReport:
    """Study the ε-differences of several things.

    A suite is studied at one configuration of its kind, the third by size.

    Parameters
    ----------
    items : sequence of Suite, Subject or Deferred
    options : StudyOptions, optional
    progress : Progress, optional

    Returns
    -------
    StudyReport
    """
    options, progress = options or StudyOptions(), progress or Silent()
    studies = []
    for item in items:
        progress.begin(item.name, len(_DTYPES))
        studies.append(_study_item(item, options, progress))
        progress.step()
    return StudyReport(seed=options.seed, subjects=tuple(studies))


def _study_item(item: Suite | Subject | Deferred, options: StudyOptions, progress: Progress) -> SubjectStudy:
    kind = item.kind_name if isinstance(item, Suite) else None
    try:
        sizes = sizes_of(item, options.seed)
        size = sizes[min(_SIZE, len(sizes) - 1)]
        found = study(size.make(), options, progress)
    except Exception as error:
        why = str(error) if isinstance(error, SubjectRaisedError | FormError) else told(error)
        return SubjectStudy(
            name=item.name,
            kind=kind,
            config={},
            entries=0,
            sampled=0,
            verdict="error",
            epsilons=EPSILONS,
            curves=(),
            kinks=Kinks(shares=(), errors_with=(), errors_without=()),
            notes=(f"no study was made: {why}",),
        )
    return replace(found, name=item.name, kind=kind, config=size.config)


def study(subject: Subject, options: StudyOptions | None = None, progress: Progress | None = None) -> SubjectStudy:
    """Study the ε-differences of one subject at its point.

    Parameters
    ----------
    subject : Subject
    options : StudyOptions, optional
    progress : Progress, optional

    Returns
    -------
    SubjectStudy

    Notes
    -----
    The objective is φ(p) = ⟨g, f(p)⟩ with random weights g, and the differences are those of the formula,
    ``(φ(p + ε) - φ(p))/ε`` and ``(φ(p + ε) - φ(p - ε))/2ε``, with the ε that was asked for. Errors are told against the
    pullback in float64, at the primals as rounded to the precision in question; whether that pullback passes the
    gradient check is part of the result.

    Predicted are ``ε·|φ″|/2 + √2·r/ε`` and ``ε²·|φ‴|/6 + r/√2ε``, with the derivatives taken from the pullback and
    r² = (u‖g∘y‖)² + (u·p·φ′)²/3: the rounding of the outputs that change, and that of p ± ε.

    Examples
    --------
    >>> def cube(primals):
    ...     x = primals["x"]
    ...     return x**3, lambda cotangent: {"x": 3 * x**2 * cotangent}
    >>> curve = study(Subject("cube", {"x": np.array([1.0])}, cube)).curve("float64", "central")
    >>> curve.predicted.order, round(curve.truncation_slope, 2), round(3 * curve.errors[1], 6)
    (2, 2.0, 0.25)
    """
    options, progress = options or StudyOptions(), progress or Silent()
    with np.errstate(all="ignore"):
        wide = subject.with_primals({name: array.astype(np.float64) for name, array in subject.primals.items()})
        verdict = check_subject(wide, options.seed, Settings(contracts=False)).verdict
        objective = _Objective(wide, options.seed)
        chosen = _drawn(objective.space, options)
        shape = _shape_of(objective, chosen)
        curves: list[Curve] = []
        notes = [] if verdict == "passed" else [_doubt(verdict)]
        if not objective.gradient(objective.point)[chosen].any():
            notes.append("the gradient of all drawn entries is zero, so that errors are absolute")
        central: Vector | None = None
        for dtype in _DTYPES:
            try:
                found, errors, note = _curves(objective, chosen, shape, dtype)
            except SubjectRaisedError as error:
                notes.append(f"there is no {dtype} curve: {error}")
                continue
            finally:
                progress.advance()
            curves += found
            notes += [note] if note else []
            central = errors if dtype == "float64" else central
        kinks = _kinks(shape, central)
    notes = [*_article(curves, shape), *_of_kinks(kinks, chosen), *notes]
    config = {name: array.shape for name, array in subject.primals.items()}
    return SubjectStudy(
        name=subject.name,
        kind=None,
        config=config,
        entries=objective.space.size,
        sampled=len(chosen),
        verdict=verdict,
        epsilons=EPSILONS,
        curves=tuple(curves),
        kinks=kinks,
        notes=tuple(notes),
    )


class _Objective:
    """A weighted sum of the outputs of a subject, as a function of one entry, and its exact derivative."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self._probe = Probe(subject)
        self.space = self._probe.space
        self.point = {name: array.copy() for name, array in subject.primals.items()}
        self.weights = signed_random(self._probe.linearize().outputs.size, np.random.default_rng(seed))

    def rounded(self, dtype: str) -> dict[str, Array]:
        """Return the point as rounded to a dtype."""
        return {name: array.astype(dtype) for name, array in self.point.items()}

    def outputs(self, primals: Mapping[str, Array]) -> tuple[Vector, str]:
        """Return the outputs as one vector, and their dtype."""
        outputs = self._probe.forward(primals)
        arrays = [np.asarray(array) for array in (outputs if isinstance(outputs, tuple) else (outputs,))]
        return np.concatenate([array.reshape(-1).astype(np.float64) for array in arrays]), str(arrays[0].dtype)

    def value(self, primals: Mapping[str, Array]) -> float:
        """Return the objective."""
        return float(np.dot(self.weights, self.outputs(primals)[0]))

    def gradient(self, primals: Mapping[str, Array]) -> Vector:
        """Return the gradient that the pullback gives."""
        return self._probe.linearize(self.space.join(primals)).pullback(self.weights)

    def moved(self, primals: Mapping[str, Array], position: int, step: float) -> dict[str, Array]:
        """Return the primals with one entry moved, in their dtype."""
        name, index = self.space.locate(position)
        array = primals[name].copy()
        array[index] += array.dtype.type(step)
        return {**primals, name: array}

    def along(self, position: int) -> Callable[[float], float]:
        """Return the derivative with respect to one entry as a function of how far that entry is moved."""
        return lambda step: float(self.gradient(self.moved(self.point, position, step))[position])


@dataclass(frozen=True)
class _Shape:
    """What the objective looks like along each of the chosen entries.

    Attributes
    ----------
    scale : float
        Root mean square of their exact derivatives.
    bend, twist : float
        The same of the second and third derivatives of entries without a kink close by, 0 where they are rounding.
    kinks : Vector
        How far away the nearest kink is, as the ε of the study within which it lies; infinite where there is none.
    touched : tuple of ndarray
        For each entry, which outputs it moves.
    """

    scale: float
    bend: float
    twist: float
    kinks: Vector
    touched: tuple[Array, ...]


def _shape_of(objective: _Objective, chosen: Sequence[int]) -> _Shape:
    exact = objective.gradient(objective.point)
    scale = rms(exact[list(chosen)]) or 1.0  # errors of a gradient of zero are told as they are
    kinks = np.array([_nearest_kink(objective.along(position), _JUMP * scale) for position in chosen])
    bends, twists = [], []
    for position in (position for position, kink in zip(chosen, kinks, strict=True) if kink > _STEP):
        along = objective.along(position)
        plus, minus = along(_STEP), along(-_STEP)
        bends.append((plus - minus) / (2 * _STEP))
        twists.append((plus - 2 * exact[position] + minus) / _STEP**2)
    bend, twist = rms(np.array(bends)), rms(np.array(twists))
    at_point = objective.outputs(objective.point)[0]
    touched = tuple(
        objective.outputs(objective.moved(objective.point, position, _STEP))[0] != at_point for position in chosen
    )
    return _Shape(
        scale,
        bend if bend > _NO_BEND * scale else 0.0,
        twist if twist > _NO_TWIST * scale else 0.0,
        kinks,
        touched,
    )


def _nearest_kink(along: Callable[[float], float], jump: float) -> float:
    """Return the least ε of the study within which a derivative jumps, infinity if it does within none."""
    inner, ends = 0.0, dict.fromkeys((1, -1), along(-_NEAREST))  # the point itself lies in the first interval
    for epsilon in sorted(epsilon for epsilon in EPSILONS if epsilon >= _NEAREST):
        for side, before in ends.items():
            start = side * inner if inner else -_NEAREST
            ends[side] = along(side * epsilon)
            if _jumps(along, (start, before), (side * epsilon, ends[side]), jump):
                return epsilon
        inner = epsilon
    return math.inf


def _jumps(along: Callable[[float], float], start: tuple[float, float], end: tuple[float, float], jump: float) -> bool:
    """Whether a derivative that changes over an interval does so in a single place."""
    for _ in range(_HALVINGS):
        if not abs(end[1] - start[1]) > jump:
            return False
        place = (start[0] + end[0]) / 2
        middle = place, along(place)
        first = abs(middle[1] - start[1]) > abs(end[1] - middle[1])
        start, end = (start, middle) if first else (middle, end)
    return abs(end[1] - start[1]) > jump


def _curves(
    objective: _Objective, chosen: Sequence[int], shape: _Shape, dtype: Dtype
) -> tuple[list[Curve], Vector, str]:
    """Return both curves of one precision, the errors of the central one entry by entry, and what is odd."""
    point = objective.rounded(dtype)
    outputs, came = objective.outputs(point)
    exact = objective.gradient({name: array.astype(np.float64) for name, array in point.items()})[list(chosen)]
    scale = rms(exact) or 1.0
    at_point = objective.value(point)
    errors = {scheme: np.empty((len(EPSILONS), len(chosen))) for scheme in SCHEMES}
    for k, epsilon in enumerate(EPSILONS):
        for i, position in enumerate(chosen):
            plus = objective.value(objective.moved(point, position, epsilon))
            minus = objective.value(objective.moved(point, position, -epsilon))
            errors["one-sided"][k, i] = (plus - at_point) / epsilon - exact[i]
            errors["central"][k, i] = (plus - minus) / (2 * epsilon) - exact[i]
    precision = next(one for one in PRECISIONS if one.dtype == dtype)
    rounding = _rounding(objective, point, outputs, chosen, exact, shape, precision) / scale
    found = [_curve(dtype, scheme, errors[scheme] / scale, _prediction(scheme, shape, rounding)) for scheme in SCHEMES]
    note = f"the outputs are {came} although the primals are {dtype}" if came != dtype else ""
    return found, errors["central"], note


def _rounding(
    objective: _Objective,
    point: Mapping[str, Array],
    outputs: Vector,
    chosen: Sequence[int],
    exact: Vector,
    shape: _Shape,
    precision: Precision,
) -> float:
    """Return by how much rounding moves one value of the objective, the root mean square over the entries."""
    weighted = objective.weights * outputs
    of_outputs = np.array([np.linalg.norm(weighted[touched]) for touched in shape.touched])
    entries = objective.space.join(point)[list(chosen)]
    return precision.unit * math.hypot(rms(of_outputs), rms(entries * exact) / math.sqrt(3))


def _prediction(scheme: Scheme, shape: _Shape, rounding: float) -> Prediction:
    if scheme == "one-sided":
        order, truncation, rounding = 1, shape.bend / 2 / shape.scale, math.sqrt(2) * rounding
    else:
        order, truncation, rounding = 2, shape.twist / 6 / shape.scale, rounding / math.sqrt(2)
    predicted = Prediction(order=order, truncation=truncation, rounding=rounding, epsilon=None, error=None)
    if not truncation or not rounding:
        return predicted
    epsilon = float((rounding / (order * truncation)) ** (1 / (order + 1)))
    return replace(predicted, epsilon=epsilon, error=predicted.at(epsilon))


def _curve(dtype: Dtype, scheme: Scheme, errors: Array, predicted: Prediction) -> Curve:
    sizes = np.array([rms(row) for row in errors])
    best = int(np.nanargmin(sizes)) if not np.isnan(sizes).all() else 0
    wide, fine = slice(None, best), slice(best + 1, None)
    return Curve(
        dtype=dtype,
        scheme=scheme,
        errors=tuple(sizes.tolist()),
        best_epsilon=EPSILONS[best],
        best_error=float(sizes[best]),
        predicted=predicted,
        truncation_slope=_slope(EPSILONS[wide], sizes[wide], sizes[best]),
        rounding_slope=_slope(EPSILONS[fine], sizes[fine], sizes[best]),
    )


def _slope(epsilons: Sequence[float], errors: Vector, least: float) -> float | None:
    """Return the slope of one side of a curve, where it has one."""
    pairs = [(e, error) for e, error in zip(epsilons, errors, strict=True) if _ABOVE * least < error < _BELOW]
    return power_law(*zip(*pairs, strict=True)).value if len(pairs) > 2 else None


def _kinks(shape: _Shape, central: Vector | None) -> Kinks:
    shares: list[float] = []
    errors_with: list[float | None] = []
    errors_without: list[float | None] = []
    for k, epsilon in enumerate(EPSILONS):
        within = shape.kinks <= epsilon
        shares.append(float(within.mean()))
        for entries, told_to in ((within, errors_with), (~within, errors_without)):
            known = central is not None and entries.any()
            told_to.append(rms(central[k][entries]) / shape.scale if central is not None and known else None)
    return Kinks(shares=tuple(shares), errors_with=tuple(errors_with), errors_without=tuple(errors_without))


# In words


def _doubt(verdict: str) -> str:
    return (
        f"the gradient check says {verdict} of the float64 pullback, so that errors are told against a gradient "
        f"that is not known to be right"
    )


def _article(curves: Sequence[Curve], shape: _Shape) -> list[str]:
    curve = next((one for one in curves if (one.dtype, one.scheme) == ("float64", "central")), None)
    if curve is None:
        return []
    large, small = (curve.errors[EPSILONS.index(epsilon)] for epsilon in (0.5, 0.1))
    form = {
        (False, False): "linear in each entry",
        (True, False): "quadratic in each entry",
    }.get((bool(shape.bend), bool(shape.twist)), "curved")
    if np.isfinite(shape.kinks).any():
        form = f"{form} between kinks"
    told_as = f"relative error {large:.1e} with ε = 0.5 and {small:.1e} with ε = 0.1 (float64, central)"
    return [f"the outputs are {form}: {told_as}"]


def _of_kinks(kinks: Kinks, chosen: Sequence[int]) -> list[str]:
    if not any(kinks.shares):
        return [f"none of the {len(chosen)} entries has a kink within 1"]
    sentences = []
    for epsilon in (0.5, 0.1, 1e-3, 1e-5):
        k = EPSILONS.index(epsilon)
        with_kink, without = kinks.errors_with[k], kinks.errors_without[k]
        if with_kink is None:
            sentences.append(f"within ε = {epsilon:g} no entry has a kink")
            break
        beside = "" if without is None else f", {without:.1e} over the others"
        count = f"{round(kinks.shares[k] * len(chosen))} of {len(chosen)}"
        sentences.append(f"within ε = {epsilon:g} {count} entries have a kink: error {with_kink:.1e} over them{beside}")
    return sentences


# Vectors


def _drawn(space: Space, options: StudyOptions) -> list[int]:
    """Return positions of entries, in turn one of each primal."""
    rng = np.random.default_rng(options.seed)
    queues = [list(part.start + rng.permutation(part.size)) for part in space]
    drawn: list[int] = []
    while len(drawn) < min(options.entries, space.size):
        for queue in queues:
            if queue and len(drawn) < options.entries:
                drawn.append(int(queue.pop()))
    return drawn
