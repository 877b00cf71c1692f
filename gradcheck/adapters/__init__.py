"""What people have, made into a `Subject`: one file per style, nothing imported until it is used."""

from gradcheck.adapters.adapt import adapt
from gradcheck.adapters.axis_orders import in_layout
from gradcheck.adapters.frameworks.autograd import from_autograd
from gradcheck.adapters.frameworks.jax import from_jax
from gradcheck.adapters.frameworks.recognise import framework_of
from gradcheck.adapters.frameworks.thinc import from_thinc
from gradcheck.adapters.frameworks.torch import from_torch
from gradcheck.adapters.functions.callbacks import from_callback
from gradcheck.adapters.functions.derivatives import from_derivative
from gradcheck.adapters.functions.loss_functions import from_loss
from gradcheck.adapters.functions.pairs import from_functions, recognise_functions
from gradcheck.adapters.functions.tapes import from_tape
from gradcheck.adapters.layer_error import LayerError
from gradcheck.adapters.objects.layer_object import from_object
from gradcheck.adapters.reference import from_reference

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
