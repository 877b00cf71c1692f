"""Losses: known answers, loops by the definition, what is ignored, the ends of the number range, refusals."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gradcheck.kinds import KINDS
from reference_layers import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Huber,
    MeanSquaredError,
    ShapeError,
    SoftmaxCrossEntropy,
)

REDUCTIONS = ("mean", "sum", "none")
reductions = st.sampled_from(REDUCTIONS)


def reduced(losses, reduction, total=None):
    """Return a list of losses as the layer should."""
    if reduction == "none":
        return np.array(losses)
    total = len(losses) if total is None else total
    return np.array(sum(losses) if reduction == "sum" else sum(losses) / total if total else 0.0)


def differences(layer, x, targets, g, step=1e-6):
    """Return the gradient of ``Σ g · loss`` by central differences, entry by entry."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        upper, lower = x.copy(), x.copy()
        upper[index] += step
        lower[index] -= step
        moved = [(g * layer.forward({}, v, targets)[0]).sum() for v in (upper, lower)]
        gradient[index] = (moved[0] - moved[1]) / (2 * step)
    return gradient


# Softmax with cross-entropy, in full.


def cross_entropy_by_loops(config, z):
    """Return the loss and, for an upstream gradient of ones, its gradient, with one term at a time."""
    weights = config.class_weights or (1.0,) * config.classes
    even = config.label_smoothing / config.classes
    losses, gradient, total = [], np.zeros(z.shape), 0.0
    for n, target in enumerate(config.targets):
        losses.append(0.0)
        if target == config.ignore_index:
            continue
        total += weights[target]
        exponentials = [math.exp(float(v)) for v in z[n]]
        shares = [value / sum(exponentials) for value in exponentials]
        for c in range(config.classes):
            wanted = weights[c] * (even + (1 - config.label_smoothing) * (c == target))
            losses[n] -= wanted * math.log(shares[c])
            for i in range(config.classes):
                gradient[n, i] += wanted * (shares[i] - (i == c))
    scale = 1.0 if config.reduction != "mean" else 1 / total if total else 0.0
    return reduced(losses, config.reduction, total), gradient * scale


@settings(max_examples=100)
@given(st.one_of(st.sampled_from(KINDS["softmax_cross_entropy"].corners), KINDS["softmax_cross_entropy"].configs()))
def test_softmax_cross_entropy_with_all_its_options_is_its_definition(config):
    z = np.random.default_rng(1).standard_normal((len(config.targets), config.classes))
    loss, cache = config.layer.forward({}, z, np.array(config.targets))
    due, gradient = cross_entropy_by_loops(config, z)
    assert loss == pytest.approx(due, rel=1e-13, abs=1e-14)
    assert config.layer.backward({}, cache, np.ones_like(loss))[0] == pytest.approx(gradient, abs=1e-13)


def test_the_weighted_mean_divides_by_the_weights_of_the_targets():
    """By hand: both classes have probability ½, and ln 2 is the loss of each sample however many weights there are."""
    layer = SoftmaxCrossEntropy("mean", (1.0, 3.0))
    loss, cache = layer.forward({}, np.zeros((3, 2)), np.array([0, 1, 1]))
    assert loss == pytest.approx(math.log(2))
    assert layer.backward({}, cache)[0] == pytest.approx(np.array([[-1, 1], [3, -3], [3, -3]]) / 14)
    assert SoftmaxCrossEntropy("sum", (1.0, 3.0)).forward({}, np.zeros((3, 2)), np.array([0, 1, 1]))[
        0
    ] == pytest.approx(7 * math.log(2))


def test_smoothing_by_hand():
    """The target ½ becomes ¾ and ¼: the loss of the logits ln 3 and 0, with probabilities ¾ and ¼, is their entropy."""
    layer = SoftmaxCrossEntropy(label_smoothing=0.5)
    loss, cache = layer.forward({}, np.array([[math.log(3), 0.0]]), np.array([0]))
    assert loss == pytest.approx(math.log(4) - 0.75 * math.log(3))
    assert layer.backward({}, cache)[0] == pytest.approx(np.zeros((1, 2)), abs=1e-16)


@pytest.mark.parametrize("options", [{}, {"class_weights": (0.5, 2.0, 1.0)}, {"label_smoothing": 0.2}])
@pytest.mark.parametrize("ignore_index", [-100, -1, 1, 7])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ignored_samples_are_as_if_they_were_not_there(reduction, ignore_index, options, rng):
    targets = np.array([0, ignore_index, 2, ignore_index, 0])
    z, kept = rng.standard_normal((5, 3)), [0, 2, 4]
    layer = SoftmaxCrossEntropy(reduction, ignore_index=ignore_index, **options)
    loss, cache = layer.forward({}, z, targets)
    fewer, fewer_cache = layer.forward({}, z[kept], targets[kept])
    gradient = layer.backward({}, cache, np.ones_like(loss))[0]
    assert (loss[kept] if reduction == "none" else loss) == pytest.approx(fewer)
    assert gradient[kept] == pytest.approx(layer.backward({}, fewer_cache, np.ones_like(fewer))[0])
    assert not gradient[[1, 3]].any()
    assert reduction != "none" or not loss[[1, 3]].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("weights", "targets"), [(None, [-1, -1]), ((0.0, 1.0, 2.0), [0, 0])])
def test_the_mean_over_nothing_is_zero(weights, targets, reduction, smoothing, rng):
    layer = SoftmaxCrossEntropy(reduction, weights, -1, smoothing)
    loss, cache = layer.forward({}, rng.standard_normal((2, 3)), np.array(targets))
    gradient = layer.backward({}, cache, np.ones_like(loss))[0]
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()
    if reduction == "mean" or not smoothing or weights is None:
        assert not loss.any()
        assert not gradient.any()


def test_masked_classes_stay_finite():
    layer = SoftmaxCrossEntropy("none")
    loss, cache = layer.forward({}, np.array([[0.0, -np.inf, 0.0]]), np.array([2]))
    assert loss == pytest.approx([math.log(2)])
    assert layer.backward({}, cache, np.ones(1))[0].tolist() == [[0.5, 0.0, -0.5]]


def test_options_keep_the_dtype_and_do_not_overflow(rng):
    layer = SoftmaxCrossEntropy("mean", (0.5, 2.0), -1, 0.1)
    for dtype in (np.float32, np.float16):
        z = np.array([[1000.0, -1000.0], [3.0, 2.0], [0.0, 1.0]], dtype)
        loss, cache = layer.forward({}, z, np.array([0, 1, -1], np.int8))
        assert loss.dtype == layer.backward({}, cache)[0].dtype == dtype
        assert np.isfinite(layer.backward({}, cache)[0]).all()
    many = np.zeros((70_000, 2), np.float16)  # their number is beyond float16, and so is the sum of the losses
    loss, cache = SoftmaxCrossEntropy().forward({}, many, np.zeros(70_000, int))
    assert loss == pytest.approx(math.log(2), rel=1e-3)
    assert SoftmaxCrossEntropy().backward({}, cache)[0][0, 1] > 0


# Cross-entropy of probabilities.


@given(st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=4), reductions)
def test_cross_entropy_is_its_definition(classes, targets, reduction):
    targets = np.minimum(targets, classes - 1)
    p = np.random.default_rng(1).uniform(0.1, 1.0, (len(targets), classes))
    layer = CrossEntropy(reduction)
    loss, cache = layer.forward({}, p, targets)
    assert loss == pytest.approx(reduced([-math.log(p[n, t]) for n, t in enumerate(targets)], reduction))
    g = np.asarray(np.random.default_rng(2).standard_normal(loss.shape))
    gradient = np.zeros(p.shape)
    for n, t in enumerate(targets):
        gradient[n, t] = -(g[n] if reduction == "none" else g / (len(targets) if reduction == "mean" else 1)) / p[n, t]
    assert layer.backward({}, cache, g)[0] == pytest.approx(gradient)


def test_cross_entropy_behind_a_softmax_is_the_joint_layer(rng):
    from reference_layers import Softmax

    z, targets = rng.standard_normal((3, 4)), np.array([0, 3, 1])
    p, softmax_cache = Softmax().forward({}, z)
    loss, cache = CrossEntropy().forward({}, p, targets)
    due, due_cache = SoftmaxCrossEntropy().forward({}, z, targets)
    assert loss == pytest.approx(due)
    gradient = Softmax().backward({}, softmax_cache, CrossEntropy().backward({}, cache)[0])[0]
    assert gradient == pytest.approx(SoftmaxCrossEntropy().backward({}, due_cache)[0])


# Losses of single entries.

ELEMENTWISE = [MeanSquaredError, BinaryCrossEntropyWithLogits, Huber]


def entry_loss(layer, v, t):
    """Return the loss of one entry and its derivative, by the textbook formula."""
    match layer:
        case MeanSquaredError():
            return (v - t) ** 2, 2 * (v - t)
        case BinaryCrossEntropyWithLogits():
            share = 1 / (1 + math.exp(-v))
            return -t * math.log(share) - (1 - t) * math.log(1 - share), share - t
        case Huber(_, delta):
            e = v - t
            inside = abs(e) <= delta
            return (e * e / 2, e) if inside else (delta * (abs(e) - delta / 2), math.copysign(delta, e))


@pytest.mark.parametrize("kind", ELEMENTWISE)
@given(
    x=arrays(np.float64, array_shapes(min_dims=0, max_dims=3, max_side=3), elements=st.floats(-3, 3, width=16)),
    reduction=reductions,
    delta=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_losses_of_entries_are_their_definition(kind, x, reduction, delta):
    layer = kind(reduction, delta) if kind is Huber else kind(reduction)
    targets = np.asarray(np.random.default_rng(1).choice([0.0, 0.25, 1.0], x.shape))
    loss, cache = layer.forward({}, x, targets)
    pairs = [entry_loss(layer, float(v), float(t)) for v, t in zip(x.ravel(), targets.ravel(), strict=True)]
    due = reduced([value for value, _ in pairs], reduction)
    assert loss == pytest.approx(due.reshape(loss.shape), rel=1e-12, abs=1e-13)
    g = np.asarray(np.random.default_rng(2).standard_normal(loss.shape))
    slope = np.array([slope for _, slope in pairs]).reshape(x.shape)
    scale = 1 / x.size if reduction == "mean" else 1.0
    assert layer.backward({}, cache, g)[0] == pytest.approx(scale * g * slope, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(
    "layer", [MeanSquaredError(), BinaryCrossEntropyWithLogits("sum"), Huber("none", 0.3)], ids=str
)
def test_gradients_are_central_differences(layer, rng):
    x, targets = rng.standard_normal((3, 4)), rng.uniform(0, 1, (3, 4))
    loss, cache = layer.forward({}, x, targets)
    g = np.asarray(rng.standard_normal(loss.shape))
    assert layer.backward({}, cache, g)[0] == pytest.approx(differences(layer, x, targets, g), abs=1e-8)


def test_the_mean_squared_error_divides_by_all_entries():
    layer = MeanSquaredError()
    loss, cache = layer.forward({}, np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2)))
    assert (loss, layer.backward({}, cache)[0].tolist()) == (7.5, [[0.5, 1.0], [1.5, 2.0]])


def test_huber_is_linear_from_delta_on():
    layer = Huber("none", 2.0)
    loss, cache = layer.forward({}, np.array([-3.0, -2.0, 1.0, 5.0]), np.zeros(4))
    assert loss.tolist() == [4.0, 2.0, 0.5, 8.0]
    assert layer.backward({}, cache, np.ones(4))[0].tolist() == [-2.0, -2.0, 1.0, 2.0]


def test_binary_cross_entropy_keeps_its_digits():
    layer = BinaryCrossEntropyWithLogits("none")
    loss, cache = layer.forward({}, np.array([40.0, -40.0, 1e4, -1e4]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert loss == pytest.approx([math.exp(-40), math.exp(-40), 1e4, 1e4], rel=1e-14)
    assert layer.backward({}, cache, np.ones(4))[0] == pytest.approx([0.0, math.exp(-40), 1.0, -1.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_losses_of_entries_keep_the_dtype_of_x(kind, reduction, dtype, rng):
    layer = kind(reduction)
    loss, cache = layer.forward({}, rng.standard_normal((3, 2)).astype(dtype), rng.integers(0, 2, (3, 2)))
    gradient = layer.backward({}, cache, np.ones_like(loss))[0]
    assert (loss.dtype, gradient.dtype) == (dtype, dtype)
    assert all(type(array) is np.ndarray for array in (loss, gradient))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", [*ELEMENTWISE, CrossEntropy])
def test_an_empty_batch_costs_nothing(kind, reduction):
    layer, integers = kind(reduction), kind is CrossEntropy
    loss, cache = layer.forward({}, np.zeros((0, 3)), np.zeros(0, int) if integers else np.zeros((0, 3)))
    assert loss.sum() == 0
    assert loss.shape == (() if reduction != "none" else (0,) if integers else (0, 3))
    assert layer.backward({}, cache, np.ones_like(loss))[0].shape == (0, 3)


@pytest.mark.parametrize("kind", [*ELEMENTWISE, SoftmaxCrossEntropy, CrossEntropy])
def test_targets_may_change_after_the_forward(kind):
    targets = np.array([1, 0]) if kind in (SoftmaxCrossEntropy, CrossEntropy) else np.array([[0.0, 1.0], [1.0, 0.0]])
    layer, x = kind("sum"), np.array([[0.25, 0.75], [0.5, 0.5]])
    _, cache = layer.forward({}, x, targets)
    before = layer.backward({}, cache)[0]
    targets[...], x[...] = 0, 1.0
    assert np.array_equal(layer.backward({}, cache)[0], before)


# Refusals.


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: SoftmaxCrossEntropy(class_weights=3.0), "a tuple of numbers or None, got class_weights=3.0"),
        (lambda: SoftmaxCrossEntropy(class_weights=()), "class_weights=()"),
        (lambda: SoftmaxCrossEntropy(class_weights=(1.0, -1.0)), "a number from 0, got class_weights[1]=-1.0"),
        (lambda: SoftmaxCrossEntropy(class_weights=(math.inf,)), "class_weights[0]=inf"),
        (
            lambda: SoftmaxCrossEntropy(ignore_index=1.0),
            "expected ignore_index to be an int or None, got ignore_index=1.0",
        ),
        (lambda: SoftmaxCrossEntropy(label_smoothing=1.5), "from 0 to 1, got label_smoothing=1.5"),
        (lambda: SoftmaxCrossEntropy(label_smoothing=-0.1), "label_smoothing=-0.1"),
        (lambda: Huber(delta=0.0), "expected delta to be above 0, got delta=0.0"),
        (lambda: Huber(delta=math.nan), "expected delta to be a finite number, got delta=nan"),
        (lambda: MeanSquaredError("average"), "mean, sum, none, got reduction='average'"),
        (lambda: CrossEntropy(None), "reduction=None"),
    ],
)
def test_impossible_hyper_parameters_are_refused(build, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        build()


def test_targets_neither_class_nor_ignored_are_refused():
    with pytest.raises(
        ValueError, match=re.escape("expected targets from 0 to 2 or ignore_index=-1, got targets[1]=-2")
    ):
        SoftmaxCrossEntropy(ignore_index=-1).forward({}, np.zeros((2, 3)), np.array([-1, -2]))


def test_weights_of_other_classes_are_refused():
    with pytest.raises(
        ShapeError, match=re.escape("expected logits of 2 classes, as many as class_weights, got shape=(1, 3)")
    ):
        SoftmaxCrossEntropy(class_weights=(1.0, 2.0)).forward({}, np.zeros((1, 3)), np.array([0]))


@pytest.mark.parametrize("p", [0.0, -0.1, math.nan])
def test_impossible_probabilities_are_refused(p):
    with pytest.raises(ValueError, match=re.escape(f"a probability above 0, got probabilities[1, 0]={p:g}")):
        CrossEntropy().forward({}, np.array([[0.5, 0.5], [p, 0.5]]), np.array([0, 0]))


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_targets_are_not_broadcast(kind):
    with pytest.raises(ShapeError, match=re.escape("expected targets of shape (3, 1), got shape=(3,)")):
        kind().forward({}, np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize("wrong", [-0.5, 1.5, math.nan])
def test_targets_that_are_no_probabilities_are_refused(wrong):
    with pytest.raises(ValueError, match=re.escape(f"expected targets from 0 to 1, got {wrong:g} at index (1,)")):
        BinaryCrossEntropyWithLogits().forward({}, np.zeros(2), np.array([0.0, wrong]))


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_gradients_of_another_shape_are_refused(kind):
    for reduction, wrong in (("mean", (1,)), ("none", ()), ("none", (2, 3))):
        _, cache = kind(reduction).forward({}, np.zeros((3, 2)), np.zeros((3, 2)))
        with pytest.raises(ShapeError, match=re.escape(f"got shape={wrong}")):
            kind(reduction).backward({}, cache, np.ones(wrong))
