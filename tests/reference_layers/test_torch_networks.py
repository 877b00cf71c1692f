"""LeNet, AlexNet and the residual networks at full size, beside the same networks of torch's own operators."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch.nn import functional  # noqa: E402

from reference_layers import (  # noqa: E402
    Affine,
    AlexNet,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    LeNet,
    MaxPool2d,
    ReLU,
    ResidualBlock,
    ResNet,
    Sequential,
    Sigmoid,
)

slow = pytest.mark.slow
NETWORKS = [
    pytest.param(LeNet(), 61_706, id="LeNet"),
    pytest.param(ResNet(18), 11_689_512, id="ResNet-18"),
    pytest.param(AlexNet(), 62_378_344, id="AlexNet", marks=slow),
    pytest.param(ResNet(50), 25_557_032, id="ResNet-50", marks=slow),
]


def in_torch(layer, params, x):
    """Return what torch makes of x in the place of a layer; `params` are tensors by the layer's own names."""
    if isinstance(layer, Sequential):
        for name, part in layer.layers:
            own = {key.removeprefix(f"{name}."): p for key, p in params.items() if key.startswith(f"{name}.")}
            x = in_torch(part, own, x)
        return x
    if isinstance(layer, ResidualBlock):
        chains = Sequential((("body", layer.body), ("shortcut", layer.shortcut or layer.body)))
        own = {way: {k.removeprefix(f"{way}."): p for k, p in params.items() if k.startswith(f"{way}.")}
               for way, _ in chains.layers}  # fmt: skip
        beside = x if layer.shortcut is None else in_torch(layer.shortcut, own["shortcut"], x)
        return functional.relu(in_torch(layer.body, own["body"], x) + beside)
    weight, bias = params.get("weight"), params.get("bias")
    if isinstance(layer, Conv2d):
        (top, bottom, left, right), stride = layer.padding, layer.stride
        assert (top, left) == (bottom, right)
        return functional.conv2d(x, weight, bias, stride, (top, left))
    if isinstance(layer, MaxPool2d):
        return functional.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding[::2])
    if isinstance(layer, BatchNorm):
        return functional.batch_norm(x, None, None, params["gamma"], params["beta"], training=True, eps=layer.eps)
    if isinstance(layer, Affine):
        return functional.linear(x, weight, bias)
    if isinstance(layer, Dropout):
        return x * torch.tensor(layer.mask(tuple(x.shape)) / (1 - layer.p))
    simple = {
        ReLU: functional.relu,
        Sigmoid: torch.sigmoid,
        Flatten: lambda value: torch.flatten(value, 1),
        AvgPool2d: lambda value: functional.avg_pool2d(value, layer.kernel_size, layer.stride),
    }
    return simple[type(layer)](x)


@pytest.mark.parametrize(("network", "count"), NETWORKS)
def test_a_network_is_that_of_torch(network, count, rng):
    params = {
        name: array + 0.125 * rng.standard_normal(array.shape) if array.ndim == 1 else array
        for name, array in network.init(rng).items()
    }
    assert sum(math.prod(array.shape) for array in params.values()) == count
    x, targets = rng.standard_normal((2, *network.image_shape)), np.array([3, 7])
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in params.items()}
    images = torch.tensor(x, requires_grad=True)
    due = functional.cross_entropy(in_torch(network.body, tensors, images), torch.tensor(targets))
    due.backward()
    loss, cache = network.forward(params, x, targets)
    assert float(loss) == pytest.approx(due.item(), rel=1e-10)
    gradient, gradients = network.backward(params, cache)
    for name, mine, theirs in [("x", gradient, images), *((n, gradients[n], tensors[n]) for n in params)]:
        theirs = theirs.grad.numpy()
        assert np.abs(mine - theirs).max() <= 1e-8 * np.abs(theirs).max(), name
