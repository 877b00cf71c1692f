"""What people have, made into a `Subject`: one file per style, nothing imported until it is used."""

from gradcheck.adapters.adapt import adapt
from gradcheck.adapters.functions import from_functions, recognise_functions
from gradcheck.adapters.reference import from_reference

__all__ = ["adapt", "from_functions", "from_reference", "recognise_functions"]
