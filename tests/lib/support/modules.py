"""Modules as users write them: layers, and test modules with suites of them."""

LAYERS = """\
import numpy as np
import gradcheck
from reference_layers import Conv2d


class Unrotated(Conv2d):
    def backward(self, params, cache, grad_output):
        _, gradients = super().backward(params, cache, grad_output)
        unrotated = {**params, "weight": params["weight"][:, :, ::-1, ::-1]}
        return self.grad_input_scatter(unrotated, cache, grad_output), gradients


def builder(layer):
    def build(c, primals):
        built = layer(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, c.bias)
        return gradcheck.from_reference(built, primals)

    return build


def power(exponent, factor):
    def vjp(primals):
        x = primals["x"]
        return x**exponent, lambda g: {"x": factor * x ** (exponent - 1) * g}

    return vjp


def cube(factor=3):
    return gradcheck.Subject("cube", {"x": np.array([1.0, 2.0, -1.5])}, power(3, factor))


SMALL = ["batch=1 only", "no dilation", "no groups", "no padding", "stride=1 only"]
"""
RIGHT = """\
from layers import *

conv = gradcheck.suite("conv2d", builder(Conv2d), limits=SMALL)
point = cube()
"""
WRONG = """\
from layers import *

conv = gradcheck.suite("conv2d", builder(Unrotated), limits=SMALL)
"""
