"""Layouts: there and back is the identity, and a fault in their layout is found at the canonical index."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck
from gradcheck.adapters.axis_orders import Layout, in_layout

CANONICAL = ("NF", "NTF", "NCL", "NCHW", "NCDHW", "OI", "OIHW", "F")


@st.composite
def layouts(draw, canonical=CANONICAL):
    """Draw a layout with axes permuted, dropped, added and joined, and a shape for it."""
    axes = draw(st.sampled_from(canonical))
    order = draw(st.permutations(axes))
    dropped = draw(st.sets(st.sampled_from(axes), max_size=len(axes) - 1))
    kept = [letter for letter in order if letter not in dropped]
    words, position = [], 0
    while position < len(kept):
        size = draw(st.integers(1, 3))
        group = "".join(kept[position : position + size])
        words.append(group if len(group) == 1 else f"({group})")
        position += size
    for place in draw(st.lists(st.integers(0, len(words)), max_size=2)):
        words.insert(place, "1")
    shape = tuple(1 if letter in dropped else draw(st.integers(1, 4)) for letter in axes)
    return Layout(axes, "".join(words)), shape


@given(layouts())
def test_there_and_back_is_the_identity(drawn):
    layout, shape = drawn
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    theirs = layout.to_theirs(array)
    assert theirs.ndim == len(layout.groups)
    np.testing.assert_array_equal(layout.to_ours(theirs, shape), array)


@given(layouts(), st.data())
def test_an_entry_lies_where_its_letters_say(drawn, data):
    layout, shape = drawn
    index = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    array = np.zeros(shape)
    array[index] = 1.0
    at, sizes = dict(zip(layout.canonical, index, strict=True)), dict(zip(layout.canonical, shape, strict=True))
    due = []
    for group in layout.groups:
        position = 0
        for letter in group:
            position = position * sizes[letter] + at[letter]
        due.append(position)
    assert layout.to_theirs(array)[tuple(due)] == 1.0


def cube(faulty_at=None):
    """Return ``x³`` in whatever layout, its gradient wrong at one index there."""

    def vjp(primals):
        x = primals["x"]

        def pullback(cotangent):
            gradient = 3 * x**2 * cotangent
            if faulty_at is not None:
                gradient[faulty_at] *= 1.5
            return {"x": gradient}

        return x**3, pullback

    return lambda theirs: gradcheck.Subject("cube", theirs, vjp)


@given(layouts(("NF", "NCL", "NCHW")), st.data())
def test_a_wrong_entry_is_found_at_the_canonical_index(drawn, data):
    layout, shape = drawn
    if any(len(group) > 1 for group in layout.groups):
        word = "".join(group or "1" for group in layout.groups)
    else:
        word = layout.word
    layout = Layout(layout.canonical, word)
    index = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    marked = np.zeros(shape)
    marked[index] = 1.0
    (there,) = np.argwhere(layout.to_theirs(marked))
    x = np.random.default_rng(0).uniform(0.5, 2.0, shape)
    words = {"x": f"{layout.canonical}->{word}", "y": f"{layout.canonical}->{word}"}
    assert gradcheck.check(in_layout({"x": x}, words, cube())).passed
    report = gradcheck.check(in_layout({"x": x}, words, cube(tuple(there))), contracts=False)
    (failure,) = report.failures
    assert (failure.primal, failure.index) == ("x", index)


def nhwc(primals):
    """A 1×1 convolution in NHWC, with a weight HWIO and a bias (1, 1, 1, F)."""
    x, weight, bias = primals["x"], primals["weight"], primals["bias"]

    def pullback(g):
        flat = x.reshape(-1, x.shape[3]).T @ g.reshape(-1, g.shape[3])
        return {"x": g @ weight[0, 0].T, "weight": flat[None, None], "bias": g.sum((0, 1, 2), keepdims=True)}

    return x @ weight[0, 0] + bias, pullback


WORDS = {"x": "NHWC", "weight": "HWIO", "bias": "111F", "y": "NHWC"}


def image_primals(rng):
    return {"x": rng.normal(size=(3, 2, 4, 5)), "weight": rng.normal(size=(6, 2, 1, 1)), "bias": rng.normal(size=6)}


def test_a_layer_in_nhwc_is_right_in_nchw(rng):
    primals = image_primals(rng)
    subject = in_layout(primals, WORDS, lambda theirs: gradcheck.Subject("conv", theirs, nhwc))
    assert gradcheck.check(subject).passed
    due = np.einsum("nchw,oc->nohw", primals["x"], primals["weight"][..., 0, 0]) + primals["bias"][:, None, None]
    np.testing.assert_allclose(subject.vjp(subject.primals)[0], due)


def test_c_order_here_is_c_order_there(rng):
    seen = []

    def look(primals):
        seen.extend(array.flags.c_contiguous for array in primals.values())
        return nhwc(primals)

    subject = in_layout(image_primals(rng), WORDS, lambda theirs: gradcheck.Subject("conv", theirs, look))
    subject.vjp(subject.primals)
    assert seen == [True, True, True]


def test_what_a_layer_writes_into_its_arguments_is_seen(rng):
    def writes(primals):
        outputs, pullback = nhwc(primals)

        def spoil(g):
            gradients = pullback(g)
            g *= 0.0
            return gradients

        return outputs, spoil

    subject = in_layout(image_primals(rng), WORDS, lambda theirs: gradcheck.Subject("conv", theirs, writes))
    assert "mutation" in {failure.check for failure in gradcheck.check(subject).failures}


def test_a_gradient_of_another_shape_is_the_layers_fault(rng):
    def unsummed(primals):
        outputs, pullback = nhwc(primals)
        return outputs, lambda g: {**pullback(g), "bias": g.sum((1, 2), keepdims=True)}

    subject = in_layout(image_primals(rng), WORDS, lambda theirs: gradcheck.Subject("conv", theirs, unsummed))
    assert [failure.check for failure in gradcheck.check(subject).failures] == ["shape"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"x": "HWC"}, "layout 'HWC' has no axis N, so that its size must be 1; got N=3 in the shape (3, 2, 4, 5)"),
        ({"x": "NHWX"}, "expected a layout of 'x' with the axes of NCHW, got layouts={'x': 'NHWX'}"),
        ({"x": "NHHWC"}, "expected the axes of NCHW in some order, each once"),
        ({"wieght": "HWIO"}, "got one of 'wieght'; did you mean 'weight'?"),
        ({"x": "channels last"}, "expected a layout of letters for axes, such as 'NHWC', '1F' or 'O(IHW)'"),
    ],
)
def test_misuse_is_told_in_a_sentence(words, sentence, rng):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        in_layout(image_primals(rng), words, cube())


def test_an_output_of_another_rank_is_told(rng):
    subject = in_layout({"x": rng.normal(size=(3, 2))}, {"y": "NHWC"}, cube())
    with pytest.raises(ValueError, match="expected 4 axes of 'y', as in layout 'NHWC', got shape="):
        subject.vjp(subject.primals)
