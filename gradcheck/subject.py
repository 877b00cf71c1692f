"""The waist of the project: everything to be verified becomes a `Subject`, and every check knows only that."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Outputs: TypeAlias = Array | tuple[Array, ...]
Pullback: TypeAlias = Callable[[Any], Arrays]
Vjp: TypeAlias = Callable[[Any], tuple[Any, Pullback]]
Forward: TypeAlias = Callable[[Any], Any]

_TRAIT_NAMES = ("batch-separable", "single-precision", "half-precision")
_FLOAT_DTYPES = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16))


@dataclass(frozen=True, order=True)
class Trait:
    """A fact that a subject declares about itself; what can be tested is tested, not believed.

    Parameters
    ----------
    name : str
        ``"batch-separable"``: axis 0 of the named primals and of every output counts independent samples.
        ``"single-precision"``, ``"half-precision"``: the forward computes in float32 (float16) whatever the
        dtype of its primals, and says so.
    primals : tuple of str
        The primals the fact is about; all of them if empty.

    Raises
    ------
    ValueError
        If `name` is not one of the names above.

    Examples
    --------
    >>> Trait("batch-separable", ("x",))
    Trait(name='batch-separable', primals=('x',))
    """

    name: str
    primals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in _TRAIT_NAMES:
            raise ValueError(
                f"expected a trait among {', '.join(_TRAIT_NAMES)}, got name={self.name!r}"
                f"{did_you_mean(self.name, _TRAIT_NAMES)}"
            )


@dataclass(frozen=True)
class Subject:
    """A function with a hand-written pullback, at one point: what a gradient check is about.

    Parameters
    ----------
    name : str
        What reports call it.
    primals : mapping of str to ndarray
        Every array a gradient is wanted for: inputs and parameters. Floating point (float64, float32 or
        float16), not empty, finite. Copied and made read-only: a subject never changes.
    vjp : callable
        ``outputs, pullback = vjp(primals)``. `outputs` is one array or a tuple of arrays; ``pullback(cotangents)``
        takes cotangents in the same form and returns ``{name: gradient}`` for every primal.
    forward : callable, optional
        ``outputs = forward(primals)`` without keeping anything for a pullback. Default: the outputs of `vjp`.
    traits : iterable of Trait, optional
        Declared facts.
    reproduce : str, optional
        Command or snippet that builds this subject again and checks it; shown with every failure, with the seed
        in the place of ``{seed}``.

    Raises
    ------
    TypeError
        If a part has the wrong type, or a primal is not an array of floating dtype.
    ValueError
        If a primal is empty or not finite, or there is no primal.

    Notes
    -----
    The two-phase form is that of `jax.vjp`: it lets the same forward be pulled back several times and lets two
    forwards precede the first pullback, which is where faults of caching show.

    Examples
    --------
    >>> import numpy as np
    >>> def square(primals):
    ...     x = primals["x"]
    ...     return x**2, lambda cotangent: {"x": 2 * x * cotangent}
    >>> subject = Subject("square", {"x": np.array([1.0, -2.0])}, square)
    >>> outputs, pullback = subject.vjp(subject.primals)
    >>> pullback(np.array([1.0, 1.0]))["x"].tolist()
    [2.0, -4.0]
    """

    name: str
    primals: Arrays
    vjp: Vjp
    forward: Forward | None = None
    traits: frozenset[Trait] = frozenset()
    reproduce: str = ""

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str), "name", "a str", self.name)
        _require(callable(self.vjp), "vjp", "a callable returning (outputs, pullback)", self.vjp)
        _require(self.forward is None or callable(self.forward), "forward", "a callable or None", self.forward)
        _require(isinstance(self.primals, Mapping), "primals", "a mapping of names to arrays", self.primals)
        if not self.primals:
            raise ValueError(f"{self.name}: expected at least one primal, got primals={{}}")
        frozen = {name: _frozen_primal(self.name, name, array) for name, array in self.primals.items()}
        object.__setattr__(self, "primals", MappingProxyType(frozen))
        object.__setattr__(self, "traits", _checked_traits(self.name, self.traits, frozen))

    def with_primals(self, primals: Arrays) -> Subject:
        """Return this subject at another point."""
        return Subject(self.name, primals, self.vjp, self.forward, self.traits, self.reproduce)

    def trait(self, name: str) -> Trait | None:
        """Return the declared trait of that name, if any."""
        return next((trait for trait in self.traits if trait.name == name), None)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known word, or nothing where none is near.

    Examples
    --------
    >>> did_you_mean("conv2", ["conv2d", "relu"])
    "; did you mean 'conv2d'?"
    >>> did_you_mean("something else", ["conv2d", "relu"])
    ''
    """
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(given.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def _require(condition: bool, argument: str, expected: str, value: object) -> None:
    if not condition:
        raise TypeError(f"expected {argument} to be {expected}, got {argument}={value!r} ({type(value).__name__})")


def _frozen_primal(subject: str, name: str, array: object) -> Array:
    where = f"{subject}: primal {name!r}"
    if not isinstance(name, str):
        raise TypeError(f"{subject}: expected primals to be named by str, got {name!r} ({type(name).__name__})")
    if not isinstance(array, np.ndarray | np.generic | float):
        raise TypeError(f"{where}: expected a NumPy array of floating dtype, got {type(array).__name__}")
    value = np.asarray(array)
    if value.dtype not in _FLOAT_DTYPES:
        raise TypeError(
            f"{where}: expected dtype float64, float32 or float16, got dtype={value.dtype} of shape {value.shape}; "
            f"convert it with .astype(np.float64), or keep it out of the primals if no gradient is wanted for it"
        )
    if value.size == 0:
        raise ValueError(f"{where}: expected at least one entry, got an empty array of shape {value.shape}")
    finite = np.isfinite(value)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"{where}: expected finite entries, got {value[index]} at index {index} of {value.shape}")
    frozen = value.copy(order="C")
    frozen.flags.writeable = False
    return frozen


def _checked_traits(subject: str, traits: Iterable[Trait], primals: Arrays) -> frozenset[Trait]:
    checked = frozenset(traits)
    for trait in checked:
        _require(isinstance(trait, Trait), "traits", "an iterable of Trait", trait)
        for name in trait.primals:
            if name not in primals:
                raise ValueError(
                    f"{subject}: trait {trait.name!r} names primal {name!r}, which is none of {sorted(primals)}"
                    f"{did_you_mean(name, primals)}"
                )
    return checked
