"""Models of thinc, which computes in float32 and adds gradients to those that a model holds.

``gradcheck verify examples/frameworks/thinc_models.py``
"""

import numpy as np
from thinc.api import Dropout, LayerNorm, Linear, Relu, Swish, chain, residual

from gradcheck import Trait
from gradcheck.adapters import from_thinc

rng = np.random.default_rng(0)
x = rng.standard_normal((5, 3)).astype(np.float32)
samples = {Trait("batch-separable", ("x",))}


def ready(model):
    """Return the model initialised, its parameters moved away from zeros and ones, at which faults hide."""
    model.initialize(X=x)
    for node in model.walk():
        for name in node.param_names:
            start = node.get_param(name)
            node.set_param(name, start + 0.3 * rng.standard_normal(start.shape).astype(np.float32))
    return model


linear = from_thinc(ready(Linear(4, 3)), {"x": x}, traits=samples)
layer_norm = from_thinc(ready(LayerNorm(3)), {"x": x}, traits=samples)
swish = from_thinc(ready(Swish(4, 3)), {"x": x}, traits=samples)
dropout = from_thinc(Dropout(0.4), {"x": x}, traits={Trait("stochastic")})
network = from_thinc(
    ready(chain(Relu(4, 3), residual(Linear(4, 4)), LayerNorm(4), Linear(2, 4))), {"x": x}, traits=samples
)
