"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from reference_layers.layer import Array, Params, is_int, require_flag, require_shape


@dataclass(frozen=True)
class Dropout:
    """Entries set to zero at random, the others scaled up so that the mean stays (inverted dropout).

    Parameters
    ----------
    p : float
        Probability of being dropped, 0 to 1. With 0 everything is kept; with 1 everything is dropped, as torch does.
    training : bool
        Whether anything is dropped at all; without, the output is the input.
    seed : int
        The mask is drawn from ``numpy.random.default_rng(seed)`` at every call, and depends on nothing but seed and
        shape: that makes `forward` a function. A training loop takes another seed for each step.

    Notes
    -----
    ``y = m x / (1 − p)`` with gradient ``m g / (1 − p)``, where the mask m is 1 for what is kept. The gradient goes by
    the mask and not by ``y ≠ 0``: an x of exactly zero that is kept has a gradient. x and y of any shape.

    References
    ----------
    Srivastava et al.: Dropout (2014), Journal of Machine Learning Research 15, section 10 for scaling in training.

    Examples
    --------
    >>> layer = Dropout(0.75, seed=2)
    >>> y, cache = layer.forward({}, np.array([0.0, 1.0, 2.0, 3.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(4))[0].tolist()
    ([0.0, 0.0, 8.0, 0.0], [0.0, 0.0, 4.0, 0.0])
    """

    p: float = 0.5
    training: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.p, Real) or isinstance(self.p, bool) or not 0 <= self.p <= 1:
            raise ValueError(f"expected p to be a probability, 0 to 1, got p={self.p!r}")
        require_flag(training=self.training)
        if not is_int(self.seed) or self.seed < 0:
            raise ValueError(f"expected seed to be an int from 0, got seed={self.seed!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def mask(self, shape: tuple[int, ...]) -> Array:
        """Return which entries of an input of that shape are kept."""
        if not self.training:
            return np.ones(shape, dtype=np.bool)
        return np.asarray(np.random.default_rng(self.seed).random(shape) >= self.p)

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the output and the mask."""
        mask = self.mask(x.shape)
        return self._apply(mask, x), mask

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return self._apply(cache, grad_output), {}

    def _apply(self, mask: Array, array: Array) -> Array:
        # Chosen, not multiplied: what is dropped is zero even where it was infinite.
        kept = 1 - float(self.p) if self.training and self.p < 1 else 1.0
        return np.where(mask, array / kept, array.dtype.type(0))
