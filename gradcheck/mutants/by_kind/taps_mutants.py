"""Windows as matrices, one per axis of space: a wrong stride, dilation or padding is another matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array


class Axis(NamedTuple):
    """The windows along one axis of space: tap `a` of window `i` is entry ``i·stride + a·dilation − before``."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    places: int
    drop_last: bool = False
    assigns: bool = False

    @property
    def matrix(self) -> Array:
        """Which tap of which window (rows) is which entry: (kernel, places, size)."""
        taps, places = np.arange(self.kernel), np.arange(self.places)
        index = taps[:, None] * self.dilation + places * self.stride - self.before
        meets: Array = (index[..., None] == np.arange(self.size)).astype(np.float64)
        if self.drop_last and self.places > 1:
            meets[:, -1] = 0
        if self.assigns:  # of the windows that meet an entry, the one of the highest tap is written last
            later = np.cumsum(meets[::-1].sum(axis=1), axis=0)[::-1] - meets.sum(axis=1)
            meets *= (later == 0)[:, None]
        return meets

    @property
    def remainder(self) -> int:
        """How many entries of the padded input lie behind the last window."""
        reach = (self.places - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
        return max(self.size + self.before + self.after - reach, 0)


Axes: TypeAlias = tuple[Axis, ...]
Change: TypeAlias = Callable[[Axes], Axes]


def axes_of(config: Any, size: tuple[int, ...], places: tuple[int, ...]) -> Axes:
    """Return the axes of a config with windows, for an image of that size and so many windows."""
    dilation = getattr(config, "dilation", (1,) * len(size))
    ends = config.padding[::2], config.padding[1::2]
    numbers = zip(size, config.kernel_size, config.stride, dilation, *ends, places, strict=True)
    return tuple(Axis(*axis) for axis in numbers)


def gather(image: Array, axes: Axes) -> Array:
    """Return the windows of images (N, C, …) as (N, C, kernel…, places…); outside of them are zeros."""
    for axis in axes:
        image = np.tensordot(image, axis.matrix, ([2], [2]))
    rank = len(axes)
    return image.transpose(0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2))


def spread(windows: Array, axes: Axes) -> Array:
    """Add windows (N, C, kernel…, places…) up where they come from: the adjoint of `gather`."""
    for k, axis in enumerate(axes):
        windows = np.tensordot(windows, axis.matrix, ([2, 2 + len(axes) - k], [0, 1]))
    return windows


def _set(**fields: Any) -> Change:
    return lambda axes: tuple(axis._replace(**fields) for axis in axes)


def _each(**fields: Callable[[Axis], int]) -> Change:
    def change(axes: Axes) -> Axes:
        return tuple(_set(**{name: value(axis) for name, value in fields.items()})((axis,))[0] for axis in axes)

    return change


def _reversed(*fields: str) -> Change:
    """Return what takes the numbers of the axes in the wrong order."""

    def change(axes: Axes) -> Axes:
        return tuple(
            axis._replace(**{name: getattr(other, name) for name in fields})
            for axis, other in zip(axes, axes[::-1], strict=True)
        )

    return change


#: Slug, sentence and change of everything that can be wrong with the windows of a backward pass.
GEOMETRY: tuple[tuple[str, str, Change], ...] = (
    ("stride-ignored", "the stride is treated as 1", _set(stride=1)),
    ("dilation-ignored", "the dilation is treated as 1", _set(dilation=1)),
    (
        "stride-dilation-exchanged",
        "stride and dilation are exchanged",
        _each(stride=lambda a: a.dilation, dilation=lambda a: a.stride),
    ),
    ("stride-is-kernel", "the stride is treated as the kernel size", _each(stride=lambda a: a.kernel)),
    ("strides-swapped", "the strides of the axes are taken in the wrong order", _reversed("stride")),
    ("dilations-swapped", "the dilations of the axes are taken in the wrong order", _reversed("dilation")),
    ("paddings-swapped", "the paddings of the axes are taken in the wrong order", _reversed("before", "after")),
    (
        "padding-ends-swapped",
        "the paddings of the two ends of an axis are exchanged",
        _each(before=lambda a: a.after, after=lambda a: a.before),
    ),
    ("padding-ignored", "the padding is treated as 0", _set(before=0)),
    ("padding-one-more", "the padding is one too large: the crop is off by one", _each(before=lambda a: a.before + 1)),
    ("padding-one-less", "the padding is one too small: the crop is off by one", _each(before=lambda a: a.before - 1)),
    (
        "remainder-at-start",
        "what the stride leaves over is taken to lie at the start",
        _each(before=lambda a: a.before - a.remainder),
    ),
    ("last-window-dropped", "the last window along each axis is left out", _set(drop_last=True)),
)
#: What can go wrong where windows are added up beside that.
OVERLAP = ("overlap-assigned", "overlapping windows overwrite one another", _set(assigns=True))


def geometry_mutants(pulled: Callable[..., Any], *without: str, overlap: bool = True) -> tuple[Mutant, ...]:
    """Return the mistakes of a layer with windows; ``pulled(change, question)`` answers with changed axes."""
    changes = (*GEOMETRY, *([OVERLAP] if overlap else []))
    return tuple(
        Mutant(slug, sentence, partial(pulled, change), parameters=partial(_numbers, change))
        for slug, sentence, change in changes
        if slug not in without
    )


def _numbers(change: Change, question: Question) -> str:
    """Return the numbers of the windows that the backward pass used, and those of the forward."""
    x, y = np.shape(question.primals["x"]), np.shape(question.outputs)
    right = axes_of(question.config, x[2:], y[2:])
    used = change(right)
    told = [
        f"{word} {tuple(getattr(axis, name) for axis in used)} where the forward has "
        f"{tuple(getattr(axis, name) for axis in right)}"
        for name, word in (("stride", "stride"), ("dilation", "dilation"), ("before", "padding"))
        if any(getattr(one, name) != getattr(other, name) for one, other in zip(used, right, strict=True))
    ]
    return f"it is that of windows with {', '.join(told)}" if told else ""
