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

    What the caller of the adapter said are `name`, whose default is `label`, `traits` and `reproduce`. To the traits
    are added those that the adapter has `seen`. Constants that are arrays are watched.
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
