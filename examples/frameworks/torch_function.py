"""An autograd function of one's own: x·softplus(βx), with β learned, and its backward written by hand.

``gradcheck verify examples/frameworks/torch_function.py`` verifies it in double and in single precision, with tensors
that are transposed, and with the expanded cotangent of a summed loss.
"""

import numpy as np
import torch

from gradcheck import Trait
from gradcheck.adapters import from_torch


class GatedSoftplus(torch.autograd.Function):
    """Inputs and gates multiplied, and the gates beside them."""

    @staticmethod
    def forward(ctx, x, beta):
        """Return ``x·softplus(βx)`` and ``softplus(βx)``, β of one entry for each feature."""
        gate = torch.nn.functional.softplus(beta * x)
        ctx.save_for_backward(x, beta, gate)
        return x * gate, gate

    @staticmethod
    def backward(ctx, grad_output, grad_gate):
        """Return the gradients of x and β; the latter is summed over the samples."""
        x, beta, gate = ctx.saved_tensors
        grad_logits = (grad_output * x + grad_gate) * torch.sigmoid(beta * x)
        return grad_output * gate + grad_logits * beta, (grad_logits * x).sum(0)


rng = np.random.default_rng(0)
primals = {"x": rng.standard_normal((5, 3)), "beta": rng.uniform(0.5, 1.5, 3)}
single = {name: array.astype(np.float32) for name, array in primals.items()}
samples = {Trait("batch-separable", ("x",))}

gated_softplus = from_torch(GatedSoftplus, primals, traits=samples)
gated_softplus_float32 = from_torch(GatedSoftplus, single, traits=samples, name="GatedSoftplus (float32)")
