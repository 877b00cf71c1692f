"""Gradients that do not stay in the layer: returned, used in an update, handed to an optimizer."""

from __future__ import annotations

import copy

import numpy as np

from support.objects.affine import IN, OUT, Affine


class Returns(Affine):
    """(dX, [dW, db])"""

    def __init__(self, inputs=IN, outputs=OUT):
        self.W, self.b = np.zeros((inputs, outputs)), np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def gradients(self, dy):
        return self.input_gradient(self.W, dy), self.weight_gradient(self.x, dy), self.bias_gradient(dy)

    def backward(self, dy):
        dx, dw, db = self.gradients(dy)
        return dx, [dw, db]


class ReturnsParametersFirst(Returns):
    """(dW, db, dX)"""

    def backward(self, dy):
        dx, dw, db = self.gradients(dy)
        return dw, db, dx


class ReturnsDict(Returns):
    """(dX, {'W': dW, 'b': db})"""

    def backward(self, dy):
        dx, dw, db = self.gradients(dy)
        return dx, {"W": dw, "b": db}


class LearningRate(Returns):
    """backward(dy, learning_rate) updates the weights and keeps nothing."""

    def backward(self, dy, learning_rate):
        dx, dw, db = self.gradients(dy)
        self.W -= learning_rate * dw
        self.b = self.b - learning_rate * db
        return dx


class HiddenRate(Returns):
    """The learning rate is an attribute."""

    def __init__(self, inputs=IN, outputs=OUT):
        super().__init__(inputs, outputs)
        self.lr = 0.01

    def backward(self, dy):
        dx, dw, db = self.gradients(dy)
        self.W, self.b = self.W - self.lr * dw, self.b - self.lr * db
        return dx


class LateUpdate(LearningRate):
    """The gradient of the input is computed with the weights as they are after their update."""

    def backward(self, dy, learning_rate):
        _, dw, db = self.gradients(dy)
        self.W -= learning_rate * dw
        self.b -= learning_rate * db
        return self.input_gradient(self.W, dy)


class Descent:
    """An optimizer, with the ways of being called that are seen."""

    def __init__(self, rate=0.1):
        self.rate = rate

    def update(self, w, g):
        return w - self.rate * g

    def step(self, g):
        return -self.rate * g

    def scaled(self, g):
        return self.rate * g

    def apply(self, params, grads):
        for w, g in zip(params, grads, strict=True):
            w -= self.rate * g


class UpdatesEach(Returns):
    """W = optimizer.update(W, dW), with an optimizer for each parameter."""

    def __init__(self, inputs=IN, outputs=OUT):
        super().__init__(inputs, outputs)
        self.W_opt, self.b_opt = Descent(), copy.copy(Descent())

    def backward(self, dy):
        w = self.W
        dx, dw, db = self.gradients(dy)
        self.W, self.b = self.W_opt.update(self.W, dw), self.b_opt.update(self.b, db)
        return self.input_gradient(w, dy)


class UpdatesTogether(Returns):
    """optimizer.apply([W, b], [dW, db])"""

    def __init__(self, inputs=IN, outputs=OUT):
        super().__init__(inputs, outputs)
        self.optimizer = Descent()

    def backward(self, dy):
        dx, dw, db = self.gradients(dy)
        self.optimizer.apply([self.W, self.b], [dw, db])
        return dx


class AddsSteps(Returns):
    """The optimizer makes a step of the error, before it meets the input."""

    def __init__(self, inputs=IN, outputs=OUT):
        super().__init__(inputs, outputs)
        self.opt = Descent()

    def backward(self, dy):
        dx = self.input_gradient(self.W, dy)
        step = self.opt.step(dy)
        self.W += self.weight_gradient(self.x, step)
        self.b += self.bias_gradient(step)
        return dx


class OwnRate(Returns):
    """The layer does the update, with the rate of its optimizer."""

    def __init__(self, inputs=IN, outputs=OUT):
        super().__init__(inputs, outputs)
        self.optimizer = None

    def backward(self, dy):
        dx, dw, db = self.gradients(dy)
        if self.optimizer is not None:
            self.W = self.W - self.optimizer.learning_rate * dw
            self.b = self.b - self.optimizer.learning_rate * db
        return dx
