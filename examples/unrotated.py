"""A convolution with the classic fault: its input gradient uses the kernel without rotating it by 180°.

``gradcheck verify examples/unrotated.py`` finds it, and shrinks it to the smallest convolution that shows it.
"""

import gradcheck
from reference_layers import Conv2d


class Unrotated(Conv2d):
    """Conv2d, wrong on purpose."""

    def backward(self, params, cache, grad_output):
        """Return the gradients, that of the input with the kernel the wrong way round."""
        _, gradients = super().backward(params, cache, grad_output)
        unrotated = {**params, "weight": params["weight"][:, :, ::-1, ::-1]}
        return self.grad_input_scatter(unrotated, cache, grad_output), gradients


def build(config, primals):
    """Return the layer for one drawn configuration."""
    layer = Unrotated(
        config.in_channels,
        config.out_channels,
        config.kernel_size,
        config.stride,
        config.padding,
        config.dilation,
        config.groups,
        config.bias,
    )
    return gradcheck.from_reference(layer, primals)


conv = gradcheck.suite("conv2d", build)
