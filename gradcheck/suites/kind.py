"""What a kind of layer is (`Kind`), and one case of it (`Case`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from gradcheck.mutants.mutant import Mutant
from gradcheck.records.run_record import CaseId
from gradcheck.strategies.values import REGIMES, Regime
from gradcheck.subject import Array, Arrays, Law

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Kind:
    """A kind of layer: which configurations it has, which inputs they take, and a layer known to be right.

    Attributes
    ----------
    name : str
        What suites and the command line call it.
    config : type
        Frozen dataclass of hyper-parameters and sizes, in the field's names; its values are int, float, str, bool
        or (nested) tuples of them, so that a case can be written as JSON.
    configs : callable
        Returns a hypothesis strategy of valid configurations that shrinks to the smallest.
    corners : tuple of config
        Configurations that always run, each in every regime.
    primals : callable
        ``primals(config, rng, regime)`` returns ``{name: float64 array}``, every parameter randomised.
    build : callable
        ``build(config, primals)`` returns the reference layer of this kind as a `Subject`.
    conditions : mapping of str to callable
        Named predicates ``(config, primals) -> bool`` that reports count.
    regimes : tuple of Regime
        Value regimes that make sense for this kind.
    laws : callable
        ``laws(config)`` returns the laws that every layer of this configuration obeys.
    layers : tuple of type
        Classes of `reference_layers` that this kind verifies; how a module is found to belong to it.
    mutants : tuple of Mutant
        What backward passes of this kind get wrong, beside what any can.
    sizes : tuple of config
        Configurations at which layers of this kind are timed, from the smallest to the largest; without them, the
        corners are.
    """

    name: str
    config: type
    configs: Callable[[], SearchStrategy[Any]]
    corners: tuple[Any, ...]
    primals: Callable[[Any, np.random.Generator, Regime], dict[str, Array]]
    build: Callable[[Any, Arrays], Any]
    conditions: Mapping[str, Callable[[Any, Arrays], bool]] = dataclasses.field(default_factory=dict)
    regimes: tuple[Regime, ...] = REGIMES
    laws: Callable[[Any], tuple[Law, ...]] = lambda config: ()  # noqa: ARG005 - a kind without laws
    layers: tuple[type, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    sizes: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Case:
    """One case of a kind: the few values from which its arrays follow.

    Attributes
    ----------
    kind : Kind
    config : object
        A ``kind.config``.
    regime : Regime
    seed : int
    """

    kind: Kind
    config: Any
    regime: Regime
    seed: int

    def primals(self, dtype: np.dtype[Any] | None = None) -> dict[str, Array]:
        """Return the arrays of this case, in `dtype` (default float64)."""
        arrays = self.kind.primals(self.config, np.random.default_rng(self.seed), self.regime)
        return {name: array.astype(dtype or np.float64) for name, array in arrays.items()}

    @property
    def id(self) -> CaseId:
        """This case as plain data."""
        return CaseId(self.kind.name, dataclasses.asdict(self.config), self.regime, self.seed)


def case_from_data(kind: Kind, config: Mapping[str, Any], regime: str, seed: int) -> Case:
    """Return the case that plain data describe.

    Raises
    ------
    ValueError
        If a field of the configuration is unknown or missing or of another type, the regime is unknown, or the
        seed is not a whole number from 0.

    Examples
    --------
    >>> from gradcheck.kinds import find_kind
    >>> case_from_data(find_kind("relu"), {"shape": [3, 2]}, "normal", 0).config
    ReLUConfig(shape=(3, 2))
    """
    known = {field.name for field in dataclasses.fields(kind.config)}
    if set(config) != known:
        raise ValueError(f"expected the fields {sorted(known)} in a {kind.name} config, got {sorted(config)}")
    if regime not in REGIMES:
        raise ValueError(f"expected a regime among {', '.join(REGIMES)}, got regime={regime!r}")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"expected seed to be a whole number from 0, got seed={seed!r} ({type(seed).__name__})")
    fields = {name: _tuples(value) for name, value in config.items()}
    for name, hint in get_type_hints(kind.config).items():
        if not _is_of(fields[name], hint):
            raise ValueError(
                f"expected {name} of a {kind.name} config to be {_spelled(hint)}, got {name}={config[name]!r}"
            )
    return Case(kind, kind.config(**fields), regime, seed)


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value, its lists made tuples, is of one of the types that configs are made of."""
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return type(value) is str and value in arguments
    if get_origin(hint) is not tuple:
        return type(value) is hint or (hint is float and type(value) is int)
    if type(value) is not tuple:
        return False
    if arguments[-1] is Ellipsis:
        return all(_is_of(item, arguments[0]) for item in value)
    return len(value) == len(arguments) and all(map(_is_of, value, arguments))


def _spelled(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
