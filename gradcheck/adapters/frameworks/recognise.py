"""Which framework something is written in, found out without importing any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gradcheck.adapters.frameworks.autograd import from_autograd, is_autograd
from gradcheck.adapters.frameworks.jax import from_jax, is_jax
from gradcheck.adapters.frameworks.thinc import from_thinc, is_thinc
from gradcheck.adapters.frameworks.torch import from_torch, is_torch
from gradcheck.subject import Subject

#: Framework -> whether something is of it.
_RECOGNISERS: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {"torch": is_torch, "jax": is_jax, "autograd": is_autograd, "thinc": is_thinc}
)
#: Framework -> what makes a subject of something written in it, given the primals.
MAKERS: Mapping[str, Callable[..., Subject]] = MappingProxyType(
    {"torch": from_torch, "jax": from_jax, "autograd": from_autograd, "thinc": from_thinc}
)


def framework_of(thing: object) -> str | None:
    """Return the framework that something shows it is written in: a key of `MAKERS`.

    Plain functions of tensors or arrays show nothing; for them there is `from_torch`, `from_jax`, `from_autograd`.

    Examples
    --------
    >>> framework_of(len) is None
    True
    """
    return next((name for name, recognises in _RECOGNISERS.items() if recognises(thing)), None)
