"""Layers in a chain, the five-layer network, and the digits it is shown."""

from importlib.resources import files

import numpy as np
import pytest

import gradcheck
from reference_layers import (
    Affine,
    AvgPool2d,
    Conv2d,
    FiveLayerCNN,
    Flatten,
    Layer,
    MaxPool2d,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    load_digits,
)

PARAMETERS = {
    "c1.weight": (6, 1, 5, 5),
    "c1.bias": (6,),
    "c3.weight": (12, 6, 5, 5),
    "c3.bias": (12,),
    "o5.weight": (10, 192),
    "o5.bias": (10,),
}


def random_params(network, rng):
    """Return initial parameters with biases that are not zero."""
    return {name: array + 0.1 * rng.standard_normal(array.shape) for name, array in network.init(rng).items()}


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_parameters_of_the_five_layer_network(pool, rng):
    params = FiveLayerCNN(pool).init(rng)
    assert {name: array.shape for name, array in params.items()} == PARAMETERS
    assert sum(array.size for array in params.values()) == 3898


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_outputs_of_the_five_layer_network(pool, reduction, rng):
    network = FiveLayerCNN(pool, reduction=reduction)
    params, (x, targets) = random_params(network, rng), load_digits(3)
    logits = network.logits(params, x)
    assert logits.shape == (3, 10)
    loss, cache = network.forward(params, x, targets)
    due, loss_cache = SoftmaxCrossEntropy(reduction).forward({}, logits, targets)
    assert np.array_equal(loss, due)
    assert loss.shape == ((3,) if reduction == "none" else ())
    gradient, gradients = network.backward(params, cache, np.ones_like(loss))
    assert gradient.shape == x.shape
    assert list(gradients) == list(params)
    assert {name: array.shape for name, array in gradients.items()} == PARAMETERS
    upper = SoftmaxCrossEntropy(reduction).backward({}, loss_cache, np.ones_like(loss))[0]
    assert gradients["o5.bias"] == pytest.approx(upper.sum(axis=0), abs=1e-14)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_gradients_of_the_five_layer_network_pass(pool, rng):
    """On digits as they are, whose blank paper ties all maxima."""
    network = FiveLayerCNN(pool)
    x, targets = load_digits(4)
    report = gradcheck.check(gradcheck.from_reference(network, {"x": x, **random_params(network, rng)}, targets))
    assert report.passed


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_gradients_of_a_small_network_are_the_plain_differences(pool, rng):
    network = FiveLayerCNN(pool, 10, (2, 3), 3, 4)
    params, x, targets = random_params(network, rng), rng.standard_normal((2, 1, 10, 10)), np.array([3, 1])
    gradient, gradients = network.backward(params, network.forward(params, x, targets)[1])
    numeric = gradcheck.numeric_gradient(lambda v: network.forward(params, v, targets)[0], x)
    assert gradient == pytest.approx(numeric, abs=1e-8)
    for name, array in params.items():
        numeric = gradcheck.numeric_gradient(
            lambda v, name=name: network.forward({**params, name: v}, x, targets)[0], array
        )
        assert gradients[name] == pytest.approx(numeric, abs=1e-8)


def test_one_wrong_layer_fails_the_network(rng):
    """The same network, with the bias gradient of C3 not summed over the batch."""
    network = FiveLayerCNN(image_size=16, maps=(2, 3))
    x, targets = rng.standard_normal((3, 1, 16, 16)), np.array([1, 5, 0])
    right = gradcheck.from_reference(network, {"x": x, **random_params(network, rng)}, targets)

    def vjp(primals):
        y, pullback = right.vjp(primals)
        return y, lambda g: {**(found := pullback(g)), "c3.bias": found["c3.bias"] / 3}

    report = gradcheck.check(gradcheck.Subject("network", right.primals, vjp, right.forward))
    assert report.verdict == "failed"
    assert {failure.primal for failure in report.failures} == {"c3.bias"}


def test_sequential_is_the_composition_of_its_layers(rng):
    layers = [Conv2d(2, 3, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(3, 4, 2), AvgPool2d(2), Flatten(), Affine(4, 5)]
    network = Sequential.of(*layers)
    x = rng.standard_normal((2, 2, 6, 7))
    params = random_params(network, rng)
    own = [
        {name.split(".")[1]: a for name, a in params.items() if name.split(".")[0] == str(k)}
        for k in range(len(layers))
    ]
    y, cache = network.forward(params, x)
    caches, value = [], x
    for layer, mine in zip(layers, own, strict=True):
        value, kept = layer.forward(mine, value)
        caches.append(kept)
    assert np.array_equal(y, value)
    g = rng.standard_normal(y.shape)
    gradient, gradients = network.backward(params, cache, g)
    due = {}
    for k in reversed(range(len(layers))):
        g, found = layers[k].backward(own[k], caches[k], g)
        due |= {f"{k}.{name}": array for name, array in found.items()}
    assert np.array_equal(gradient, g)
    assert list(gradients) == list(params)
    assert all(np.array_equal(gradients[name], due[name]) for name in params)


def test_sequential_of_more_than_ten_layers_keeps_names_apart(rng):
    """ "1" is a prefix of "10", but not its layer."""
    network = Sequential.of(*(Affine(3, 3) for _ in range(11)))
    params = network.init(rng)
    x = rng.standard_normal((2, 3))
    due = x
    for k in range(11):
        due = due @ params[f"{k}.weight"].T + params[f"{k}.bias"]
    y, cache = network.forward(params, x)
    assert y == pytest.approx(due, rel=1e-12)
    assert list(network.backward(params, cache, y)[1]) == list(params)


def test_sequential_gives_constants_to_its_last_layer(rng):
    network = Sequential.of(Affine(3, 4), SoftmaxCrossEntropy())
    params, x, targets = network.init(rng), rng.standard_normal((2, 3)), np.array([0, 3])
    loss, _ = network.forward(params, x, targets)
    logits = Affine(3, 4).forward({"weight": params["0.weight"], "bias": params["0.bias"]}, x)[0]
    assert loss == SoftmaxCrossEntropy().forward({}, logits, targets)[0]


def test_a_chain_in_a_chain(rng):
    inner = Sequential.of(Affine(3, 4), ReLU())
    network = Sequential((("block", inner), ("head", Affine(4, 2))))
    params, x, g = random_params(network, rng), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    assert set(params) == {"block.0.weight", "block.0.bias", "head.weight", "head.bias"}
    assert gradcheck.check(gradcheck.from_reference(network, {"x": x, **params})).passed
    assert network.backward(params, network.forward(params, x)[1], g)[0].shape == x.shape


def test_lists_are_taken_as_tuples():
    """Hyper-parameters are normalised, so that equal layers are equal and can be hashed."""
    first, second = FiveLayerCNN(maps=[6, 12]), FiveLayerCNN(maps=(6, 12))
    assert (first, hash(first)) == (second, hash(second))
    first, second = Sequential([["a", ReLU()]]), Sequential((("a", ReLU()),))
    assert (first, hash(first)) == (second, hash(second))


def test_everything_is_a_layer():
    layers = [Conv2d(1, 1, 1), Affine(1, 1), ReLU(), Flatten(), MaxPool2d(1), AvgPool2d(1), SoftmaxCrossEntropy()]
    assert all(isinstance(layer, Layer) for layer in [*layers, Sequential.of(*layers), FiveLayerCNN()])


# Digits.


def test_digits():
    images, labels = load_digits(64)
    assert (images.shape, images.dtype) == ((64, 1, 28, 28), np.float64)
    assert (labels.shape, labels.dtype) == ((64,), np.int64)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert labels.tolist() == [k % 10 for k in range(64)]
    counts = np.bincount(labels, minlength=10)
    assert counts.max() - counts.min() <= 1
    assert len({image.tobytes() for image in images}) == 64


@pytest.mark.parametrize("count", [1, 16, 63])
def test_fewer_digits_are_the_first_ones(count):
    images, labels = load_digits(count)
    all_images, all_labels = load_digits(64)
    assert np.array_equal(images, all_images[:count])
    assert np.array_equal(labels, all_labels[:count])


def test_digits_keep_their_corners_and_their_grey():
    """27 steps between 7: every 27/7 a pixel of the enlarged image would lie on one of the originals."""
    path = files("reference_layers") / "data" / "digits.csv"
    rows = np.loadtxt(path.read_text(encoding="utf-8").splitlines()[1:], delimiter=",", dtype=int)
    assert rows.shape == (64, 2 + 64)
    originals = rows[:, 2:].reshape(64, 8, 8)
    assert (originals.min(), originals.max()) == (0, 16)
    images = load_digits(64)[0][:, 0]
    assert np.array_equal(images[:, ::27, ::27], originals[:, ::7, ::7] / 16)
    assert images.max(axis=(1, 2)).max() <= originals.max() / 16
    places = np.arange(28) * 7 / 27
    between = np.array([np.interp(places, np.arange(8), row / 16) for row in originals[:, 0]])
    assert images[:, 0] == pytest.approx(between, abs=1e-14)
    assert images[:, :, 0] == pytest.approx(
        np.array([np.interp(places, np.arange(8), column / 16) for column in originals[:, :, 0]]), abs=1e-14
    )


def test_digits_name_their_source_and_licence():
    text = (files("reference_layers") / "data" / "README.md").read_text(encoding="utf-8")
    for fragment in ["CC BY 4.0", "creativecommons.org/licenses/by/4.0", "10.24432/C50P49", "Alpaydin", "Changed:"]:
        assert fragment in text
    for fragment in ["CC BY 4.0", "10.24432/C50P49"]:
        assert fragment in load_digits.__doc__


def test_gradient_descent_on_digits_lowers_the_loss():
    network = FiveLayerCNN(maps=(3, 6))
    params = network.init(np.random.default_rng(0))
    x, targets = load_digits(32)
    first, _ = network.forward(params, x, targets)
    for _ in range(100):
        _, cache = network.forward(params, x, targets)
        gradients = network.backward(params, cache)[1]
        params = {name: array - 0.1 * gradients[name] for name, array in params.items()}
    assert network.forward(params, x, targets)[0] < first / 2
