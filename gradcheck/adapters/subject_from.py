"""The end of every adapter: a subject under the name, the traits and the command that its caller gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.subject import Arrays, Forward, Law, Subject, Trait, Vjp


def subject_from(
    label: str,
    primals: Arrays,
    vjp: Vjp,
    *,
    name: str | None,
    traits: Iterable[Trait],
    reproduce: str,
    seen: Iterable[Trait] = (),
    constants: Mapping[str, Any] | Sequence[Any] = (),
    forward: Forward | None = None,
    other_mode: Forward | None = None,
    laws: Iterable[Law] = (),
    without: Mapping[str, str] | None = None,
) -> Subject:
    """Return the subject that an adapter makes.

    Parameters
    ----------
    label : str
        The name of a subject that is given none.
    primals, vjp, forward, other_mode, laws, without
        As `Subject` takes them.
    name, traits, reproduce
        What the caller of the adapter said.
    seen : iterable of Trait
        Traits that the adapter found.
    constants : mapping of str to object, or sequence of object
        What the layer takes beside primals. Those that are arrays are watched.
    """
    named = constants if isinstance(constants, Mapping) else {f"constant {k}": one for k, one in enumerate(constants)}
    return Subject(
        name or label,
        primals,
        vjp,
        forward,
        frozenset((*seen, *traits)),
        reproduce,
        constants={key: one for key, one in named.items() if isinstance(one, np.ndarray)},
        other_mode=other_mode,
        laws=tuple(laws),
        without=without or {},
    )
