"""Two small tapes: one of arrays, one of single numbers."""

from __future__ import annotations

import numpy as np


class Tensor:
    """An array that knows how it was made; `seed` says how its `backward` is started."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = np.asarray(data), parents, None

    def __add__(self, other):
        return type(self)(self.data + other.data, ((self, lambda g: g), (other, lambda g: g)))

    def __mul__(self, other):
        return type(self)(self.data * other.data, ((self, lambda g: g * other.data), (other, lambda g: g * self.data)))

    def __matmul__(self, other):
        return type(self)(
            self.data @ other.data, ((self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g))
        )

    def tanh(self):
        y = np.tanh(self.data)
        return type(self)(y, ((self, lambda g: g * (1 - y * y)),))

    def sum(self):
        return type(self)(self.data.sum(), ((self, lambda g: g * np.ones_like(self.data)),))

    def collect(self, gradient):
        """Add a gradient and hand it on."""
        self.grad = gradient if self.grad is None else self.grad + gradient
        for parent, pull in self.parents:
            parent.collect(pull(gradient))


class SeededByArgument(Tensor):
    def backward(self, grad):
        self.collect(grad)


class SeededByOne(Tensor):
    def backward(self):
        self.collect(np.ones_like(self.data))


class Number:
    """A single number; gradients are added up in every node."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __add__(self, other):
        return Number(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Number(self.data * other.data, ((self, other.data), (other, self.data)))

    def tanh(self):
        y = float(np.tanh(self.data))
        return Number(y, ((self, 1 - y * y),))

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent, _ in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in node.parents:
                parent.grad += node.grad * slope
