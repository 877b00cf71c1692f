"""What people have, made into a `Subject`: one file per style, nothing imported until it is used."""

from gradcheck.adapters.adapt import adapt
from gradcheck.adapters.autograd import from_autograd
from gradcheck.adapters.callbacks import from_callback
from gradcheck.adapters.calls import LayerError
from gradcheck.adapters.derivatives import from_derivative
from gradcheck.adapters.frameworks import framework_of
from gradcheck.adapters.functions import from_functions, recognise_functions
from gradcheck.adapters.jax import from_jax
from gradcheck.adapters.layouts import in_layout
from gradcheck.adapters.losses import from_loss
from gradcheck.adapters.objects import from_object
from gradcheck.adapters.reference import from_reference
from gradcheck.adapters.tapes import from_tape
from gradcheck.adapters.thinc import from_thinc
from gradcheck.adapters.torch import from_torch

__all__ = [
    "LayerError",
    "adapt",
    "framework_of",
    "from_autograd",
    "from_callback",
    "from_derivative",
    "from_functions",
    "from_jax",
    "from_loss",
    "from_object",
    "from_reference",
    "from_tape",
    "from_thinc",
    "from_torch",
    "in_layout",
    "recognise_functions",
]
