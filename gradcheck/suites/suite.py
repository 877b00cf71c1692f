"""A suite: the cases of a kind, or of a strategy, together with somebody's layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gradcheck.adapters import adapt
from gradcheck.messages import location, told
from gradcheck.records.run_record import CaseId
from gradcheck.subject import Array, Arrays, Subject, Trait, require_reasons
from gradcheck.suites.kind import Case, Kind, case_from_data
from gradcheck.suites.limits import Limits, Predicate, parse_limits

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_SHOWN_ENTRIES = 24


class BuildError(ValueError):
    """`build` raised, or returned nothing that can be verified; the text is one sentence."""


@dataclass(frozen=True, eq=False)
class DrawnCase:
    """One case of a suite without a kind: the primals themselves, as a strategy drew them.

    Attributes
    ----------
    drawn : mapping of str to ndarray
    seed : int
    """

    drawn: Any
    seed: int

    def primals(self, dtype: np.dtype[Any] | None = None) -> dict[str, Array]:
        """Return the arrays of this case, in `dtype` (default: as drawn).

        Raises
        ------
        TypeError
            If the strategy drew something else.
        """
        if not isinstance(self.drawn, Mapping):
            raise TypeError(f"expected the strategy to draw {{name: float array}}, got {type(self.drawn).__name__}")
        return {name: np.array(array, dtype or np.asarray(array).dtype) for name, array in self.drawn.items()}

    @property
    def id(self) -> CaseId:
        """This case as plain data: that of a subject given directly."""
        return CaseId(None, {str(name): np.shape(array) for name, array in self._arrays.items()}, None, self.seed)

    def __str__(self) -> str:
        """The values, where they are few enough to be read."""
        if sum(np.size(array) for array in self._arrays.values()) > _SHOWN_ENTRIES:
            return ""
        return ", ".join(f"{name} = {np.asarray(array).tolist()}" for name, array in self._arrays.items())

    @property
    def _arrays(self) -> Mapping[Any, Any]:
        return self.drawn if isinstance(self.drawn, Mapping) else {}


AnyCase: TypeAlias = Case | DrawnCase


@dataclass(frozen=True)
class Suite:
    """All cases of a kind, or of a strategy, run against the layer that `build` makes.

    Attributes
    ----------
    name : str
    kind : Kind or None
        None for a suite of a strategy.
    build : callable
        ``build(config, primals)``, or ``build(primals)`` without a kind, returns anything that `gradcheck.adapt`
        understands.
    origin : str or None
        Where the command line finds this suite: ``path.py:name``; ``""`` for the kind's own reference layer;
        None for a suite that was made in a session.
    without : mapping of str to str
        Checks that are not run, by name, each with the reason that reports show.
    limits : Limits
        What the layer cannot do.
    strategy : hypothesis strategy or None
        Draws primals, ``{name: float array}``, where there is no kind.
    """

    name: str
    kind: Kind | None
    build: Callable[..., Any]
    origin: str | None = None
    without: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    strategy: SearchStrategy[Any] | None = None

    @property
    def kind_name(self) -> str | None:
        """The name of the kind, if there is one."""
        return self.kind.name if self.kind else None

    @property
    def has_reference(self) -> bool:
        """Whether there is a layer known to be right beside the one that `build` makes."""
        return self.kind is not None and self.build is not self.kind.build

    def case(self, config: Mapping[str, Any], regime: str, seed: int) -> Case:
        """Return the case of this suite that plain data describe, as failures print it.

        Raises
        ------
        ValueError
            If they describe none, or this suite has no kind.
        """
        if self.kind is None:
            raise ValueError(f"expected the suite of a kind, got {self.name!r}, whose cases a strategy draws")
        return case_from_data(self.kind, config, regime, seed)

    def subject(self, case: AnyCase, dtype: Any = None) -> Subject:
        """Return the subject of one case, with the laws of its kind and the reference layer as its sibling.

        Raises
        ------
        BuildError
            If `build` raises, or returns nothing that can be verified.
        """
        primals = case.primals(dtype)
        built = self._built(case, primals)
        declared = {trait.name for trait in built.traits}
        traits = {trait for trait in self.limits.traits if trait.name not in declared}
        built = replace(built, traits=built.traits | traits, without={**built.without, **self.without})
        if self.kind is None or not isinstance(case, Case):
            return built
        return replace(
            built,
            laws=built.laws or self.kind.laws(case.config),
            sibling=built.sibling or self._sibling(self.kind, case, built, primals),
        )

    def _built(self, case: AnyCase, primals: Arrays) -> Subject:
        try:
            made = self.build(case.config, primals) if isinstance(case, Case) else self.build(primals)
        except Exception as error:
            file = getattr(inspect.unwrap(self.build), "__code__", None)
            where = location(error, lambda frame: file is not None and frame.filename == file.co_filename)
            raise BuildError(f"build raised {told(error)}{where}") from error
        try:
            return adapt(made, primals)
        except (TypeError, ValueError) as error:
            came = "None; is its return missing?" if made is None else type(made).__name__
            raise BuildError(f"{error}; build returned {came}") from error

    def _sibling(self, kind: Kind, case: Case, built: Subject, primals: Arrays) -> Subject | None:
        """The reference layer, if this suite is about another layer of the same primals."""
        if not self.has_reference or built.primals.keys() != primals.keys():
            return None
        return adapt(kind.build(case.config, primals), primals)


def suite(
    kind: str | None = None,
    build: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    without: Mapping[str, str] | None = None,
    limits: Iterable[str | Trait] | Mapping[str, Predicate | bool] = (),
    strategy: SearchStrategy[Any] | None = None,
) -> Suite:
    """Return the suite of a kind, or of a strategy, for the layer that `build` makes.

    Parameters
    ----------
    kind : str, optional
        Name of a kind, as in `gradcheck.kinds.KINDS`.
    build : callable, optional
        ``build(config, primals)``: called for each case with its configuration and its arrays. Default: the
        reference layer. Without a kind ``build(primals)``, which has no default.
    name : str, optional
        What reports call it. Default: the name of `build`, or of the kind.
    without : mapping of str to str, optional
        Checks to do without, by name, each with the reason: ``{"layout": "the kernel takes C order only"}``.
    limits : iterable of str or Trait, or mapping, optional
        What the layer cannot do, which is shown and never asked for: words such as ``"stride=1 only"``,
        ``"no dilation"`` (see `gradcheck.suites.limits`), limits of `Trait`, or a mapping of texts to predicates:
        ``{"kernels up to 7": lambda config: max(config.kernel_size) <= 7}``.
    strategy : hypothesis strategy, optional
        In the place of a kind: draws primals, ``{name: float array}``.

    Raises
    ------
    TypeError, ValueError
        If there is no such kind or limit, or a check is switched off without a reason.

    Examples
    --------
    >>> suite("relu").kind_name
    'relu'
    >>> suite("conv2d", limits=["no padding", "stride=1 only"]).limits.configs.keys()
    dict_keys(['no padding', 'stride=1 only'])
    """
    from gradcheck.kinds import find_kind

    if (kind is None) == (strategy is None):
        came = "neither" if kind is None else "both"
        raise TypeError(f"expected a kind or a strategy of primals, got {came}: gradcheck.suite('conv2d', build)")
    if build is not None and not callable(build):
        raise TypeError(f"expected build to be a callable, got build={build!r} ({type(build).__name__})")
    off = require_reasons(without or {})
    named = getattr(build, "__name__", None)
    if kind is not None:
        found = find_kind(kind)
        label = name or (f"{kind} ({named})" if named else kind)
        origin = None if build else ""
        return Suite(label, found, build or found.build, origin, off, parse_limits(limits, found))
    if build is None:
        raise TypeError("expected build beside a strategy: build(primals) returns the layer, got build=None")
    return Suite(name or named or "suite", None, build, None, off, parse_limits(limits, None), strategy)
