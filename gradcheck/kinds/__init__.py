"""The kinds of layers that can be verified: one file per kind, one registration line per kind here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gradcheck.kinds.kind import Kind
from gradcheck.subject import did_you_mean

KINDS: Mapping[str, Kind] = MappingProxyType({})


def find_kind(name: str) -> Kind:
    """Return the kind of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the known kinds.
    """
    if name not in KINDS:
        raise ValueError(f"expected a kind among {', '.join(KINDS)}, got kind={name!r}{did_you_mean(name, KINDS)}")
    return KINDS[name]
