"""Window and channel strategies: what they always give and never do, what they can find, what they shrink to."""

from dataclasses import replace

import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st

from gradcheck.strategies.windows import (
    Channels,
    Window,
    batch_sizes,
    channels,
    require_output_padding,
    windows,
)

SEARCH = settings(database=None, max_examples=5000)
ANY = settings(SEARCH, phases=[Phase.generate])  # the first that is found, not the smallest


def starts(window):
    """Return where windows begin, counted one by one."""
    padded = window.size + window.before + window.after
    reach = window.dilation * (window.kernel - 1) + 1
    return [start for start in range(0, padded, window.stride) if start + reach <= padded]


def holds_an_entry(window, start):
    """Return whether a tap of the window that begins at `start` meets the input."""
    taps = range(start, start + window.dilation * window.kernel, window.dilation)
    return any(window.before <= tap < window.before + window.size for tap in taps)


def found(condition, how=ANY):
    return find(windows(), condition, settings=how)


def smallest(condition):
    return found(condition, SEARCH)


@given(windows())
def test_a_window_fits_and_its_numbers_are_those_of_counting(window):
    begins = starts(window)
    assert begins
    assert window.size >= 1
    assert min(window.before, window.after) >= 0
    assert window.output_size == len(begins)
    reach = window.dilation * (window.kernel - 1) + 1
    assert window.remainder == window.size + window.before + window.after - begins[-1] - reach


@given(*[st.integers(1, 7)] * 4, *[st.integers(0, 3)] * 2)
def test_output_size_and_remainder_are_those_of_counting_for_any_window(size, kernel, stride, dilation, before, after):
    reach = dilation * (kernel - 1) + 1
    assume(reach <= size + before + after)
    window = Window(size, kernel, stride, dilation, before, after)
    begins = starts(window)
    assert (window.output_size, window.remainder) == (len(begins), size + before + after - begins[-1] - reach)


@given(windows(max_dilation=1, max_kernel=5))
def test_every_window_holds_an_entry_of_the_input(window):
    assert all(holds_an_entry(window, start) for start in starts(window))


@given(windows(max_kernel=4, max_dilation=3, filled=True), st.booleans())
def test_every_window_holds_an_entry_where_that_is_wanted(window, ceil):
    window = replace(window, ceil=ceil)
    begins = [k * window.stride for k in range(window.output_size)]
    assert all(holds_an_entry(window, start) for start in begins)


@given(windows(max_kernel=4, max_stride=4, max_dilation=3))
def test_ceil_adds_the_window_that_starts_before_the_end_of_the_input(window):
    rounded = replace(window, ceil=True)
    start = window.output_size * window.stride
    is_more = window.remainder > 0 and start < window.before + window.size
    assert rounded.output_size == window.output_size + is_more
    reach = window.dilation * (window.kernel - 1) + 1
    padded = window.before + window.size + window.after
    assert rounded.overhang == (start + reach - padded if is_more else 0)
    assert rounded.remainder == (0 if is_more else window.remainder)


@given(windows(max_output=2, max_kernel=4, max_stride=5, max_dilation=3, max_padding=1))
def test_limits_are_kept(window):
    assert 1 <= window.output_size <= 2
    assert 1 <= window.kernel <= 4
    assert 1 <= window.stride <= 5
    assert 1 <= window.dilation <= 3
    assert max(window.before, window.after) <= 1


@given(windows(max_padding=0))
def test_padding_can_be_switched_off(window):
    assert (window.before, window.after) == (0, 0)


@pytest.mark.parametrize(("stride", "remainder"), [(s, r) for s in (2, 3) for r in range(1, s)])
def test_every_remainder_is_found(stride, remainder):
    window = found(lambda w: (w.stride, w.remainder) == (stride, remainder))
    assert (window.stride, window.remainder) == (stride, remainder)


CORNERS = {
    "stride beyond the kernel": lambda w: w.stride > w.kernel and w.output_size > 1,
    "entries between windows": lambda w: w.stride > w.kernel > 1 and w.output_size > 2,
    "padding only before": lambda w: w.before > 0 == w.after,
    "padding only after": lambda w: w.after > 0 == w.before,
    "two different paddings": lambda w: 0 < w.before < w.after,
    "more padding before": lambda w: w.before > w.after > 0,
    "the most padding at both ends": lambda w: w.kernel == 3 and w.before == w.after == w.kernel - 1,
    "a kernel as large as the padded input": lambda w: w.kernel > 1 and w.slack == 0 and w.before + w.after > 0,
    "a kernel as large as the input": lambda w: w.kernel > 1 and w.slack == 0 and w.before + w.after == 0,
    "a kernel larger than the input": lambda w: w.kernel > w.size,
    "dilation": lambda w: w.dilation == 2 and w.output_size > 1,
    "dilation, stride and a remainder": lambda w: w.dilation == 2 and w.stride == 3 and w.remainder,
    "size 1": lambda w: w.size == 1 and w.kernel > 1,
    "many windows over a large input": lambda w: w.output_size == 4 and w.stride == 3 and w.kernel == 3,
    "overlap": lambda w: w.stride < w.kernel and w.output_size > 2,
}


@pytest.mark.parametrize("condition", CORNERS.values(), ids=CORNERS)
def test_every_corner_is_found(condition):
    assert condition(found(condition))


def test_windows_shrink_to_one_entry():
    assert smallest(lambda _: True) == Window(size=1, kernel=1, stride=1, dilation=1, before=0, after=0)


def test_what_is_wanted_stays_alone_in_shrinking():
    assert smallest(lambda w: w.stride == 2) == Window(1, 1, 2)
    assert smallest(lambda w: w.kernel == 3) == Window(3, 3)
    assert smallest(lambda w: w.dilation == 2) == Window(3, 2, dilation=2)
    assert smallest(lambda w: w.remainder == 1) == Window(2, 1, 2)
    assert smallest(lambda w: w.before > 0) == Window(1, 2, before=1)


@given(channels(), channels(max_groups=1, max_per_group=2))
def test_channels_are_multiples_of_groups(grouped, single):
    for layer in (grouped, single):
        assert layer.in_channels % layer.groups == 0
        assert layer.out_channels % layer.groups == 0
    assert single.groups == 1
    assert max(single.in_channels, single.out_channels) <= 2


def test_channels_find_depthwise_and_shrink_to_one():
    depthwise = find(channels(), lambda c: c.groups == c.in_channels > 1 and c.out_channels > c.groups, settings=SEARCH)
    assert depthwise == Channels(2, 2, 4)
    assert find(channels(), lambda _: True, settings=SEARCH) == Channels(1, 1, 1)


def test_batches_of_every_size_are_found_and_shrink_to_one():
    assert find(batch_sizes(), lambda _: True, settings=SEARCH) == 1
    assert {find(batch_sizes(), lambda n, wanted=wanted: n == wanted, settings=SEARCH) for wanted in (1, 2, 3, 5)} == {
        1,
        2,
        3,
        5,
    }


# What is impossible

small, any_int = st.integers(1, 6), st.integers(-2, 6)


@given(small, small, small, st.integers(1, 3), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_window_is_refused_if_and_only_if_none_fits(size, kernel, stride, dilation, before, after, ceil):
    reach = dilation * (kernel - 1) + 1
    due = size + before + after
    # In ceil mode a window that starts in the input may be larger than the padded input, by less than a stride.
    fits = reach <= due or (ceil and reach - due < stride)
    if fits:
        assert Window(size, kernel, stride, dilation, before, after, ceil).output_size >= 1
        return
    with pytest.raises(ValueError, match="expected a window that fits") as refusal:
        Window(size, kernel, stride, dilation, before, after, ceil)
    told = str(refusal.value)
    assert f"got kernel={kernel} and dilation={dilation} for size={size}, before={before} and after={after}; " in told
    works = int(told.partition("; size=")[2].removesuffix(" works"))
    assert Window(works, kernel, stride, dilation, before, after, ceil).output_size == 1


@pytest.mark.parametrize("name", ["size", "kernel", "stride", "dilation"])
@pytest.mark.parametrize("number", [0, -1])
def test_sizes_below_one_are_refused(name, number):
    with pytest.raises(ValueError, match=f"^expected {name} to be at least 1, got {name}={number}$"):
        Window(**{"size": 3, "kernel": 2, name: number})


@pytest.mark.parametrize("name", ["before", "after"])
def test_negative_padding_is_refused(name):
    with pytest.raises(ValueError, match=f"^expected {name} to be at least 0, got {name}=-1$"):
        Window(**{"size": 3, "kernel": 2, name: -1})


@given(any_int, any_int, any_int)
def test_channels_that_groups_do_not_divide_are_refused(groups, taken, given_back):
    if min(groups, taken, given_back) >= 1 and taken % groups == given_back % groups == 0:
        assert Channels(groups, taken, given_back).groups == groups
        return
    with pytest.raises(ValueError, match=r"expected .* got ") as refusal:
        Channels(groups, taken, given_back)
    told = str(refusal.value)
    shown = {f"groups={groups}", f"in_channels={taken}", f"out_channels={given_back}"}
    assert any(value in told for value in shown)
    if min(groups, taken, given_back) >= 1:
        assert all(value in told for value in shown)


@given(any_int, small, small)
def test_output_padding_from_the_stride_and_the_dilation_on_is_refused(more, stride, dilation):
    if 0 <= more < max(stride, dilation):
        require_output_padding(more, stride, dilation)
        return
    with pytest.raises(ValueError, match=rf"got output_padding={more}\b") as refusal:
        require_output_padding(more, stride, dilation)
    if more > 0:
        assert f"stride={stride} and dilation={dilation}; {max(stride, dilation) - 1} works" in str(refusal.value)


@pytest.mark.parametrize(
    ("strategy", "name", "number", "least"),
    [
        *((windows, f"max_{name}", 0, 1) for name in ("output", "kernel", "stride", "dilation")),
        (windows, "max_padding", -1, 0),
        (channels, "max_groups", 0, 1),
        (channels, "max_per_group", -1, 1),
    ],
)
def test_limits_that_leave_nothing_are_refused(strategy, name, number, least):
    with pytest.raises(ValueError, match=f"^expected {name} to be at least {least}, got {name}={number}$"):
        strategy(**{name: number})
