"""Kinks and ties: outputs without a derivative at the point, judged by the gradients that they have beside it.

Accepted is what lies in the convex hull of the gradients at nearby smooth points: Clarke's generalised gradient,
sampled. So "first", "last" and "even split" pass at a tie of any size, and "every tied maximum gets everything" does
not; where several kinks add up, each may have a convention of its own.

A value outside of the hull is a fault where the kink is that of one primitive (a jump between two slopes, a maximum, an
order statistic) or a sum of kinks in single entries. Where kinks are composed, as in ``relu(x) - relu(-x)``,
conventions that are legal one by one may lead outside, and nothing is said.

References
----------
F. H. Clarke, Optimization and Nonsmooth Analysis (1983), chapter 2. J. V. Burke, A. S. Lewis and M. L. Overton, A
robust gradient sampling algorithm for nonsmooth, nonconvex optimization, SIAM J. Optim. 15 (2005).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.checks.probe import Linearization
from gradcheck.checks.setting import Setting
from gradcheck.numeric.directions import signed_random
from gradcheck.numeric.function import evaluate_pair
from gradcheck.numeric.hull import nearest_in_hull
from gradcheck.numeric.ladder import climb
from gradcheck.numeric.space import Vector, norm

#: Kinked outputs that are looked at.
SAMPLE = 6
#: Pairs of opposite points beside the point that every output is looked at from.
_PAIRS = 3
#: One more point is so many times nearer: gradients that are larger there have no limit, as at a cusp.
_NEARER, _GROWTH = 4.0, 1.1
#: Rounds of further points for an output whose value lies outside of the hull of those, and exchanges in each.
_ROUNDS, _SWAPS = 8, 3
#: Beside the point slopes are taken with a step so many times smaller than the distance from it.
_FINER = 32.0
#: A slope beside the point whose two sides differ by more than this share has another kink there, and is not used.
_SMOOTH = 1e-2
#: A gradient beside the point that is off by more than this share of its size is wrong there.
_CLEARLY = 1e-3
#: Share of the widest jump that a value may lie outside: a further kink too small to be seen has a convention too.
_SLACK = 8e-3
#: The same for gaps, in trials of which each must agree.
_GAP_SLACK, _TRIALS = 1e-3, 3


@dataclass(frozen=True, kw_only=True)
class KinkFault:
    """An analytic value that no convention allows.

    Attributes
    ----------
    position : int
        Entry of the primals' vector.
    analytic : float
    low, high : float
        What would have been accepted.
    sentence : str
    """

    position: int
    analytic: float
    low: float
    high: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class KinkVerdict:
    """What was found at the kinks.

    Attributes
    ----------
    outputs : int
        How many outputs have a kink at the point.
    judged : int
        How many of them were judged.
    conventions : tuple of str
        Names of the conventions found.
    faults : tuple of KinkFault
    """

    outputs: int
    judged: int
    conventions: tuple[str, ...]
    faults: tuple[KinkFault, ...]


def judge_kinks(setting: Setting, kinked: NDArray[np.bool_]) -> KinkVerdict:
    """Judge a sample of the outputs that are marked in `kinked`.

    Notes
    -----
    All points beside the point are shared by all outputs, those too that some output asks for whose value lies outside
    of the hull so far: three forwards for each point, and for each output one pullback at each.
    """
    positions = np.flatnonzero(kinked)
    sample = np.sort(setting.rng.permutation(positions)[:SAMPLE]).tolist()
    beside = list(_opposite_points(setting))
    seen = [_Seen.of(setting, output, _slopes(setting, output, beside)) for output in sample]
    for _ in range(_ROUNDS):
        further = _further_points(setting, [one for one in seen if one.is_open])
        if not further:
            break
        seen = [one.with_points(setting, further) if one.is_open else one for one in seen]
    found = [one for one in (_judge_output(setting, one) for one in seen) if one is not None]
    return KinkVerdict(
        outputs=positions.size,
        judged=len(found),
        conventions=tuple(sorted({name for one in found if not isinstance(one, KinkFault) for name in one})),
        faults=tuple(one for one in found if isinstance(one, KinkFault)),
    )


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """A point beside the point: what the subject says there, and a difference that it can be held to.

    Attributes
    ----------
    move : Vector
        How far it is from the point.
    linearization : Linearization
    taken : Vector
        The direction of the difference.
    slope, gap, noise : Vector
        Central slope of each output, how far its one-sided slopes are apart, and the error of both.
    """

    move: Vector
    linearization: Linearization
    taken: Vector
    slope: Vector
    gap: Vector
    noise: Vector


@dataclass(frozen=True, kw_only=True)
class _Slopes:
    """The gradients of one output at points beside the point where it is smooth.

    Attributes
    ----------
    gradients, moves : ndarray of shape (points, entries)
    wrong : tuple of (float, float, int) or None
        Analytic and numeric slope, and the largest entry, where the gradient is wrong beside the point too.
    """

    gradients: Vector
    moves: Vector
    wrong: tuple[float, float, int] | None

    def plus(self, other: _Slopes) -> _Slopes:
        """Return both."""
        return _Slopes(
            gradients=np.concatenate([self.gradients, other.gradients]),
            moves=np.concatenate([self.moves, other.moves]),
            wrong=self.wrong or other.wrong,
        )

    @property
    def low(self) -> Vector:
        """The least value of each entry."""
        return np.asarray(self.gradients.min(axis=0))

    @property
    def high(self) -> Vector:
        """The largest value of each entry."""
        return np.asarray(self.gradients.max(axis=0))


def _distance(setting: Setting) -> float:
    """How far points beside the point are from it: little, but as much as the coarser dtype resolves."""
    return max(setting.function.precision.one_sided_step, setting.probe.analytic_precision.one_sided_step)


def _opposite_points(setting: Setting) -> Iterator[_Beside]:
    moves = [setting.scale_of_entry * signed_random(setting.space.size, setting.rng) for _ in range(_PAIRS)]
    directions = [sign * move for move in moves for sign in (1.0, -1.0)]
    for direction in (*directions, moves[0] / _NEARER):
        beside = _look_beside(setting, direction)
        if beside is not None:
            yield beside


def _look_beside(setting: Setting, direction: Vector) -> _Beside | None:
    """Return what the subject says beside the point; None where it has no values there."""
    function, reach = setting.function, float(np.abs(direction / setting.scale_of_entry).max()) / 2
    step = min(1.0, reach) * _distance(setting) / _FINER
    point = setting.space.round(setting.point + _distance(setting) * direction)
    tangent = setting.scale_of_entry * signed_random(setting.space.size, setting.rng)
    try:
        linearization = setting.probe.linearize(point)
        same = setting.probe.analytic_precision is function.precision
        middle = linearization.outputs if same else function.evaluate(point)
    except (FormError, SubjectRaisedError):
        return None
    (rung,) = climb(function, point, middle, tangent, step, rungs=1)
    return _Beside(
        move=point - setting.point,
        linearization=linearization,
        taken=rung.take(),
        slope=rung.slope,
        gap=np.abs(rung.gap),
        noise=SIGMAS * setting.noise / step,
    )


def _one_hot(setting: Setting, output: int) -> Vector:
    cotangent = np.zeros(setting.outputs.size)
    cotangent[output] = 1.0
    return cotangent


def _slopes(setting: Setting, output: int, points: list[_Beside]) -> _Slopes:
    """Return the gradients of an output where they agree with differences."""
    cotangent = _one_hot(setting, output)
    precisions = setting.probe.analytic_precision, setting.function.precision
    tolerance = 10 * max(precision.analytic_tolerance for precision in precisions)
    gradients, moves, wrong = [], [], []
    for one in points:
        slope, noise, gap = (float(values[output]) for values in (one.slope, one.noise, one.gap))
        if not gap <= _SMOOTH * abs(slope) + 8 * noise:
            continue
        gradient = one.linearization.pullback(cotangent)
        terms = gradient * one.taken
        error, size = abs(float(terms.sum()) - slope), max(norm(terms), abs(slope))
        if error <= tolerance * size + noise:
            gradients.append(gradient)
            moves.append(one.move)
        elif error > max(_CLEARLY, tolerance) * size + 2 * noise + gap / 2:  # a kink too small to be seen is crossed
            wrong.append((float(terms.sum()), slope, int(np.argmax(np.abs(gradient)))))
    shape = (len(gradients), setting.space.size)
    return _Slopes(
        gradients=np.reshape(gradients, shape),
        moves=np.reshape(moves, shape),
        wrong=wrong[0] if len(wrong) > 1 else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One output, and what is known of it.

    Attributes
    ----------
    output : int
    value : Vector
        Its gradient at the point.
    slopes : _Slopes
        Its gradients beside the point.
    excess : Vector
        How far the value lies outside of their hull.
    margin : float
        How far it may.
    near : ndarray of bool
        Which of the points beside it are the nearer ones.
    """

    output: int
    value: Vector
    slopes: _Slopes
    excess: Vector
    margin: float
    near: NDArray[np.bool_]

    @classmethod
    def of(cls, setting: Setting, output: int, slopes: _Slopes) -> _Seen:
        """Compare the gradient of an output at the point with those beside it."""
        value = setting.linearization.pullback(_one_hot(setting, output))
        return cls._compared(setting, output, value, slopes)

    @classmethod
    def _compared(cls, setting: Setting, output: int, value: Vector, slopes: _Slopes) -> _Seen:
        any_point = len(slopes.gradients) > 0
        excess = value - nearest_in_hull(slopes.gradients, value) if any_point else np.zeros(value.size)
        margin = _margin(setting, slopes, value) if any_point else 0.0
        near = _is_near(setting, slopes)
        return cls(output=output, value=value, slopes=slopes, excess=excess, margin=margin, near=near)

    @property
    def is_inside(self) -> bool:
        """Whether the value lies in the hull."""
        return float(np.abs(self.excess).max()) <= self.margin

    @property
    def is_open(self) -> bool:
        """Whether further points may settle it."""
        return self.slopes.wrong is None and not (self.is_inside and self.near.any())

    def with_points(self, setting: Setting, points: list[_Beside]) -> _Seen:
        """Return this with more points."""
        slopes = self.slopes.plus(_slopes(setting, self.output, points))
        return self._compared(setting, self.output, self.value, slopes)


def _judge_output(setting: Setting, seen: _Seen) -> KinkFault | list[str] | None:
    """Return what is wrong with the gradient of an output, or its conventions; None where nothing can be said."""
    slopes, value, margin = seen.slopes, seen.value, seen.margin
    if slopes.wrong is not None:
        return _wrong_beside(*slopes.wrong)
    near = seen.near
    if near.all() or not near.any() or not _has_limit(near, slopes):
        return None
    if seen.is_inside:
        return list(_conventions(setting, seen))
    varying = np.flatnonzero(slopes.high - slopes.low > margin)
    if _adds_up(setting, seen.output, varying):
        inside = (value >= slopes.low - margin) & (value <= slopes.high + margin)
        return list(_conventions(setting, seen)) if inside.all() else _outside(slopes, value, margin)
    if _is_one_primitive(setting, seen.output, varying, slopes, margin):
        return _outside(slopes, value, margin)
    return None


def _is_near(setting: Setting, slopes: _Slopes) -> NDArray[np.bool_]:
    """Return which points are the nearer ones."""
    reached = np.abs(slopes.moves / setting.scale_of_entry).max(axis=1)
    return np.asarray(reached <= _distance(setting) / math.sqrt(_NEARER))


def _has_limit(near: NDArray[np.bool_], slopes: _Slopes) -> bool:
    """Whether gradients do not grow without end towards the point."""
    nearer, farther = (float(np.abs(slopes.gradients[chosen]).max()) for chosen in (near, ~near))
    return nearer <= _GROWTH * farther


def _further_points(setting: Setting, seen: list[_Seen]) -> list[_Beside]:
    """Return points at which outputs may have gradients that reach farther towards their values.

    Outputs that depend on different entries ask for the same points.
    """
    directions: list[Vector] = []
    taken: list[NDArray[np.bool_]] = []
    for one in seen:
        own = (one.value != 0) | (one.slopes.gradients != 0).any(axis=0)
        for wished in _wished(setting, one):
            at = next((k for k, entries in enumerate(taken) if not (entries & own).any()), len(taken))
            if at == len(taken):
                directions.append(wished)
                taken.append(own)
            else:
                directions[at] = np.where(own, wished, directions[at])
                taken[at] = taken[at] | own
    return [beside for direction in directions if (beside := _look_beside(setting, direction)) is not None]


def _wished(setting: Setting, seen: _Seen) -> list[Vector]:
    """Return the directions in which an output may have a gradient that reaches farther towards its value.

    For a convex output that is the one towards the excess, for a concave one the opposite. An output that takes one of
    several tied entries, as an order statistic does, takes another of them where the two exchange their places.
    """
    unit, known = setting.scale_of_entry, seen.slopes.moves / _distance(setting)
    if len(known) and not seen.near.any():
        return [known[int(setting.rng.integers(len(known)))] / _NEARER]
    directions = _swapped(setting, seen) if len(known) else []
    if not directions and not seen.is_inside:
        towards = 2 * unit * seen.excess / float(np.abs(seen.excess).max())
        for sign, near in ((1.0, 0.1), (-1.0, 0.1), (0.0, 1.0)):
            directions.append(sign * towards + near * unit * signed_random(unit.size, setting.rng))
    return directions


def _swapped(setting: Setting, seen: _Seen) -> list[Vector]:
    """Return directions known already, with the entry that was taken there exchanged for one that was not yet."""
    unit, slopes, excess = setting.scale_of_entry, seen.slopes, seen.excess
    varying = slopes.low != slopes.high
    unseen = np.flatnonzero((seen.value != 0) & ~varying & (excess != 0))
    directions = []
    for entry in unseen[np.argsort(-np.abs(excess[unseen]), kind="stable")][:_SWAPS]:
        at = int(setting.rng.integers(len(slopes.gradients)))
        live = slopes.gradients[at] != 0
        live[entry] = False
        if not live.any():
            continue
        taken = int(setting.rng.choice(np.flatnonzero(live & varying if (live & varying).any() else live)))
        direction = slopes.moves[at] / unit / _distance(setting)
        direction[[taken, entry]] = direction[[entry, taken]]
        directions.append(unit * direction)
    return directions


def _margin(setting: Setting, slopes: _Slopes, value: Vector) -> float:
    """Return how far outside of the hull a value may lie: rounding, curvature, kinks too small to be seen."""
    widest = float((slopes.high - slopes.low).max())
    largest = float(np.abs(slopes.gradients).max())
    rounding = 64 * setting.probe.analytic_precision.unit * float(np.abs(value).max())
    curvature = 2 * _distance(setting) * largest
    return rounding + curvature + _SLACK * widest + setting.analytic_floor(np.ones(1), 1.0)


# Which kinks are told from their gaps


def _gap(setting: Setting, output: int, move: Vector) -> float:
    """Return how far the one-sided slopes of an output are apart along one move: two evaluations."""
    step = _distance(setting)
    pair = evaluate_pair(setting.function, setting.point, step * move)
    return abs(float(pair.plus[output] - 2 * setting.outputs[output] + pair.minus[output])) / step


def _gap_noise(setting: Setting, output: int) -> float:
    return 8 * SIGMAS * float(setting.noise[output]) / _distance(setting)


def _random_moves(setting: Setting, entries: NDArray[np.int_]) -> Vector:
    move = np.zeros(setting.space.size)
    move[entries] = setting.scale_of_entry[entries] * signed_random(entries.size, setting.rng)
    return move


def _adds_up(setting: Setting, output: int, varying: NDArray[np.int_]) -> bool:
    """Whether the output is a sum of kinks in single entries: gaps of two halves add up, whichever way these move."""
    noise, gaps = _gap_noise(setting, output), []
    for _ in range(_TRIALS):
        move = _random_moves(setting, varying)
        half = np.zeros(setting.space.size, bool)
        half[setting.rng.permutation(varying)[: max(1, varying.size // 2)]] = True
        first, rest = np.where(half, move, 0.0), np.where(half, 0.0, move)
        parts = _gap(setting, output, first) + _gap(setting, output, rest)
        for whole in (_gap(setting, output, first + rest), _gap(setting, output, first - rest)):
            if abs(whole - parts) > _GAP_SLACK * (whole + parts) + noise:
                return False
        gaps.append(parts)
    return min(gaps) > 4 * noise


def _is_one_primitive(setting: Setting, output: int, varying: NDArray[np.int_], slopes: _Slopes, margin: float) -> bool:
    """Whether the output has one kink, or takes one of several entries, so that one convention decides everything.

    The gap G(d) between the one-sided slopes along d tells a single kink: ``G(d) = |⟨v, d⟩|`` for some v, so that
    G(d + d′) is the sum or the difference of G(d) and G(d′). An output that takes one of its entries, as maxima and
    order statistics do, has at every point beside it one and the same slope in one of the entries that vary.
    """
    among = slopes.gradients[:, varying]
    taken = np.abs(among) > margin
    if varying.size > 1 and (taken.sum(axis=1) == 1).all() and np.ptp(among[taken]) <= 2 * margin:
        return True
    noise = _gap_noise(setting, output)
    for _ in range(_TRIALS):
        first, second = _random_moves(setting, varying), _random_moves(setting, varying)
        gaps = [_gap(setting, output, move) for move in (first, second, first + second)]
        slack = _GAP_SLACK * (gaps[0] + gaps[1]) + noise
        if noise > 10 * _GAP_SLACK * (gaps[0] + gaps[1]):
            return False
        if min(abs(gaps[2] - gaps[0] - gaps[1]), abs(gaps[2] - abs(gaps[0] - gaps[1]))) > slack:
            return False
    return True


# What is told of them


def _wrong_beside(analytic: float, numeric: float, position: int) -> KinkFault:
    return KinkFault(
        position=position,
        analytic=analytic,
        low=numeric,
        high=numeric,
        sentence=f"beside the kink, where the output is smooth, the gradient along a random tangent is {analytic:.6g} "
        f"and the slope of the forward {numeric:.6g}",
    )


def _outside(slopes: _Slopes, value: Vector, margin: float) -> KinkFault:
    """Return the fault of a value outside: that of the entry farthest from its slopes, or of the sum of a tie."""
    low, high = slopes.low, slopes.high
    beyond = np.maximum(low - value, value - high)
    worst = int(np.argmax(beyond))
    if beyond[worst] > margin:
        wrong = float(value[worst])
        if low[worst] == high[worst] == 0.0:
            sentence = f"the output does not depend on this entry: expected 0, got {wrong:.6g}"
        else:
            sentence = (
                f"at a kink the one-sided slopes are {low[worst]:.6g} and {high[worst]:.6g}: "
                f"expected a value between them, got {wrong:.6g}"
            )
        return KinkFault(
            position=worst, analytic=wrong, low=float(low[worst]), high=float(high[worst]), sentence=sentence
        )
    tied = np.flatnonzero(high - low > margin)
    worst = int(tied[np.argmax(np.abs(value[tied]))])
    rates = slopes.gradients[:, tied].sum(axis=1)
    return KinkFault(
        position=worst,
        analytic=float(value[worst]),
        low=float(rates.min()) / tied.size,
        high=float(rates.max()) / tied.size,
        sentence=f"{tied.size} entries are tied: moved together they change the output at the rate "
        f"{float(np.mean(rates)):.6g}, but their gradients sum to {float(value[tied].sum()):.6g}",
    )


def _conventions(setting: Setting, seen: _Seen) -> Iterator[str]:
    """Yield the name of the convention that was met in each primal."""
    varying = seen.slopes.high - seen.slopes.low > seen.margin
    for part in setting.space:
        kinked = part.start + np.flatnonzero(varying[part.slice])
        if kinked.size == 1:
            yield f"kink in {part.name}: {_side(seen.slopes, int(kinked[0]), float(seen.value[kinked[0]]))}"
        elif kinked.size:
            yield f"tie in {part.name}: {_share(seen.value[kinked])}"


def _side(slopes: _Slopes, entry: int, value: float) -> str:
    left, right = (float(np.mean(slopes.gradients[sign * slopes.moves[:, entry] > 0, entry])) for sign in (-1.0, 1.0))
    if left == right:  # other entries decide on which side of the kink the output is
        return f"a value between {slopes.low[entry]:.3g} and {slopes.high[entry]:.3g}"
    place = (value - left) / (right - left)
    names = {0.0: "the slope from the left", 1.0: "the slope from the right", 0.5: "the mean of both slopes"}
    for at, name in names.items():
        if abs(place - at) < _GAP_SLACK:
            return name
    return f"{place:.3g} of the way from the left slope to the right one"


def _share(values: Vector) -> str:
    largest = float(np.abs(values).max())
    live = np.flatnonzero(np.abs(values) > 1e-6 * largest)
    if largest == 0.0 or live.size == 0:
        return "nobody gets anything"
    if live.size == 1:
        return {0: "the first gets all", values.size - 1: "the last gets all"}.get(int(live[0]), "one gets all")
    even = live.size == values.size and np.ptp(values) < 1e-3 * largest
    return "an even split" if even else "an uneven split"
