"""Subjects without a kind: mistakes of which the right explanation is known."""

import numpy as np
import pytest
from support.plain_layers import SHAPES, affine, attention, conv, cross_entropy, layer_norm, lstm_cell, plain_subject
from support.windows import Windows, average_pool, convolution

import gradcheck
from gradcheck.diagnosis.explanations import diagnose
from gradcheck.runs.further_cases import subject_draws
from gradcheck.subject import Trait


def spoiled(layer, primal, change):
    """Return a layer of which one gradient is ``change(primals, gradients, cotangent)``."""

    def vjp(primals):
        outputs, pullback = layer(primals)

        def mistaken(cotangent):
            right = pullback(cotangent)
            return {**right, primal: change(primals, right, cotangent)}

        return outputs, mistaken

    return vjp


def told(subject):
    """Return slug and sentence of the causes of the failures of a subject, by primal."""
    causes = diagnose(subject_draws(subject, 0)).causes
    return {primal: cause.slug for primal, cause in causes.items()}, " ".join(c.sentence for c in causes.values())


def causes(subject):
    """Return the causes alone."""
    return told(subject)[0]


#: Layer, primal, what its gradient becomes, the cause, and a part of what is told.
KNOWN = {
    "half": (affine, "w", lambda p, d, g: d["w"] / 2, "scale:1/2", "half"),
    "no mean": (cross_entropy, "x", lambda p, d, g: 7 * d["x"], "scale:N", "a factor of 7 here"),
    "mean over the batch": (affine, "w", lambda p, d, g: d["w"] / 5, "scale:1/N", "the number N of samples"),
    "unbiased": (affine, "w", lambda p, d, g: d["w"] * 5 / 4, "scale:N/(N − 1)", "N/(N − 1)"),
    "no root of the size": (attention, "q", lambda p, d, g: d["q"] * 3**0.5, "scale:√q.shape[1]", "1.732"),
    "a number without a name": (affine, "w", lambda p, d, g: 0.7 * d["w"], "scale:0.7", "0.7 times the right one"),
    "weight decay": (affine, "w", lambda p, d, g: d["w"] + 0.1 * p["w"], "adds-w", "0.1 times `w`"),
    "passed on": (layer_norm, "x", lambda p, d, g: g, "is-upstream-gradient", "is the upstream gradient, whatever"),
    "a parameter": (affine, "w", lambda p, d, g: 2 * p["w"], "is-w", "the gradient is 2 times `w`"),
    "clipped": (affine, "w", lambda p, d, g: np.clip(d["w"], -1, 1), "clipped", "at ±1"),
    "divided by its norm": (affine, "w", lambda p, d, g: d["w"] / np.linalg.norm(d["w"]), "normalised", "norm"),
    "without sign": (affine, "w", lambda p, d, g: np.abs(d["w"]), "without-sign", "sign"),
    "updated": (affine, "x", lambda p, d, g: g @ (p["w"] - 0.05 * d["w"]).T, "w-already-updated", "a rate of 0.05"),
    "not summed": (affine, "b", lambda p, d, g: g, "not-summed", "first axis"),
    "a shape with an axis more": (affine, "b", lambda p, d, g: d["b"][None], "wrong-shape", "shape (1, 4)"),
    "two rows": (affine, "b", lambda p, d, g: g[:2].sum(0), "half-batch", "first half"),
    "no first row": (affine, "b", lambda p, d, g: g[1:].sum(0), "sample-left-out", "first row"),
    "last place alone": (conv, "b", lambda p, d, g: g[..., -1].sum((0, 2)), "upstream-axis-3:last-alone", "axis 3"),
    "odd rows alone": (affine, "b", lambda p, d, g: g[1::2].sum(0), "upstream-axis-0:odd-alone", "second of every two"),
    "no upstream": (affine, "b", lambda p, d, g: np.full(4, 5.0), "upstream-ignored", "ones"),
    "flipped": (affine, "w", lambda p, d, g: d["w"][::-1], "flipped-first", "first axis"),
    "flipped twice": (affine, "w", lambda p, d, g: d["w"][::-1, ::-1], "flipped:0,1", "axes 0, 1"),
    "moved back": (affine, "w", lambda p, d, g: np.roll(d["w"], -1, 1), "rolled:1:-1", "-1"),
    "unrolled in another order": (conv, "w", lambda p, d, g: conv(p)[1](g.transpose(1, 0, 2, 3).reshape(g.shape))["w"],
                                  "upstream-reordered:1,0,2,3", "from its axes in the order (1, 0, 2, 3)"),
    "upstream backwards": (conv, "x", lambda p, d, g: conv(p)[1](g[..., ::-1])["x"],
                           "upstream-flipped:3", "the upstream gradient is flipped along axis 3"),
    "axes in a circle": (layer_norm, "x", lambda p, d, g: d["x"].transpose(2, 0, 1), "transposed:2,0,1", "(2, 0, 1)"),
    "first zero": (affine, "w", lambda p, d, g: d["w"] * [0, 1, 1, 1], "gradient-axis-1:first-missing", "zero"),
    "times the input": (affine, "x", lambda p, d, g: d["x"] * p["x"], "times-x", "multiplied by `x`"),
    "times a parameter": (layer_norm, "x", lambda p, d, g: d["x"] * p["beta"], "times-beta", "multiplied by `beta`"),
    "a factor that lacks": (layer_norm, "gamma", lambda p, d, g: d["gamma"] / p["beta"], "over-beta", "as a factor"),
    "ones for a parameter": (layer_norm, "x", lambda p, d, g: layer_norm({**p, "gamma": np.ones(5)})[1](g)["x"],
                             "gamma-as-ones", "`gamma` is taken as ones"),
    "cells for states": (lstm_cell, "w", lambda p, d, g: lstm_cell({**p, "c": p["h"]})[1](g)["w"],
                         "h-for-c", "`h` is used where `c`"),
    "one output": (lstm_cell, "h", lambda p, d, g: lstm_cell(p)[1]((g[0], 0 * g[1]))["h"],
                   "output-1-left-out", "output 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mutant_is_named(name, dtype):
    layer, primal, change, slug, words = KNOWN[name]
    subject = plain_subject(spoiled(layer, primal, change), SHAPES[layer])
    subject = subject.with_primals({key: array.astype(dtype) for key, array in subject.primals.items()})
    named, sentence = told(subject)
    assert named == {primal: slug}
    assert words in sentence


def test_gradients_of_equal_shape_that_are_exchanged_are_named_for_both():
    def swapped(primals):
        outputs, pullback = lstm_cell(primals)
        return outputs, lambda g: {**(d := pullback(g)), "h": d["c"], "c": d["h"]}

    assert causes(plain_subject(swapped, SHAPES[lstm_cell])) == {"h": "exchanged", "c": "exchanged"}


def test_sizes_that_are_equal_are_told_to_look_the_same():
    subject = plain_subject(spoiled(affine, "w", lambda p, d, g: 4 * d["w"]), {"x": (4, 3), "w": (3, 4), "b": (4,)})
    sentence = told(subject)[1]
    assert "N times" in sentence
    assert "scale:features looks the same here" in sentence


@pytest.mark.parametrize("name", ["flipped", "no first row", "two rows", "not summed", "moved back"])
def test_what_is_the_same_by_another_name_does_not_look_the_same(name):
    layer, primal, change, _, _ = KNOWN[name]
    assert "looks the same" not in told(plain_subject(spoiled(layer, primal, change), SHAPES[layer]))[1]


def test_the_cause_leads_the_report():
    subject = plain_subject(spoiled(affine, "w", lambda p, d, g: d["w"] / 5), SHAPES[affine])
    failure = gradcheck.check(subject).failures[0]
    assert (failure.primal, failure.cause) == ("w", "scale:1/N")
    assert failure.explanation.startswith("the gradient is divided by the number N of samples")


IMAGE = Windows(stride=(2, 3), dilation=(2, 1), padding=((1, 1), (0, 0)))
SQUARE = Windows(stride=(2, 3), dilation=(1, 1), padding=((1, 1), (0, 0)))
LINE = Windows(stride=(2,), dilation=(3,), padding=((2, 1),))
FIELD = Windows(stride=(2, 1), dilation=(1, 1), padding=((0, 0), (1, 1)))


def image(**other):
    return convolution((1, 2, 8, 9), (2, 3), IMAGE, channels=2, **other)


def square(**other):
    return convolution((1, 1, 8, 9), (3, 3), SQUARE, channels=2, **other)


def line(**other):
    return convolution((2, 2, 11), (3,), LINE, **other)


def pool(**other):
    return average_pool((1, 2, 8, 7), (2, 3), FIELD, **other)


#: Layers whose backward pass uses other windows, with the cause and a part of what is told.
READ_OFF = {
    "strides swapped": (image, {"used": IMAGE.but(stride=(3, 2))},
                        "other-stride", "stride (3, 2) where the forward has (2, 3)"),
    "stride one": (image, {"used": IMAGE.but(stride=(1, 1))}, "other-stride", "stride (1, 1)"),
    "dilations swapped": (image, {"used": IMAGE.but(dilation=(1, 2))},
                          "other-dilation", "dilation (1, 2) where the forward has (2, 1)"),
    "stride for dilation": (image, {"used": IMAGE.but(stride=(2, 1), dilation=(2, 3))},
                            "other-stride+other-dilation", "stride (2, 1) where the forward has (2, 3) and dilation"),
    "paddings swapped": (image, {"used": IMAGE.but(padding=((0, 0), (1, 1)))},
                         "other-padding", "padding (0, 1) where the forward has (1, 0)"),
    "kernel rotated": (image, {"turn": lambda w: w[:, :, ::-1, ::-1]}, "kernel-rotated", "rotated by 180°"),
    "kernel flipped": (image, {"turn": lambda w: w[:, :, ::-1]}, "kernel-flipped-0", "flipped along axis 0"),
    "kernel transposed": (square, {"turn": lambda w: w.swapaxes(2, 3)}, "kernel-transposed", "transposed"),
    "two at once": (square, {"turn": lambda w: w[:, :, ::-1, ::-1], "used": SQUARE.but(stride=(3, 2))},
                    "other-stride+kernel-rotated", "stride (3, 2) where the forward has (2, 3) and the kernel rotated"),
    "ends of a line": (line, {"used": LINE.but(padding=((1, 2),))}, "other-padding", "padding (1,)"),
    "steps of a line": (line, {"used": LINE.but(stride=(1,))}, "other-stride", "stride (1,)"),
    "line turned": (line, {"turn": lambda w: w[:, :, ::-1]}, "kernel-rotated", "rotated"),
    "pool, strides swapped": (pool, {"used": FIELD.but(stride=(1, 2))},
                              "other-stride", "stride (1, 2) where the forward has (2, 1)"),
    "pool, stride of the kernel": (pool, {"used": FIELD.but(stride=(2, 3))}, "other-stride", "stride (2, 3)"),
    "pool, not padded": (pool, {"used": FIELD.but(padding=((0, 0), (0, 0)))}, "other-padding", "padding (0, 0)"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ_OFF)
def test_impulses_tell_the_windows_that_were_used(name):
    make, other, slug, words = READ_OFF[name]
    named, sentence = told(make(**other))
    assert named == {"x": slug}
    assert words in sentence
    assert "looks the same" not in sentence


@pytest.mark.parametrize("make", [image, square, line, pool])
def test_right_windows_are_right(make):
    assert diagnose(subject_draws(make(), 0)).wrong == ()


def test_a_buffer_to_which_gradients_are_added_is_asked_afresh():
    held = {"w": np.zeros((3, 4)), "b": np.zeros(4)}

    def accumulating(primals):
        outputs, pullback = affine(primals)

        def mistaken(g):
            right = pullback(g)
            for name, array in held.items():
                array += 2 * right[name]
            return {"x": right["x"], **held}

        return outputs, mistaken

    subject = plain_subject(accumulating, SHAPES[affine], traits=[Trait("accumulates", ("w", "b"))])
    assert causes(subject) == {"w": "scale:2", "b": "scale:2"}


def test_a_pullback_that_belongs_to_the_last_forward_gets_one():
    kept = {}

    def forgetful(primals):
        kept.update(primals)
        return affine(primals)[0], lambda g: {**(d := affine(kept)[1](g)), "w": d["w"][:, ::-1]}

    subject = plain_subject(forgetful, SHAPES[affine], traits=[Trait("last-forward-only")])
    assert causes(subject) == {"w": "flipped"}


def test_a_mask_that_is_drawn_is_the_same_in_every_forward():
    def dropped(primals):
        mask = np.random.random(primals["x"].shape) < 0.6  # noqa: NPY002 - what layers use
        return primals["x"] * mask / 0.6, lambda g: {"x": g * mask / 0.36}

    subject = plain_subject(dropped, {"x": (5, 7)}, traits=[Trait("stochastic")])
    assert causes(subject) == {"x": "scale:1.667"}


def test_kinks_hide_nothing_beside_them():
    def relu(primals):
        return np.maximum(primals["x"], 0), lambda g: {"x": -g * (primals["x"] > 0)}

    x = np.random.default_rng(0).standard_normal((5, 7))
    x[0, :3] = x[2, 2] = 0
    assert causes(gradcheck.Subject("relu", {"x": x}, relu)) == {"x": "scale:-1"}


@pytest.mark.parametrize(("power", "slug"), [(0, "over-t"), (2, "times-t")])
def test_a_constant_that_is_used_too_seldom_or_too_often_is_named(power, slug):
    t = np.random.default_rng(1).standard_normal((5, 7))
    x = np.random.default_rng(2).standard_normal((5, 7))
    subject = gradcheck.Subject(
        "masked", {"x": x}, lambda p: (p["x"] * t, lambda g: {"x": g * t**power}), constants={"t": t}
    )
    named, sentence = told(subject)
    assert named == {"x": slug}
    assert "`t`" in sentence


def test_a_softmax_without_its_sum_is_named():
    def softmax(primals):
        y = np.exp(primals["x"]) / np.exp(primals["x"]).sum(axis=1, keepdims=True)
        return y, lambda g: {"x": g * y * (1 - y)}

    named, sentence = told(plain_subject(softmax, {"x": (3, 5)}))
    assert named == {"x": "own-output-alone"}
    assert "in its own place" in sentence


@pytest.mark.parametrize(("order", "slug"), [(1, "last-contribution-alone"), (-1, "first-contribution-alone")])
@pytest.mark.parametrize("assigned", [True, False])
def test_windows_that_are_assigned_where_they_should_be_added_are_named(order, slug, assigned):
    def moving(primals):
        """Return y[n, f, i] = Σ x[n, :, i : i + 3] · w[f]."""
        x, w = primals["x"], primals["w"]
        places = range(x.shape[2] - 2)

        def pullback(g):
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for i in places[::order]:
                part = np.einsum("nf,fck->nck", g[:, :, i], w)
                dx[:, :, i : i + 3] = part if assigned else dx[:, :, i : i + 3] + part
                dw += np.einsum("nf,nck->fck", g[:, :, i], x[:, :, i : i + 3])
            return {"x": dx, "w": dw}

        return np.stack([np.einsum("nck,fck->nf", x[:, :, i : i + 3], w) for i in places], axis=2), pullback

    assert causes(plain_subject(moving, {"x": (2, 2, 7), "w": (3, 2, 3)})) == ({"x": slug} if assigned else {})


def test_rows_that_are_assigned_where_they_should_be_added_are_told():
    rows = np.array([4, 1, 0, 1, 3, 1])

    def embedding(primals):
        def pullback(g):
            table = np.zeros_like(primals["table"])
            table[rows] += g  # counts every row once
            return {"table": table}

        return primals["table"][rows], pullback

    named, sentence = told(plain_subject(embedding, {"table": (5, 3)}))
    assert named == {"table": "last-contribution-alone"}
    assert "assigned" in sentence


def times_three(change, x=None):
    """Return y = 3 x, elementwise, with what its gradient becomes."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4)) if x is None else x
    return gradcheck.Subject("times three", {"x": x}, lambda p: (3 * p["x"], lambda g: {"x": change(3 * g)}))


@pytest.mark.parametrize("change", [np.sum, np.ravel, lambda d: d[:0], lambda d: d[0], lambda d: np.stack([d, d])])
def test_a_gradient_of_any_shape_is_answered(change):
    found = diagnose(subject_draws(times_three(change), 0))
    assert found.wrong == ("x",)
    assert {cause.slug for cause in found.causes.values()} <= {"wrong-shape"}


def relu(change):
    """Return max(0, x), with what becomes of the upstream gradient."""
    x = np.random.default_rng(0).standard_normal((4, 5))
    return gradcheck.Subject("relu", {"x": x}, lambda p: (np.maximum(p["x"], 0), lambda g: {"x": change(g, p["x"])}))


def test_a_mask_that_is_forgotten_is_named_and_its_entries_are_counted():
    (failure,) = gradcheck.check(relu(lambda g, x: g.copy())).failures
    dead = np.count_nonzero(relu(None).primals["x"] < 0)
    assert (failure.cause, failure.wrong_entries, failure.entries) == ("is-upstream-gradient", dead, 20)
    assert failure.numeric == 0
    assert "no single entry" not in failure.explanation


def test_an_array_is_no_explanation_where_a_factor_is_one():
    named, sentence = told(times_three(lambda d: d / 3))
    assert named == {"x": "scale:1/channels"}
    assert "looks the same" not in sentence


def test_a_factor_is_told_before_a_term():
    named, sentence = told(times_three(lambda d: 0.7 * d))
    assert named == {"x": "scale:0.7"}
    assert "adds-upstream-gradient looks the same here" in sentence


def test_a_gradient_that_is_nowhere_finite_is_not_explained_by_a_division():
    found = diagnose(subject_draws(times_three(lambda d: d * np.nan, np.zeros((2, 3))), 0))
    assert found.causes == {}
    assert "not finite" in found.descriptions["x"]


def test_a_gradient_that_is_not_finite_where_it_was_divided_is_explained():
    x = np.array([[0.0, 1.0, 2.0], [3.0, -4.0, 0.0]])

    def product(primals):
        x, y = primals["x"], primals["x"] * 3
        return y, lambda g: {"x": 3 * g / x * x / x * x / x}

    assert causes(gradcheck.Subject("divided", {"x": x}, product)) == {"x": "over-x"}


def leaky(x):
    return np.where(x > 0, x, x / 10)


def in_domain(x):
    if (x <= 0).any():
        raise ValueError("expected positive values")
    return np.log(x)


#: Faults that depend on the sign or the size of the input: forward, gradient, and the causes that are true of them.
BY_SIGN = {
    "a leaky ReLU without its slope": (leaky, lambda x, g: g * (x > 0), ()),
    "a leaky ReLU without its mask": (leaky, lambda x, g: g, ("is-upstream-gradient",)),
    "a magnitude with the slope of a ReLU": (np.abs, lambda x, g: g * (x > 0), ()),
    "an ELU without its negative part": (lambda x: np.where(x > 0, x, np.expm1(x)), lambda x, g: g * (x > 0), ()),
    "a clip that forgets its lower end": (lambda x: np.clip(x, -0.5, 0.5), lambda x, g: g * (x < 0.5), ()),
    "a tanh that is flat too early": (np.tanh, lambda x, g: g * (1 - np.tanh(x) ** 2) * (np.abs(x) < 1), ()),
    "a logarithm that is flat above one": (in_domain, lambda x, g: g / x * (x < 1), ()),
    "a root that is flat near zero": (np.sqrt, lambda x, g: g / 2 / np.sqrt(x) * (x > 0.5), ()),
}


@pytest.mark.parametrize("name", BY_SIGN)
def test_a_fault_that_depends_on_signs_or_sizes_is_not_taken_for_one_of_rows_or_of_zeros(name):
    forward, backward, true_causes = BY_SIGN[name]
    for seed in range(12):
        x = np.random.default_rng(seed).standard_normal([(3,), (4,), (2, 3)][seed % 3])
        if forward in (in_domain, np.sqrt):
            x = np.abs(x) + 0.05

        def layer(primals):
            return forward(primals["x"]), lambda g: {"x": backward(primals["x"], g)}

        found = diagnose(subject_draws(gradcheck.Subject("by sign", {"x": x}, layer), seed))
        assert {cause.slug for cause in found.causes.values()} <= set(true_causes)


def test_a_cause_is_named_in_a_domain_of_positive_values():
    def layer(primals):
        x = primals["x"]
        return in_domain(x), lambda g: {"x": 2 * g / x}

    x = np.random.default_rng(0).uniform(0.5, 2, (3, 4))
    assert causes(gradcheck.Subject("logarithm", {"x": x}, layer)) == {"x": "scale:2"}


def test_no_cause_is_named_where_there_are_no_further_points():
    place = np.array([[0.5, 1.5, 2.0]])

    def layer(primals):
        if (primals["x"] != place).any():
            raise ValueError("expected one place")
        return primals["x"] * 1.0, lambda g: {"x": 2 * g}

    assert causes(gradcheck.Subject("one place", {"x": place}, layer)) == {}
