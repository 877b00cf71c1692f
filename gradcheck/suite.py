"""A suite: a kind of layer together with somebody's implementation of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gradcheck.kinds.kind import Case, Kind, case_from_data
from gradcheck.subject import Arrays, Subject, require_reasons


@dataclass(frozen=True)
class Suite:
    """All cases of a kind, run against the layer that `build` makes.

    Attributes
    ----------
    name : str
    kind : Kind
    build : callable
        ``build(config, primals)`` returns anything that `gradcheck.adapt` understands.
    origin : str or None
        Where the command line finds this suite: ``path.py:name``; ``""`` for the kind's own reference layer;
        None for a suite that was made in a session.
    without : mapping of str to str
        Checks that are not run, by name, each with the reason that reports show.
    """

    name: str
    kind: Kind
    build: Callable[[Any, Arrays], Any]
    origin: str | None = None
    without: Mapping[str, str] = field(default_factory=dict)

    def case(self, config: Mapping[str, Any], regime: str, seed: int) -> Case:
        """Return the case of this suite that plain data describe, as failures print it."""
        return case_from_data(self.kind, config, regime, seed)

    def subject(self, case: Case, dtype: Any = None) -> Subject:
        """Return the subject of one case, with the laws of its kind and the reference layer as its sibling."""
        from gradcheck.adapters import adapt

        primals = case.primals(dtype)
        built = adapt(self.build(case.config, primals), primals)
        return replace(
            built,
            laws=built.laws or self.kind.laws(case.config),
            sibling=built.sibling or self._sibling(case, built, primals),
            without={**built.without, **self.without},
        )

    def _sibling(self, case: Case, built: Subject, primals: Arrays) -> Subject | None:
        """The reference layer, if this suite is about another layer of the same primals."""
        from gradcheck.adapters import adapt

        if self.build is self.kind.build or built.primals.keys() != primals.keys():
            return None
        return adapt(self.kind.build(case.config, primals), primals)


def suite(
    kind: str,
    build: Callable[[Any, Arrays], Any] | None = None,
    *,
    name: str | None = None,
    without: Mapping[str, str] | None = None,
) -> Suite:
    """Return the suite of a kind for the layer that `build` makes.

    Parameters
    ----------
    kind : str
        Name of a kind, as in `gradcheck.kinds.KINDS`.
    build : callable, optional
        ``build(config, primals)``: called for each case with its configuration and its arrays. Default: the
        reference layer.
    name : str, optional
        What reports call it. Default: the name of `build`, or of the kind.
    without : mapping of str to str, optional
        Checks to do without, by name, each with the reason: ``{"layout": "the kernel takes C order only"}``.

    Raises
    ------
    TypeError, ValueError
        If there is no such kind, or a check is switched off without a reason.

    Examples
    --------
    >>> suite("relu").kind.name
    'relu'
    """
    from gradcheck.kinds import find_kind

    found = find_kind(kind)
    label = name or (f"{kind} ({build.__name__})" if build and hasattr(build, "__name__") else kind)
    off = require_reasons(without or {})
    return Suite(label, found, build or found.build, None if build else "", off)
