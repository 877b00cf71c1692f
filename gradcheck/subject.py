"""The waist of the project: everything to be verified becomes a `Subject`, and every check knows only that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradcheck.messages import did_you_mean

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Outputs: TypeAlias = Array | tuple[Array, ...]
Pullback: TypeAlias = Callable[[Any], Arrays]
Vjp: TypeAlias = Callable[[Any], tuple[Any, Pullback]]
Forward: TypeAlias = Callable[[Any], Any]

#: Facts that let a check do more.
_FACTS = ("batch-separable", "any-rank")
#: What a subject may decline to promise, as reports put it.
LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "single-precision": "the forward computes in float32",
        "half-precision": "the forward computes in float16",
        "last-forward-only": "a pullback belongs to the last forward",
        "single-pullback": "each forward can be pulled back once",
        "accumulates": "gradients are added to what their arrays hold",
        "overwrites": "gradients are written into the same arrays by every call",
        "returns-views": "results may share memory with arguments",
        "stochastic": "random numbers come from a global generator, seeded before each forward",
        "batch-normalising": "samples of a batch influence each other",
        "fixed-batch": "the batch has one size",
        "forward-writes": "the forward updates constants",
        "cleared": "gradients that the layer adds up are set to zero before each pullback",
        "scaled": "gradients are divided by a factor that was declared",
    }
)
_FLOAT_DTYPES = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16))


@dataclass(frozen=True, order=True)
class Trait:
    """A fact that a subject declares about itself, or a limit of what it promises.

    A fact that can be tested is tested, not believed. A declared limit is shown in reports and never blamed.

    Parameters
    ----------
    name : str
        Facts:

        - ``"batch-separable"``: axis 0 of the named primals and of every output counts independent samples.
        - ``"any-rank"``: all axes but the last of the named primals, and of every output, count independent items,
          however many axes there are.

        Limits:

        - ``"single-precision"``, ``"half-precision"``: the forward computes in float32 (float16) whatever the dtype
          of its primals.
        - ``"last-forward-only"``: a pullback belongs to the last forward, since both share one cache.
        - ``"single-pullback"``: a forward can be pulled back once.
        - ``"accumulates"``: the pullback adds the gradients of the named primals to what the arrays that it returns
          hold, the same arrays each time; the caller sets them to zero.
        - ``"overwrites"``: the pullback writes the gradients of the named primals into the same arrays each time.
        - ``"returns-views"``: outputs and gradients may share memory with primals, cotangents and each other.
        - ``"stochastic"``: the forward draws from the global generator of NumPy or Python, which is seeded before
          each forward.
        - ``"batch-normalising"``: axis 0 of the named primals and of every output counts samples, which are not
          independent. Put in the place of ``"batch-separable"``.
        - ``"fixed-batch"``: the size of the batch cannot change.
        - ``"forward-writes"``: the forward updates the named constants, such as running statistics.
        - ``"cleared"``: the layer adds up the gradients of the named primals in places of its own, which an adapter
          sets to zero before each pullback.
        - ``"scaled"``: the layer's gradients of the named primals differ from the true ones by a declared factor.
    primals : tuple of str
        The primals (for ``"forward-writes"``: constants) that the trait is about; all of them if empty.

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
        known = (*_FACTS, *LIMITS)
        if self.name not in known:
            raise ValueError(
                f"expected a trait among {', '.join(known)}, got name={self.name!r}{did_you_mean(self.name, known)}"
            )

    def __str__(self) -> str:
        about = f", {self.primals!r}" if self.primals else ""
        return f"Trait({self.name!r}{about})"

    @property
    def limit(self) -> str | None:
        """What a report says of this limit; None for a fact."""
        if self.name not in LIMITS:
            return None
        about = f" ({', '.join(self.primals)})" if self.primals else ""
        return f"{LIMITS[self.name]}{about}"


@dataclass(frozen=True)
class Law:
    """An identity that outputs and gradients must satisfy exactly, whatever the cotangent: it costs no differences.

    Parameters
    ----------
    name : str
        A slug.
    formula : str
        As a reader knows it, with what a violation means.
    terms : callable
        ``terms(primals, outputs, cotangents, gradients)`` returns the terms of sums that must vanish, as an array
        whose last axis is summed over. The terms themselves tell how much rounding is to be expected.
    primals : tuple of str
        The primals whose gradients the law is about; a subject without one of them does not have the law.

    Examples
    --------
    >>> import numpy as np
    >>> law = Law("ones", "Σ dx = Σ g", lambda p, y, g, d: np.append(d["x"].ravel(), -g.ravel()), ("x",))
    >>> x = np.array([1.0, 2.0])
    >>> float(law.terms({"x": x}, x, x, {"x": x}).sum())
    0.0
    """

    name: str
    formula: str
    terms: Callable[[Arrays, Any, Any, Arrays], Array]
    primals: tuple[str, ...]


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
    constants : mapping of str to ndarray, optional
        Arrays that the layer uses and that no gradient is wanted for: targets, masks, running statistics. They are
        watched, not passed: a call that changes one is a fault.
    other_mode : callable, optional
        The forward in the layer's other mode (that of evaluation, where `vjp` is that of training): it runs between
        a forward and its pullback, which must not notice.
    laws : iterable of Law, optional
    sibling : Subject, optional
        A subject known to be right, with the same primals: its outputs are those that are due.
    without : mapping of str to str, optional
        Checks that are not run, by name, each with the reason that reports show.

    Raises
    ------
    TypeError
        If a part has the wrong type, or a primal is not an array of floating dtype.
    ValueError
        If a primal is empty or not finite, there is no primal, or a reason is missing.

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
    constants: Arrays = field(default_factory=dict)
    other_mode: Forward | None = None
    laws: tuple[Law, ...] = ()
    sibling: Subject | None = None
    without: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str), "name", "a str", self.name)
        _require(callable(self.vjp), "vjp", "a callable returning (outputs, pullback)", self.vjp)
        for optional in ("forward", "other_mode"):
            value = getattr(self, optional)
            _require(value is None or callable(value), optional, "a callable or None", value)
        _require(
            self.sibling is None or isinstance(self.sibling, Subject), "sibling", "a Subject or None", self.sibling
        )
        _require(isinstance(self.primals, Mapping), "primals", "a mapping of names to arrays", self.primals)
        if not self.primals:
            raise ValueError(f"{self.name}: expected at least one primal, got primals={{}}")
        _require(isinstance(self.constants, Mapping), "constants", "a mapping of names to arrays", self.constants)
        for key, array in self.constants.items():
            _require(isinstance(array, np.ndarray), f"constants[{key!r}]", "a NumPy array", array)
        checked = {name: _checked_primal(self.name, name, array) for name, array in self.primals.items()}
        frozen = _frozen(checked)
        object.__setattr__(self, "primals", MappingProxyType(frozen))
        object.__setattr__(self, "traits", _checked_traits(self.name, self.traits, frozen, self.constants))
        object.__setattr__(self, "laws", tuple(self.laws))
        object.__setattr__(self, "without", MappingProxyType(dict(require_reasons(self.without))))

    def with_primals(self, primals: Arrays) -> Subject:
        """Return this subject at another point."""
        return replace(self, primals=primals)

    def trait(self, name: str) -> Trait | None:
        """Return the declared trait of that name, if any."""
        return next((trait for trait in self.traits if trait.name == name), None)


@dataclass(frozen=True)
class Deferred:
    """A subject that is made when its turn comes and forgotten afterwards: several large ones do not fit at once.

    Attributes
    ----------
    name : str
    make : callable
        Returns the subject.
    """

    name: str
    make: Callable[[], Subject]


def require_reasons(without: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse checks that are switched off without a reason; return `without`.

    Raises
    ------
    TypeError, ValueError
    """
    _require(isinstance(without, Mapping), "without", "a mapping of names of checks to reasons", without)
    for check, reason in without.items():
        _require(isinstance(reason, str), f"without[{check!r}]", "a str, the reason", reason)
        if not reason.strip():
            raise ValueError(f"expected a reason for doing without {check!r}, got without[{check!r}]={reason!r}")
    return without


def _require(condition: bool, argument: str, expected: str, value: object) -> None:
    if not condition:
        raise TypeError(f"expected {argument} to be {expected}, got {argument}={value!r} ({type(value).__name__})")


def _checked_primal(subject: str, name: str, array: object) -> Array:
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
    return value


def _frozen(arrays: Arrays) -> dict[str, Array]:
    """Return copies that cannot be written to: parts of one vector where all are float64.

    The checks need the primals as one vector. Of a large network there is not room for both.
    """
    copies: dict[str, Array]
    if all(array.dtype == np.float64 for array in arrays.values()):
        ends = np.cumsum([array.size for array in arrays.values()])
        parts = np.split(np.empty(ends[-1]), ends[:-1])
        copies = {name: part.reshape(array.shape) for part, (name, array) in zip(parts, arrays.items(), strict=True)}
        for name, array in arrays.items():
            copies[name][...] = array
    else:
        copies = {name: array.copy(order="C") for name, array in arrays.items()}
    for copy in copies.values():
        if copy.base is not None:
            copy.base.flags.writeable = False
        copy.flags.writeable = False
    return copies


def _checked_traits(subject: str, traits: Iterable[Trait], primals: Arrays, constants: Arrays) -> frozenset[Trait]:
    checked = frozenset(traits)
    for trait in checked:
        _require(isinstance(trait, Trait), "traits", "an iterable of Trait", trait)
        what, known = ("constant", constants) if trait.name == "forward-writes" else ("primal", primals)
        for name in trait.primals:
            if name not in known:
                raise ValueError(
                    f"{subject}: trait {trait.name!r} names {what} {name!r}, which is none of {sorted(known)}"
                    f"{did_you_mean(name, known)}"
                )
    return checked
