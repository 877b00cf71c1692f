"""Layers with a mode, random numbers, or images in NHWC."""

from __future__ import annotations

import numpy as np


class Relu:
    """No parameters."""

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class LeakyFault(Relu):
    """A ReLU whose gradient leaks."""

    def backward(self, dy):
        return dy * np.where(self.mask, 1.0, 0.01)


class Dropout:
    """A mask from a generator of its own, in training."""

    share = 2.0

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def forward(self, x, training=False):
        self.mask = self.share * (self.rng.random(x.shape) < 0.5) if training else np.ones_like(x)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class UnscaledDropout(Dropout):
    """The gradient lacks the factor of the mask."""

    def backward(self, dy):
        return dy * (self.mask > 0)


class GlobalDropout(Dropout):
    """A mask from NumPy's global generator; the mode is an attribute."""

    def __init__(self):
        self.training = False

    def forward(self, x):
        self.mask = 2.0 * (np.random.rand(*x.shape) < 0.5) if self.training else np.ones_like(x)  # noqa: NPY002
        return x * self.mask


class Norm:
    """Batch normalisation with train() and eval()."""

    def __init__(self, features=3):
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.mean, self.variance = np.full(features, 0.5), np.full(features, 2.0)
        self.trains = False

    def train(self):
        self.trains = True

    def eval(self):
        self.trains = False

    def forward(self, x):
        mean, variance = (x.mean(0), x.var(0)) if self.trains else (self.mean, self.variance)
        self.inverse = 1 / np.sqrt(variance + 1e-5)
        self.normed = (x - mean) * self.inverse
        return self.gamma * self.normed + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normed).sum(0), dy.sum(0)
        d = dy * self.gamma
        if self.trains:
            d = d - d.mean(0) - self.normed * (d * self.normed).mean(0)
        return d * self.inverse


class NormAsIfFixed(Norm):
    """The gradient takes mean and variance as constants in training too."""

    def backward(self, dy):
        super().backward(dy)
        return dy * self.gamma * self.inverse


class ConvNHWC:
    """A convolution of NHWC images with a weight HWIO and a bias (1, 1, 1, F)."""

    def __init__(self, kernel=(3, 2), channels=2, features=4):
        self.W, self.b = np.zeros((*kernel, channels, features)), np.zeros((1, 1, 1, features))

    def forward(self, x):
        self.x = x
        kh, kw = self.W.shape[:2]
        self.size = x.shape[1] - kh + 1, x.shape[2] - kw + 1
        return sum(self.window(x, i, j) @ self.W[i, j] for i in range(kh) for j in range(kw)) + self.b

    def window(self, x, i, j):
        return x[:, i : i + self.size[0], j : j + self.size[1]]

    def backward(self, dy):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for i in range(self.W.shape[0]):
            for j in range(self.W.shape[1]):
                self.dW[i, j] = np.einsum("nhwc,nhwf->cf", self.window(self.x, i, j), dy)
                self.spread(self.window(dx, i, j), dy @ self.W[i, j].T)
        self.db = dy.sum((0, 1, 2), keepdims=True)
        return dx

    def spread(self, part, gradient):
        part += gradient


class ConvOverwrites(ConvNHWC):
    """Where windows overlap, the last one alone counts."""

    def spread(self, part, gradient):
        part[...] = gradient


class SingleImage(ConvNHWC):
    """One image without a batch axis, HWC."""

    def forward(self, x):
        return super().forward(x[None])[0]

    def backward(self, dy):
        return super().backward(dy[None])[0]
