"""What people have, made into a `Subject`: one file per style, nothing imported until it is used."""

from gradcheck.adapters.adapt import adapt
from gradcheck.adapters.calls import LayerError
from gradcheck.adapters.callbacks import from_callback
from gradcheck.adapters.derivatives import from_derivative
from gradcheck.adapters.functions import from_functions, recognise_functions
from gradcheck.adapters.layouts import in_layout
from gradcheck.adapters.losses import from_loss
from gradcheck.adapters.objects import from_object
from gradcheck.adapters.reference import from_reference
from gradcheck.adapters.tapes import from_tape

__all__ = [
    "LayerError",
    "adapt",
    "from_callback",
    "from_derivative",
    "from_functions",
    "from_loss",
    "from_object",
    "from_reference",
    "from_tape",
    "in_layout",
    "recognise_functions",
]
