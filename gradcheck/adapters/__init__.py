"""What people have, made into a `Subject`: one file per style, nothing imported until it is used."""

from gradcheck.adapters.adapt import adapt
from gradcheck.adapters.autograd import from_autograd
from gradcheck.adapters.frameworks import framework_of
from gradcheck.adapters.jax import from_jax
from gradcheck.adapters.reference import from_reference
from gradcheck.adapters.thinc import from_thinc
from gradcheck.adapters.torch import from_torch

__all__ = [
    "adapt",
    "framework_of",
    "from_autograd",
    "from_jax",
    "from_reference",
    "from_thinc",
    "from_torch",
]
