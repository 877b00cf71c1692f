"""What a layer may say that it cannot do, in words: about configurations, or about behaviour."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, get_type_hints

from gradcheck.messages import did_you_mean, told
from gradcheck.subject import LIMITS, Trait
from gradcheck.suites.kind import Kind

Predicate: TypeAlias = Callable[[Any], bool]
Changes: TypeAlias = Callable[[Any], dict[str, Any]]


class Limit(NamedTuple):
    """A limit on configurations.

    Attributes
    ----------
    fields : tuple of str
        What a config needs to have.
    allows : callable
        Whether a config keeps the limit.
    changes : callable
        The fields that make any config keep it, so that few drawn ones are lost.
    """

    fields: tuple[str, ...]
    allows: Predicate
    changes: Changes


def _always(field: str, value: Any) -> Limit:
    """Every item of a field is `value`."""
    return Limit(
        (field,),
        lambda c: set(_several(getattr(c, field))) <= {value},
        lambda c: {field: _filled(getattr(c, field), value)},
    )


def _equal(field: str, *beside: str) -> Limit:
    """All items of a field are equal."""
    return Limit(
        (field, *beside),
        lambda c: len(set(_several(getattr(c, field)))) <= 1,
        lambda c: {field: _filled(getattr(c, field), max(_several(getattr(c, field))))},
    )


#: Words about configurations. Beside them ``"FIELD=VALUE only"`` is understood for every field of a config.
CONFIG_LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "bias only": _always("bias", True),
        "equal dilation": _equal("dilation"),
        "equal padding": _equal("padding"),
        "equal stride": _equal("stride"),
        "no affine": _always("affine", False),
        "no bias": _always("bias", False),
        "no ceil mode": _always("ceil_mode", False),
        "no class weights": Limit(("class_weights",), lambda c: not c.class_weights, lambda _: {"class_weights": ()}),
        "no dilation": _always("dilation", 1),
        "no groups": _always("groups", 1),
        "no label smoothing": _always("label_smoothing", 0.0),
        "no output padding": _always("output_padding", 0),
        "no padding": _always("padding", 0),
        "no remainder": Limit(
            ("batch", "kernel_size", "stride", "size", "padding"),
            lambda c: not any(_excess(c)),
            lambda c: {"size": tuple(n - more for n, more in zip(c.size, _excess(c), strict=True))},
        ),
        "one batch axis": Limit(
            ("batch_shape",), lambda c: len(c.batch_shape) == 1, lambda c: {"batch_shape": c.batch_shape[:1] or (1,)}
        ),
        "square input": _equal("size", "batch"),
        "square kernels": _equal("kernel_size"),
        "stride = kernel": Limit(
            ("kernel_size", "stride"), lambda c: c.stride == c.kernel_size, lambda c: {"stride": c.kernel_size}
        ),
        "symmetric padding": Limit(
            ("padding",),
            lambda c: c.padding[::2] == c.padding[1::2],
            lambda c: {"padding": tuple(end for pair in _pairs(c.padding) for end in (max(pair),) * 2)},
        ),
    }
)
#: Words about behaviour, and the traits that they declare; every other limit of `Trait` by its own name.
_BEHAVIOUR = {
    "float32 only": "single-precision",
    "float16 only": "half-precision",
    "one pullback per forward": "single-pullback",
}
BEHAVIOUR_LIMITS: Mapping[str, str] = MappingProxyType(
    _BEHAVIOUR | {name.replace("-", " "): name for name in LIMITS if name not in _BEHAVIOUR.values()}
)


class Limits(NamedTuple):
    """The limits of one suite: on configurations, by their words, and on behaviour."""

    configs: Mapping[str, tuple[Predicate, Changes | None]] = MappingProxyType({})
    traits: frozenset[Trait] = frozenset()

    def allow(self, config: Any) -> bool:
        """Whether a config keeps all limits."""
        return all(allows(config) for allows, _ in self.configs.values())

    def apply(self, config: Any) -> Any:
        """Return a config with the fields changed that the limits rule; not every change is a valid config."""
        for allows, changes in self.configs.values():
            if changes is not None and not allows(config):
                config = _changed(config, changes(config))
        return config


def parse_limits(limits: Iterable[str | Trait] | Mapping[str, Predicate | bool], kind: Kind | None) -> Limits:
    """Return the limits that words, traits and predicates declare.

    Parameters
    ----------
    limits : iterable of str or Trait, or mapping of str to callable or True
        Words; or texts with a predicate ``(config) -> bool`` each, where ``True`` stands beside a word.
    kind : Kind or None
        Whose configs are limited; without one, behaviour alone can be.

    Raises
    ------
    TypeError, ValueError
        If a word is unknown, or about a field that the kind does not have; the message names the nearest.
    """
    if isinstance(limits, str):
        raise TypeError(f"expected limits to be several, as in limits=[{limits!r}], got limits={limits!r} (str)")
    given = limits.items() if isinstance(limits, Mapping) else [(limit, True) for limit in limits]
    configs: dict[str, tuple[Predicate, Changes | None]] = {}
    traits: set[Trait] = set()
    for limit, allows in given:
        if isinstance(limit, Trait):
            traits.add(_limit(limit))
        elif not isinstance(limit, str):
            raise TypeError(f"expected limits to be words or traits, got {limit!r} ({type(limit).__name__})")
        elif callable(allows):
            if kind is None:
                raise ValueError(f"expected no limit on configs without a kind, got limits[{limit!r}]={allows!r}")
            configs[limit] = _tried(limit, allows, kind), None
        elif allows is not True:
            raise TypeError(f"expected limits[{limit!r}] to be a callable (config) -> bool or True, got {allows!r}")
        elif (name := BEHAVIOUR_LIMITS.get(limit, limit)) in LIMITS:
            traits.add(Trait(name))
        else:
            found = _by_word(limit, kind)
            configs[limit] = found.allows, found.changes
    return Limits(MappingProxyType(configs), frozenset(traits))


def _limit(trait: Trait) -> Trait:
    if trait.limit is None:
        raise ValueError(f"expected a trait that is a limit, got {trait}, a fact; declare it on the Subject")
    return trait


def _tried(text: str, allows: Predicate, kind: Kind) -> Predicate:
    """The predicate, which takes configs of the kind."""
    for config in kind.corners:
        try:
            allows(config)
        except Exception as error:
            raise ValueError(
                f"expected limits[{text!r}] to take a config of {kind.name}, got one that raises {told(error)}"
            ) from error
    return allows


def _by_word(word: str, kind: Kind | None) -> Limit:
    types = get_type_hints(kind.config) if kind else {}
    known = {name: limit for name, limit in CONFIG_LIMITS.items() if types.keys() >= set(limit.fields)}
    if word in known:
        return known[word]
    given = re.fullmatch(r"(\w+)=(\S+) only", word)
    if kind and given and given[1] in types:
        value = _read(given[2])
        for item in (item for config in kind.corners for item in _several(getattr(config, given[1]))):
            if not isinstance(value, type(item)):
                raise ValueError(f"expected the value of {given[1]} in {word!r} to be of type {type(item).__name__}")
        return _always(given[1], value)
    whose = kind.name if kind else "a suite without a kind"
    forms = [*known, *BEHAVIOUR_LIMITS, *(f"{field}=1 only" for field in types)]
    shown = ", ".join([*known, *(["FIELD=VALUE only"] if types else []), *BEHAVIOUR_LIMITS])
    raise ValueError(f"expected a limit of {whose} among {shown}, got {word!r}{did_you_mean(word, forms)}")


def _read(value: str) -> Any:
    """A number or a truth value as Python writes it; else the word itself."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _changed(config: Any, changes: dict[str, Any]) -> Any:
    """The config with other fields; windows have as much room to move as before.

    Where it would be none of the kind, it stays as it is, and is not drawn.
    """
    try:
        changed = dataclasses.replace(config, **changes)
    except ValueError:
        return config
    if not {"batch", "kernel_size", "size", "padding"} <= {*vars(config)} or "size" in changes:
        return changed
    room = zip(_slack(config), _slack(changed), config.size, strict=True)
    return dataclasses.replace(changed, size=tuple(max(1, n + old - new) for old, new, n in room))


def _excess(config: Any) -> tuple[int, ...]:
    """How many entries along each axis no further window has room in."""
    return tuple(slack % stride for slack, stride in zip(_slack(config), config.stride, strict=True))


def _slack(config: Any) -> tuple[int, ...]:
    """How far a window can move along each axis; below 0 where a change has left it no room."""
    dilation = getattr(config, "dilation", (1,) * len(config.size))
    ends = config.padding[::2], config.padding[1::2]
    numbers = zip(config.size, config.kernel_size, dilation, *ends, strict=True)
    return tuple(n + before + after - d * (k - 1) - 1 for n, k, d, before, after in numbers)


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _filled(like: Any, value: Any) -> Any:
    return (value,) * len(like) if isinstance(like, tuple) else value


def _pairs(ends: tuple[int, ...]) -> Iterable[tuple[int, int]]:
    return zip(ends[::2], ends[1::2], strict=True)
