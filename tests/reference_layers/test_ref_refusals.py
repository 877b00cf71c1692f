"""What the layers refuse, and that the message names the value."""

import re

import numpy as np
import pytest

from reference_layers import (
    Affine,
    AvgPool2d,
    Conv2d,
    FiveLayerCNN,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    ShapeError,
    SoftmaxCrossEntropy,
    load_digits,
)
from reference_layers.windows import normal_padding, output_size

HYPER_PARAMETERS = [
    (lambda: Conv2d(3, 4, 3, groups=2), "groups=2 and in_channels=3; the divisors of 1 divide both"),
    (lambda: Conv2d(4, 3, 3, groups=2), "groups=2 and out_channels=3"),
    (lambda: Conv2d(4, 4, 3, groups=0), "groups=0"),
    (lambda: Conv2d(0, 4, 3), "in_channels=0"),
    (lambda: Conv2d(4, -1, 3), "out_channels=-1"),
    (lambda: Conv2d(1, 2.0, 3), "out_channels=2.0"),
    (lambda: Conv2d(True, 2, 3), "in_channels=True"),
    (lambda: Conv2d(1, 1, 1, bias="no"), "expected bias to be True or False, got bias='no'"),
    (lambda: Affine(1, 1, bias=None), "bias=None"),
    (lambda: Conv2d(1, 1, 0), "kernel_size=0"),
    (lambda: Conv2d(1, 1, (3, 0)), "kernel_size=(3, 0)"),
    (lambda: Conv2d(1, 1, (3, 3, 3)), "kernel_size=(3, 3, 3)"),
    (lambda: Conv2d(1, 1, 2.5), "kernel_size=2.5"),
    (lambda: Conv2d(1, 1, 3, stride=0), "stride=0"),
    (lambda: Conv2d(1, 1, 3, stride=(1, -2)), "stride=(1, -2)"),
    (lambda: Conv2d(1, 1, 3, dilation=0), "dilation=0"),
    (lambda: Conv2d(1, 1, 3, padding=-1), "padding=-1"),
    (lambda: Conv2d(1, 1, 3, padding=(0, -1)), "padding=(0, -1)"),
    (lambda: Conv2d(1, 1, 3, padding=(0, 0, 1, -2)), "padding to be at least 0, got padding=(0, 0, 1, -2)"),
    (lambda: Conv2d(1, 1, 3, padding=(1, 2, 3)), "four ints (top, bottom, left, right), 'valid' or 'same', got"),
    (lambda: Conv2d(1, 1, 3, padding=(0, 0, 1, 1.5)), "padding=(0, 0, 1, 1.5)"),
    (lambda: Conv2d(1, 1, 3, padding=None), "padding=None"),
    (lambda: Conv2d(1, 1, 3, padding="full"), "padding='full'"),
    (lambda: normal_padding("SAME"), "'valid' or 'same', got padding='SAME'"),
    (lambda: MaxPool2d(2, padding=2), "padding=(2, 2, 2, 2) and kernel_size=(2, 2)"),
    (lambda: MaxPool2d((3, 2), padding=(0, 0, 0, 2)), "padding=(0, 0, 0, 2) and kernel_size=(3, 2)"),
    (lambda: AvgPool2d((2, 3), padding=(2, 0)), "padding=(2, 2, 0, 0) and kernel_size=(2, 3); up to (1, 2) works"),
    (lambda: AvgPool2d(0), "kernel_size=0"),
    (lambda: AvgPool2d(2, stride=0), "stride=0"),
    (lambda: MaxPool2d(2, padding=-1), "padding=-1"),
    (lambda: MaxPool2d(2, padding="reflect"), "padding='reflect'"),
    (lambda: Affine(0, 2), "in_features=0"),
    (lambda: Affine(2, 0), "out_features=0"),
    (lambda: Flatten(-1), "start_axis=-1"),
    (lambda: Flatten(1.5), "start_axis=1.5"),
    (lambda: Flatten(True), "start_axis=True"),
    (lambda: Flatten("1"), "start_axis='1'"),
    (lambda: ReLU("1"), "at_zero='1'"),
    (lambda: ReLU(1.5), "at_zero=1.5"),
    (lambda: ReLU(-0.25), "at_zero=-0.25"),
    (lambda: ReLU(float("nan")), "at_zero=nan"),
    (lambda: SoftmaxCrossEntropy("average"), "mean, sum, none, got reduction='average'"),
    (lambda: Sequential(()), "names=[]"),
    (lambda: Sequential((("a", ReLU()), ("b", ReLU()), ("a", Flatten()))), "names=['a', 'b', 'a']"),
    (lambda: Sequential(ReLU()), "got layers=ReLU(at_zero=0.0); `Sequential.of(*layers)` numbers"),
    (lambda: Sequential((ReLU(),)), "got layers[0]=ReLU(at_zero=0.0)"),
    (lambda: Sequential((("a", ReLU()), ("b", 3))), "got layers[1]=('b', 3)"),
    (lambda: Sequential(((1, ReLU()),)), "got layers[0]=(1, ReLU"),
    (lambda: Sequential((("a.0", ReLU()),)), "name without dots"),
    (lambda: FiveLayerCNN(maps=6), "maps=6"),
    (lambda: FiveLayerCNN(maps=(6, 12, 24)), "maps=(6, 12, 24)"),
    (lambda: FiveLayerCNN(maps=(6, 0)), "maps[1]=0"),
    (lambda: FiveLayerCNN("median"), "pool='median'"),
    (lambda: FiveLayerCNN(image_size=0), "image_size=0"),
    (lambda: FiveLayerCNN(image_size=3), "image_size=3"),
    (lambda: FiveLayerCNN(image_size=8), "image_size=8"),
    (lambda: FiveLayerCNN(image_size=15), "image_size=15"),
    (lambda: FiveLayerCNN(kernel_size=10), "kernel_size=10"),
    (lambda: FiveLayerCNN(classes=0), "classes=0"),
    (lambda: FiveLayerCNN(reduction="median"), "reduction='median'"),
    (lambda: load_digits(0), "count=0"),
    (lambda: load_digits(65), "from 1 to 64, got count=65"),
    (lambda: load_digits(-1), "count=-1"),
    (lambda: load_digits(2.5), "count=2.5"),
    (lambda: load_digits(True), "count=True"),
]


@pytest.mark.parametrize(("build", "fragment"), HYPER_PARAMETERS, ids=[fragment for _, fragment in HYPER_PARAMETERS])
def test_impossible_hyper_parameters_are_refused(build, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        build()


def test_the_smallest_network_that_is_possible(rng):
    network = FiveLayerCNN(image_size=16)
    assert network.logits(network.init(rng), np.zeros((1, 1, 16, 16))).shape == (1, 10)


@pytest.mark.parametrize(
    ("layer", "shape", "fragment"),
    [
        (Conv2d(1, 1, 5), (1, 1, 4, 9), "kernel_size=5 with dilation=1, which reaches over 5, for size=4"),
        (Conv2d(1, 1, 5), (1, 1, 9, 4), "for size=4"),
        (
            Conv2d(1, 1, 3, padding=1, dilation=3),
            (1, 1, 4, 4),
            "dilation=3, which reaches over 7, for size=4 with padding=2; it fits from a size of 5 on",
        ),
        (MaxPool2d(3), (1, 1, 2, 5), "kernel_size=3"),
        (AvgPool2d(3), (1, 1, 5, 2), "kernel_size=3"),
        (Conv2d(2, 1, 3), (1, 3, 5, 5), "expected x of shape (N, 2, H, W), got shape=(1, 3, 5, 5)"),
        (Conv2d(2, 1, 3), (2, 5, 5), "got shape=(2, 5, 5)"),
        (MaxPool2d(2), (4, 4), "expected x of shape (N, C, H, W), got shape=(4, 4)"),
        (AvgPool2d(2), (1, 1, 1, 4, 4), "got shape=(1, 1, 1, 4, 4)"),
        (Affine(3, 2), (4, 5), "expected x of shape (…, 3), got shape=(4, 5)"),
        (Affine(3, 2), (), "got shape=()"),
        (Flatten(), (3,), "expected x to have more than 1 axes, got shape=(3,)"),
    ],
)
def test_inputs_of_another_shape_are_refused(layer, shape, fragment, rng):
    with pytest.raises(ShapeError, match=re.escape(fragment)):
        layer.forward(layer.init(rng), np.zeros(shape))


def test_a_window_that_does_not_fit_is_refused():
    assert output_size(4, 5, padding=1) == 1
    with pytest.raises(ShapeError, match="size=3 with padding=1"):
        output_size(3, 5, padding=1)


@pytest.mark.parametrize(
    ("layer", "x_shape", "weight_shape", "due"),
    [
        (Conv2d(2, 4, 3), (1, 2, 5, 5), (2, 4, 3, 3), (4, 2, 3, 3)),
        (Conv2d(2, 4, 3, groups=2), (1, 2, 5, 5), (4, 2, 3, 3), (4, 1, 3, 3)),
        (Conv2d(2, 4, (3, 2)), (1, 2, 5, 5), (4, 2, 2, 3), (4, 2, 3, 2)),
        (Affine(3, 2), (4, 3), (3, 2), (2, 3)),
    ],
)
def test_weights_of_another_shape_are_refused(layer, x_shape, weight_shape, due, rng):
    params = {**layer.init(rng), "weight": np.zeros(weight_shape)}
    with pytest.raises(ShapeError, match=re.escape(f"expected weight of shape {due}, got shape={weight_shape}")):
        layer.forward(params, np.zeros(x_shape))


@pytest.mark.parametrize(("layer", "shape"), [(Conv2d(2, 4, 3), (1, 2, 5, 5)), (Affine(3, 4), (2, 3))])
@pytest.mark.parametrize("wrong", [(1,), (3,), (4, 1), ()])
def test_biases_of_another_shape_are_refused(layer, shape, wrong, rng):
    params = {**layer.init(rng), "bias": np.zeros(wrong)}
    with pytest.raises(ShapeError, match=re.escape(f"expected bias of shape (4,), got shape={wrong}")):
        layer.forward(params, np.zeros(shape))


@pytest.mark.parametrize(
    ("layer", "shape", "due"),
    [
        (Conv2d(2, 4, 3), (1, 2, 5, 6), (1, 4, 3, 4)),
        (MaxPool2d(2), (1, 2, 4, 6), (1, 2, 2, 3)),
        (AvgPool2d(2), (1, 2, 4, 6), (1, 2, 2, 3)),
        (Affine(3, 2), (4, 3), (4, 2)),
        (ReLU(), (4, 3), (4, 3)),
        (Flatten(), (2, 3, 4), (2, 12)),
    ],
    ids=lambda value: None if isinstance(value, tuple) else type(value).__name__,
)
def test_gradients_of_another_shape_are_refused(layer, shape, due, rng):
    params = layer.init(rng)
    _, cache = layer.forward(params, rng.standard_normal(shape))
    for wrong in [due[::-1], (1, *due), due[:-1], (due[0] + 1, *due[1:]), ()]:
        fragment = f"expected grad_output of shape {due}, got shape={wrong}"
        with pytest.raises(ShapeError, match=re.escape(fragment)):
            layer.backward(params, cache, np.ones(wrong))


@pytest.mark.parametrize(("reduction", "wrong"), [("mean", (3,)), ("sum", (1,)), ("none", ()), ("none", (4,))])
def test_gradients_of_another_shape_are_refused_by_the_loss(reduction, wrong):
    layer = SoftmaxCrossEntropy(reduction)
    _, cache = layer.forward({}, np.zeros((3, 4)), np.array([0, 1, 2]))
    with pytest.raises(ShapeError, match=re.escape(f"got shape={wrong}")):
        layer.backward({}, cache, np.ones(wrong))


@pytest.mark.parametrize(
    ("targets", "fragment"),
    [
        ([0, 1, 4], "expected targets from 0 to 3, got targets[2]=4"),
        ([0, -1, 2], "got targets[1]=-1"),
        ([0.0, 1.0, 2.0], "expected integer targets, got dtype=float64"),
        ([True, False, True], "got dtype=bool"),
        ([0, 1], "expected targets of shape (3,), got shape=(2,)"),
        ([[0], [1], [2]], "expected targets of shape (3,), got shape=(3, 1)"),
        (0, "got shape=()"),
    ],
)
def test_targets_that_are_no_classes_are_refused(targets, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        SoftmaxCrossEntropy().forward({}, np.zeros((3, 4)), np.array(targets))


@pytest.mark.parametrize("shape", [(0, 0), (2, 0)])
def test_logits_of_no_class_are_refused(shape):
    with pytest.raises(ShapeError, match=re.escape(f"expected logits of at least one class, got shape={shape}")):
        SoftmaxCrossEntropy().forward({}, np.zeros(shape), np.zeros(shape[0], int))


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5)])
def test_logits_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match=re.escape(f"expected logits of shape (N, C), got shape={shape}")):
        SoftmaxCrossEntropy().forward({}, np.zeros(shape), np.zeros(3, int))


@pytest.mark.parametrize("shape", [(2, 1, 27, 28), (2, 1, 29, 29), (2, 3, 28, 28), (28, 28)])
def test_images_of_another_shape_are_refused_by_the_network(shape, rng):
    network = FiveLayerCNN()
    params, due = network.init(rng), re.escape(f"expected x of shape (N, 1, 28, 28), got shape={shape}")
    with pytest.raises(ShapeError, match=due):
        network.forward(params, np.zeros(shape), np.zeros(2, int))
    with pytest.raises(ShapeError, match=due):
        network.logits(params, np.zeros(shape))
