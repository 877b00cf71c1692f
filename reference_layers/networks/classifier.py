"""What the networks share: a chain of layers from images to class scores, ended by softmax and cross-entropy."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from reference_layers.layer import Array, Params, require_shape
from reference_layers.losses import SoftmaxCrossEntropy
from reference_layers.sequential import Sequential


class Classifier:
    """A chain of layers from images to class scores, and its loss."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        raise NotImplementedError

    @property
    def body(self) -> Sequential:
        """The layers up to the scores."""
        raise NotImplementedError

    @property
    def loss(self) -> SoftmaxCrossEntropy:
        """The last layer."""
        return SoftmaxCrossEntropy()

    @cached_property
    def layers(self) -> Sequential:
        """All layers, the loss among them."""
        return Sequential((*self.body.layers, ("loss", self.loss)))

    def init(self, rng: np.random.Generator) -> Params:
        """Return fresh parameters."""
        return self.layers.init(rng)

    def logits(self, params: Params, x: Array) -> Array:
        """Return the scores of the classes, (N, classes), for images (N, channels, height, width)."""
        self._require_images(x)
        scores: Array = self.body.forward(params, x)[0]
        return scores

    def forward(self, params: Params, x: Array, targets: Array) -> tuple[Array, tuple[Any, ...]]:
        """Return the loss and what `backward` needs.

        Raises
        ------
        ShapeError
            If `x` does not hold images of the shape of this network, or `targets` not a class for each.
        """
        self._require_images(x)
        return self.layers.forward(params, x, targets)

    def backward(self, params: Params, cache: tuple[Any, ...], grad_output: Any = 1.0) -> tuple[Array, Params]:
        """Return the gradients of the images and of every parameter."""
        return self.layers.backward(params, cache, grad_output)

    def _require_images(self, x: Array) -> None:
        """Refuse other sizes: layers drop remainders, so that larger images would pass through them too."""
        require_shape("x", x, ("N", *self.image_shape))
