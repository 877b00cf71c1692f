"""Which windows a backward pass used, read off its answers to impulses: stride, dilation, padding, kernel.

An impulse is an upstream gradient that is zero but for one output. What comes back for a layer with windows is the
kernel (or the weights of a pool) where that output's window lies: the shift from one output to the next is the stride,
the distance of two taps the dilation, and where the first tap lies tells the padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

#: So many channels of the output are read at most.
_CHANNELS = 16
#: So many places along an axis are tried for a window that no end cuts off.
_PLACES = 8
_Ask = Callable[[Array], Array | None]


@dataclass(frozen=True)
class Reading:
    """The windows that answers to impulses show.

    Attributes
    ----------
    stride, dilation, padding : tuple of int
        Per axis of space; the padding is that of the beginning.
    taps : ndarray
        (channels of the output, channels of the input, kernel…): what one impulse brings back.
    """

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    taps: Array

    def pulled(self, upstream: Array, shape: tuple[int, ...]) -> Array:
        """Return the gradient of an image of that shape (N, C, …) through such windows."""
        gradient = np.zeros(shape)
        for place in np.ndindex(*upstream.shape[2:]):
            for tap in np.ndindex(*self.taps.shape[2:]):
                where = tuple(
                    o * s + k * d - p
                    for o, s, k, d, p in zip(place, self.stride, tap, self.dilation, self.padding, strict=True)
                )
                if all(0 <= index < size for index, size in zip(where, shape[2:], strict=True)):
                    weights = self.taps[(slice(None), slice(None), *tap)]
                    gradient[(slice(None), slice(None), *where)] += (
                        upstream[(slice(None), slice(None), *place)] @ weights
                    )
        return gradient

    def turned(self, taps: Array) -> Reading:
        """Return these windows with other weights."""
        return Reading(self.stride, self.dilation, self.padding, taps)


def read_windows(observation: Observation, primal: str, ask: _Ask) -> Reading | None:
    """Return the windows of the gradient of an image (N, C, …), or None where it shows none.

    Parameters
    ----------
    observation : Observation
    primal : str
        The image.
    ask : callable
        Returns its gradient for a cotangent: that of the layer, or the right one.
    """
    upstream = observation.question.cotangent
    image = observation.right[primal]
    if isinstance(upstream, tuple) or not upstream.ndim == image.ndim >= 3 or len(upstream) != len(image):
        return None
    if upstream.shape[1] > _CHANNELS:
        return None

    def of_image(cotangent: Array) -> Array | None:
        answer = ask(cotangent)
        return answer if answer is not None and answer.shape == image.shape else None

    place, centre = _whole_window(upstream.shape, of_image)
    if centre is None or not centre.any():
        return None
    numbers = []
    for axis in range(len(place)):
        found = _read_axis(upstream.shape, place, axis, centre, of_image)
        if found is None:
            return None
        numbers.append(found)
    stride, dilation, padding, extent = zip(*numbers, strict=True)
    where = np.ix_(
        *(
            [o * s - p + d * k for k in range(n)]
            for o, s, d, p, n in zip(place, stride, dilation, padding, extent, strict=True)
        )
    )
    taps = centre[(slice(None), slice(None), *where)]
    return Reading(stride, dilation, padding, taps)


def _answers(shape: tuple[int, ...], place: tuple[int, ...], ask: _Ask) -> Array | None:
    """Return what an impulse at one place brings back to the first sample: (channels of the output, C, …)."""
    answers = []
    for channel in range(shape[1]):
        impulse = np.zeros(shape)
        impulse[(0, channel, *place)] = 1.0
        answer = ask(impulse)
        if answer is None:
            return None
        answers.append(answer[0])
    return np.array(answers)


def _whole_window(shape: tuple[int, ...], ask: _Ask) -> tuple[tuple[int, ...], Array | None]:
    """Return an output whose window no end cuts off, as far as there is one, and what its impulse brings back."""
    place = tuple(size // 2 for size in shape[2:])
    best = _answers(shape, place, ask)
    for axis, size in enumerate(shape[2:]):
        for other in range(min(size, _PLACES)):
            tried = (*place[:axis], other, *place[axis + 1 :])
            answer = _answers(shape, tried, ask) if tried != place and best is not None else None
            if answer is not None and best is not None and _lines(answer, axis).size > _lines(best, axis).size:
                place, best = tried, answer
    return place, best


def _read_axis(
    shape: tuple[int, ...], place: tuple[int, ...], axis: int, centre: Array, ask: _Ask
) -> tuple[int, int, int, int] | None:
    """Return stride, dilation, padding and the number of taps along one axis."""
    lines = _lines(centre, axis)
    gaps = set(np.diff(lines))
    if lines.size == 0 or len(gaps) > 1:
        return None
    dilation = int(gaps.pop()) if gaps else 1
    if shape[2 + axis] == 1:
        return 1, dilation, -int(lines[0]), int(lines.size)
    by = 1 if place[axis] == 0 else -1
    beside = _answers(shape, (*place[:axis], place[axis] + by, *place[axis + 1 :]), ask)
    shifted = np.array([], int) if beside is None else _lines(beside, axis)
    if shifted.size == 0:
        return None
    # Of a window that an end cuts off, the other end still shows where it lies.
    stride = max(by * int(shifted[end] - lines[end]) for end in (0, -1))
    return (stride, dilation, place[axis] * stride - int(lines[0]), int(lines.size)) if stride > 0 else None


def _lines(answer: Array, axis: int) -> Array:
    """Return the indices along one axis of space at which anything came back."""
    others = tuple(k for k in range(answer.ndim) if k != 2 + axis)
    return np.flatnonzero(np.abs(answer).max(axis=others) > 1e-9 * np.abs(answer).max())


def orientations(taps: Array) -> Iterator[tuple[str, Array]]:
    """Yield the ways in which a kernel can be turned, with their names."""
    space = tuple(range(2, taps.ndim))
    yield "as it is", taps
    yield "rotated by 180°", np.flip(taps, space)
    for axis in space if len(space) > 1 else ():
        yield f"flipped along axis {axis - 2}", np.flip(taps, axis)
    if len(space) > 1:
        yield "transposed", taps.swapaxes(-1, -2)
