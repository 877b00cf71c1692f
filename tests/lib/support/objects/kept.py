"""Gradients that stay in the layer: in attributes, in containers, in parameter objects."""

from __future__ import annotations

import numpy as np

from support.objects.affine import IN, OUT, Affine


class Attributes(Affine):
    """dW and db, the bias a row."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.W, self.b = np.zeros((inputs, outputs)), np.zeros((1, outputs))

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW = self.weight_gradient(self.x, dy)
        self.db = self.bias_gradient(dy)[None]
        return self.input_gradient(self.W, dy)


class LongNames(Affine):
    """Other names of methods and arrays, the bias a column."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.weights, self.biases = np.ones((inputs, outputs)), np.zeros((outputs, 1))

    def forward_pass(self, inputs):
        self.last_inputs = inputs
        return inputs @ self.weights + self.biases.T

    def backward_pass(self, gradient):
        self.d_weights = self.weight_gradient(self.last_inputs, gradient)
        self.d_biases = self.bias_gradient(gradient)[:, None]
        return self.input_gradient(self.weights, gradient)


class CallAndBprop(Affine):
    """Called as a function, and pulled back by bprop."""

    def __init__(self, inputs=IN, outputs=OUT):
        self._w, self._b = np.zeros((inputs, outputs)), np.zeros(outputs)

    def __call__(self, x):
        self._in = x
        return x @ self._w + self._b

    def bprop(self, dy):
        self.dLdw, self.dLdb = self.weight_gradient(self._in, dy), self.bias_gradient(dy)
        return self.input_gradient(self._w, dy)


class Lazy(Affine):
    """Parameters are made in the first forward."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.weight = self.bias = None
        self.outputs = outputs

    def forward(self, x):
        if self.weight is None:
            self.weight, self.bias = (
                np.random.default_rng(0).normal(size=(x.shape[1], self.outputs)),
                np.zeros(self.outputs),
            )
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, dy):
        self.grad_weight, self.grad_bias = self.weight_gradient(self.x, dy), self.bias_gradient(dy)
        return self.input_gradient(self.weight, dy)


class Built(Attributes):
    """Parameters are made by build(), from the shape of the input."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.outputs = outputs

    def build(self, input_shape):
        self.W, self.b = np.zeros((input_shape[-1], self.outputs)), np.zeros(self.outputs)

    def backward(self, dy):
        dx = super().backward(dy)
        self.db = self.db[0]
        return dx


class Dicts(Affine):
    """params and grads by name."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.params = {"W": np.zeros((inputs, outputs)), "b": np.zeros(outputs)}
        self.grads = {}

    def forward(self, x):
        self.cache = {"x": x, "W": self.params["W"]}
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.weight_gradient(self.cache["x"], dout)
        self.grads["b"] = self.bias_gradient(dout)
        return self.input_gradient(self.cache["W"], dout)


class Lists(Affine):
    """params and grads are lists whose arrays are kept and written into."""

    def __init__(self, inputs=IN, outputs=OUT):
        w, b = np.zeros((inputs, outputs)), np.zeros(outputs)
        self.params = [w, b]
        self.grads = [np.zeros_like(w), np.zeros_like(b)]

    def forward(self, x):
        w, b = self.params
        self.x = x
        return x @ w + b

    def backward(self, dout):
        w, _ = self.params
        self.grads[0][...] = self.weight_gradient(self.x, dout)
        self.grads[1][...] = self.bias_gradient(dout)
        return self.input_gradient(w, dout)


class Properties(Attributes):
    """params and grads are properties; the arrays have names that say nothing."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.one, self.two = np.zeros((inputs, outputs)), np.zeros(outputs)

    @property
    def params(self):
        return [self.one, self.two]

    @property
    def grads(self):
        return [self.first, self.second]

    def forward(self, x):
        self.x = x
        return x @ self.one + self.two

    def backward(self, dy):
        self.first, self.second = self.weight_gradient(self.x, dy), self.bias_gradient(dy)
        return self.input_gradient(self.one, dy)


class ValGrad(Affine):
    """{'val': …, 'grad': …} for each parameter."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.W = {"val": np.zeros((inputs, outputs)), "grad": 0}
        self.b = {"val": np.zeros(outputs), "grad": 0}

    def forward(self, x):
        self.x = x
        return x @ self.W["val"] + self.b["val"]

    def backward(self, dy):
        self.W["grad"], self.b["grad"] = self.weight_gradient(self.x, dy), self.bias_gradient(dy)
        return self.input_gradient(self.W["val"], dy)


class Pairs(Affine):
    """{name: (value, gradient)}."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.params = {"W": (np.zeros((inputs, outputs)), None), "b": (np.zeros(outputs), None)}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"][0] + self.params["b"][0]

    def backward(self, dy):
        w, b = self.params["W"][0], self.params["b"][0]
        self.params = {"W": (w, self.weight_gradient(self.x, dy)), "b": (b, self.bias_gradient(dy))}
        return self.input_gradient(w, dy)


class Parameter:
    """An array and its gradient, to which is added."""

    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class ParameterObjects(Affine):
    """Parameters with .data and .grad; gradients are added up until somebody sets them to zero."""

    def __init__(self, inputs=IN, outputs=OUT):
        self.weight, self.bias = Parameter(np.zeros((inputs, outputs))), Parameter(np.zeros(outputs))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, dy):
        self.weight.grad += self.weight_gradient(self.x, dy)
        self.bias.grad += self.bias_gradient(dy)
        return self.input_gradient(self.weight.data, dy)


class Mixed(Attributes):
    """The weight's gradient is added up, the bias's is not."""

    def __init__(self, inputs=IN, outputs=OUT):
        super().__init__(inputs, outputs)
        self.dW = np.zeros((inputs, outputs))

    def backward(self, dy):
        self.dW += self.weight_gradient(self.x, dy)
        self.db = self.bias_gradient(dy)[None]
        return self.input_gradient(self.W, dy)


class Network:
    """Two layers in a list; their parameters have the same names."""

    def __init__(self):
        self.layers = [Attributes(), Attributes()]
        self.layers[1].W, self.layers[1].b = np.zeros((OUT, 2)), np.zeros((1, 2))

    def forward(self, x):
        for layer in self.layers:
            x = np.tanh(layer.forward(x))
        self.y = x
        return x

    def backward(self, dy):
        first, second = self.layers
        hidden = np.tanh(first.x @ first.W + first.b)
        return first.backward(second.backward(dy * (1 - self.y**2)) * (1 - hidden**2))
