"""The networks of the articles at their full size: every parameter of each is verified, in one case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from gradcheck.adapters.reference import from_reference
from gradcheck.subject import Array, Deferred, Subject
from reference_layers import AlexNet, LeNet, ResNet

_WITHOUT = {"contracts": "each check costs passes of the whole network; its layers are checked one by one"}


def _subject(name: str, network: Any, batch: int) -> Subject:
    """Return a network, its biases and scales random like everything else, on random images of different classes."""
    rng = np.random.default_rng(0)
    primals: dict[str, Array] = {"x": rng.standard_normal((batch, *network.image_shape))}
    for key, array in network.init(rng).items():
        # Scales of 1 and biases of 0, as training begins with them, hide faults.
        primals[key] = array + 0.125 * rng.standard_normal(array.shape) if array.ndim == 1 else array
    targets = rng.permutation(network.classes)[:batch]
    reproduce = f"gradcheck verify reference_layers.networks:{type(network).__name__} --seed {{seed}}"
    return from_reference(network, primals, targets, name=name, reproduce=reproduce, without=_WITHOUT)


def _deferred(name: str, network: Any, batch: int) -> Deferred:
    return Deferred(name, lambda: _subject(name, network, batch))


#: Per class of `reference_layers` the networks that verify it.
NETWORKS: Mapping[type, tuple[Deferred, ...]] = MappingProxyType(
    {
        LeNet: (_deferred("LeNet", LeNet(), 4),),
        AlexNet: (_deferred("AlexNet", AlexNet(), 4),),
        ResNet: tuple(_deferred(f"ResNet-{depth}", ResNet(depth), 2) for depth in (18, 50)),
    }
)
