"""Window geometry: kernels, strides, paddings and dilations that fit, drawn so that all their corners are met."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """The windows along one axis.

    Attributes
    ----------
    size : int
        Entries of the input along the axis.
    kernel, stride, dilation : int
    before, after : int
        Padding at both ends.
    ceil : bool
        Whether a remainder holds one more window, unless it would start in the padding of the end.

    Raises
    ------
    ValueError
        If a number is too small, or not even one window fits.

    Examples
    --------
    >>> Window(size=3, kernel=5, before=1)
    Traceback (most recent call last):
    ValueError: expected a window that fits, got kernel=5 and dilation=1 for size=3, before=1 and after=0; size=4 works
    """

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    ceil: bool = False

    def __post_init__(self) -> None:
        _require_at_least(1, size=self.size, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        _require_at_least(0, before=self.before, after=self.after)
        if self.output_size < 1:
            raise ValueError(
                f"expected a window that fits, got kernel={self.kernel} and dilation={self.dilation} for "
                f"size={self.size}, before={self.before} and after={self.after}; size={self.size - self.slack} works"
            )

    @property
    def slack(self) -> int:
        """How far a window can move: the padded size less its reach."""
        return self.size + self.before + self.after - self.dilation * (self.kernel - 1) - 1

    @property
    def output_size(self) -> int:
        """How many windows fit.

        Examples
        --------
        >>> Window(size=7, kernel=3, stride=3).output_size, Window(size=7, kernel=3, stride=3).remainder
        (2, 1)
        >>> Window(size=7, kernel=3, stride=3, ceil=True).output_size
        3
        """
        return self.slack // self.stride + 1 + self._one_more

    @property
    def remainder(self) -> int:
        """Entries of the padded input behind the last window."""
        return 0 if self._one_more else self.slack % self.stride

    @property
    def overhang(self) -> int:
        """Entries of the last window behind the padded input.

        Examples
        --------
        >>> Window(size=7, kernel=3, stride=3, ceil=True).overhang
        2
        """
        return -self.slack % self.stride if self._one_more else 0

    @property
    def _one_more(self) -> bool:
        """Whether `ceil` adds a window."""
        start = (self.slack // self.stride + 1) * self.stride
        return self.ceil and self.slack % self.stride > 0 and start < self.before + self.size

    @property
    def coverage(self) -> tuple[int, ...]:
        """How many windows each entry of the input lies in.

        Examples
        --------
        >>> Window(size=5, kernel=3, stride=2).coverage, Window(size=3, kernel=1, stride=2).coverage
        ((1, 1, 2, 1, 1), (1, 0, 1))
        """
        counts = [0] * self.size
        for start in range(-self.before, self.output_size * self.stride - self.before, self.stride):
            for entry in range(start, start + self.dilation * self.kernel, self.dilation):
                if 0 <= entry < self.size:
                    counts[entry] += 1
        return tuple(counts)

    @property
    def leaves_the_input(self) -> bool:
        """Whether some window lies in the padding altogether."""
        reach = self.dilation * (self.kernel - 1) + 1
        last = (self.output_size - 1) * self.stride
        return self.before >= reach or last >= self.before + self.size


def windows(
    *,
    max_output: int = 4,
    max_kernel: int = 3,
    max_stride: int = 3,
    max_dilation: int = 2,
    max_padding: int | None = None,
    filled: bool = False,
) -> SearchStrategy[Window]:
    """Return a strategy of windows along one axis, all of them valid.

    Kernel, stride, dilation, padding, number of windows and remainder are drawn, and the size of the input follows
    from them: every remainder, strides beyond the kernel and kernels as large as the padded input come up without
    filtering.

    Parameters
    ----------
    max_output, max_kernel, max_stride, max_dilation : int
        Largest value of each; the smallest is 1.
    max_padding : int, optional
        Largest padding at either end. Default: the reach of the kernel less one, so that every window (without
        dilation) holds at least one entry of the input.
    filled : bool
        Whether every window holds an entry with dilation, too: no input is so short that taps step over it.

    Raises
    ------
    ValueError
        If a limit is too small for any window.

    Notes
    -----
    Shrinks to one window with kernel 1, stride 1, dilation 1 and no padding over an input of size 1.
    """
    from hypothesis import strategies as st

    _require_at_least(1, max_output=max_output, max_kernel=max_kernel, max_stride=max_stride, max_dilation=max_dilation)
    _require_at_least(0, **({} if max_padding is None else {"max_padding": max_padding}))

    @st.composite
    def draw_window(draw: st.DrawFn) -> Window:
        kernel = draw(st.integers(1, max_kernel), label="kernel")
        stride = draw(st.integers(1, max_stride), label="stride")
        dilation = draw(st.integers(1, max_dilation if kernel > 1 else 1), label="dilation")
        reach = dilation * (kernel - 1) + 1
        most = reach - 1 if max_padding is None else min(max_padding, reach - 1)
        output = draw(st.integers(1, max_output), label="windows")
        remainder = draw(st.integers(0, stride - 1), label="remainder")
        padded = (output - 1) * stride + remainder + reach
        border = padded - (dilation if filled else 1)
        before = draw(st.integers(0, min(most, border)), label="padding before")
        after = draw(st.integers(0, min(most, border - before)), label="padding after")
        return Window(padded - before - after, kernel, stride, dilation, before, after)

    return draw_window()


@dataclass(frozen=True)
class Channels:
    """Channels of a grouped layer; both numbers are multiples of `groups`.

    Raises
    ------
    ValueError
        If they are not, or are not positive.
    """

    groups: int
    in_channels: int
    out_channels: int

    def __post_init__(self) -> None:
        _require_at_least(1, groups=self.groups, in_channels=self.in_channels, out_channels=self.out_channels)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"expected groups to divide in_channels and out_channels, got groups={self.groups}, in_channels="
                f"{self.in_channels} and out_channels={self.out_channels}; the divisors of "
                f"{math.gcd(self.in_channels, self.out_channels)} divide both"
            )


def channels(*, max_groups: int = 3, max_per_group: int = 3) -> SearchStrategy[Channels]:
    """Return a strategy of channels: groups, and how many channels each takes and gives.

    Raises
    ------
    ValueError
        If a limit is below 1.

    Notes
    -----
    Shrinks to one group of one channel in and one out.
    """
    from hypothesis import strategies as st

    _require_at_least(1, max_groups=max_groups, max_per_group=max_per_group)

    def build(groups: int, taken: int, given: int) -> Channels:
        return Channels(groups, groups * taken, groups * given)

    per_group = st.integers(1, max_per_group)
    return st.builds(build, st.integers(1, max_groups), per_group, per_group)


def require_output_padding(output_padding: int, stride: int, dilation: int) -> None:
    """Refuse what a transposed layer cannot have more at the end of an axis.

    Raises
    ------
    ValueError
        If it is negative, or neither smaller than the stride nor than the dilation.

    Examples
    --------
    >>> require_output_padding(2, stride=2, dilation=1)
    Traceback (most recent call last):
    ValueError: expected output_padding below stride or dilation, got output_padding=2, stride=2 and dilation=1; 1 works
    """
    _require_at_least(0, output_padding=output_padding)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"expected output_padding below stride or dilation, got output_padding={output_padding}, "
            f"stride={stride} and dilation={dilation}; {max(stride, dilation) - 1} works"
        )


def batch_sizes() -> SearchStrategy[int]:
    """Return a strategy of batch sizes: 1, 3 and 5 above all, because at 2 different faults look alike."""
    from hypothesis import strategies as st

    return st.sampled_from([1, 3, 2, 5])


def _require_at_least(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"expected {name} to be at least {least}, got {name}={number}")
