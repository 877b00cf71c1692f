"""What people have, made into a `Subject`: one file per style, nothing imported until it is used."""

from gradcheck.adapters.adapt import adapt
from gradcheck.adapters.calls import LayerError
from gradcheck.adapters.layouts import in_layout
from gradcheck.adapters.objects import from_object
from gradcheck.adapters.reference import from_reference

__all__ = ["LayerError", "adapt", "from_object", "from_reference", "in_layout"]
