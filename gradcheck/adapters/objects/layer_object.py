"""Layer objects as people write them: forward, backward, and parameters and gradients somewhere inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.axis_orders import in_layout
from gradcheck.adapters.objects.discovery import discover
from gradcheck.adapters.objects.layer_factory import LayerFactory
from gradcheck.adapters.objects.layer_methods import Method
from gradcheck.adapters.objects.object_options import ObjectOptions
from gradcheck.adapters.subject_from import subject_from
from gradcheck.messages import did_you_mean
from gradcheck.subject import Arrays, Subject, Trait

_INPUT = re.compile(r"x\d*")


def from_object(
    make: Any,
    primals: Arrays,
    *constants: Any,
    inputs: Sequence[str] | None = None,
    params: Mapping[str, str] | None = None,
    grads: Mapping[str, str] | None = None,
    returns: Any = None,
    forward: Method | None = None,
    backward: Method | None = None,
    build: str | Callable[[Any, Any], Any] | None = None,
    training: str | None = None,
    evaluates: bool = False,
    seed: str | Callable[[], Any] | None = None,
    learning_rate: str | None = None,
    optimizer: str | Sequence[str] | None = None,
    accumulates: bool | None = None,
    scale: Mapping[str, float] | None = None,
    layouts: Mapping[str, Any] | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
) -> Subject:
    """Return a layer object as a subject.

    What is not said is found out by one forward and backward beforehand, by names and shapes; what may be one thing
    or another is refused.

    Parameters
    ----------
    make : callable or object
        A callable without arguments that returns a layer (a class, a function): every forward gets a layer of its
        own. Or a layer, which is copied once if it can be, and then serves all forwards.
    primals : mapping of str to ndarray
        Inputs and parameters, by the names of gradcheck's kinds: ``{"x": x, "weight": w, "bias": b}``.
    *constants
        Further arguments of forward, after the inputs, for which no gradient is wanted.
    inputs : sequence of str, optional
        The primals that forward is given, in its order. Default: ``x``, ``x2``, and so on.
    params : mapping of str to str, optional
        Where a parameter is in the layer: ``{"weight": "W"}``, ``{"weight": "params['W']"}``, ``{"weight": "W.data"}``.
    grads : mapping of str to str, optional
        Where a gradient is after backward: ``{"weight": "dW"}``, ``{"weight": "grads[0]"}``.
    returns : nested tuple of str, optional
        Order of the gradients that backward returns: ``("x", "weight", "bias")``; None for what is no gradient.
    forward, backward : str or callable, optional
        Names of the methods; or functions ``forward(layer, *inputs, *constants)`` and ``backward(layer, cotangent)``.
    build : str or callable, optional
        Method that makes the parameters, given the shape of the first input; or ``build(layer, first_input)``; a
        layer without inputs is built without. One that makes them in its first forward is seen to.
    training : str, optional
        Where the mode is set: an argument of forward, an attribute, or a method (beside which there is ``eval()``).
    evaluates : bool
        Whether the layer is verified in the mode of evaluation.
    seed : str or callable, optional
        Path of a random generator that is reset before each forward (generators found in the layer are reset without
        it); ``"global"`` for NumPy's own; or what to call before each forward.
    learning_rate : str, optional
        Argument of backward, or attribute, by which backward updates the parameters: gradients that are kept nowhere
        are seen in that.
    optimizer : str or sequence of str, optional
        Where the layer holds the optimizer(s) that backward hands gradients to: one that records takes their place.
    accumulates : bool, optional
        Whether backward adds to the gradients that the layer holds. Default: what is seen.
    scale : mapping of str to float, optional
        Factor by which a gradient is expected to differ: ``{"weight": 1 / batch}``.
    layouts : mapping of str to str, optional
        Arrays with axes in another order, as for `in_layout`.
    name : str, optional
        Default: the name of the layer's class.
    traits, reproduce
        As `Subject` takes them.

    Returns
    -------
    Subject
        Parameters and gradients may have further axes of size 1 in the layer. Declared traits show what was found:
        one object for all forwards, gradients that are added up, scale, seed.

    Raises
    ------
    ValueError
        If a parameter or gradient is not found, or may be in several places, or a declaration does not hold.
    TypeError
        If `make` is no layer, and makes none.
    LayerError
        If the layer raises in its first forward or backward.

    Examples
    --------
    >>> import gradcheck
    >>> class Dense:
    ...     def __init__(self):
    ...         self.W, self.b = np.zeros((3, 2)), np.zeros((1, 2))
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.W + self.b
    ...     def backward(self, dy):
    ...         self.dW, self.db = self.x.T @ dy, dy.sum(0, keepdims=True)
    ...         return dy @ self.W.T
    >>> rng = np.random.default_rng(0)
    >>> primals = {name: rng.normal(size=size) for name, size in (("x", (4, 3)), ("weight", (2, 3)), ("bias", 2))}
    >>> subject = from_object(Dense, primals, layouts={"weight": "IO"})
    >>> gradcheck.verify(subject).verdict
    'passed'
    """
    names = _inputs(primals, inputs)
    options = ObjectOptions(
        inputs=names,
        constants=constants,
        params=dict(params or {}),
        grads=dict(grads or {}),
        returns=returns,
        methods=(forward, backward),
        build=build,
        training=training,
        trains=not evaluates,
        seed=seed,
        learning_rate=learning_rate,
        optimizers=(optimizer,) if isinstance(optimizer, str) else tuple(optimizer or ()),
        accumulates=accumulates,
        scale=dict(scale or {}),
        has_layout=bool(layouts and set(layouts) & set(names)),
    )
    for option in ("params", "grads", "scale"):
        for key in getattr(options, option):
            if key not in primals:
                raise ValueError(
                    f"expected {option} to name primals among {list(primals)}, got {key!r}{did_you_mean(key, primals)}"
                )
    factory = LayerFactory.of(make, backward)

    def adapted(arrays: Arrays) -> Subject:
        runner = discover(factory, {key: np.asarray(array) for key, array in arrays.items()}, options)
        return subject_from(
            factory.label,
            arrays,
            runner.vjp,
            name=name,
            traits=traits,
            reproduce=reproduce,
            seen=runner.traits(),
            constants=constants,
            forward=runner.forward,
            other_mode=runner.other_mode if runner.methods.mode is not None and not factory.is_single else None,
        )

    return in_layout(primals, layouts, adapted) if layouts else adapted(primals)


def _inputs(primals: Arrays, given: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(name for name in primals if _INPUT.fullmatch(name)) if given is None else tuple(given)
    for name in names:
        if name not in primals:
            raise ValueError(
                f"expected inputs to name primals among {list(primals)}, got {name!r}{did_you_mean(name, primals)}"
            )
    if not names and given is None:
        raise ValueError(
            f"expected a primal named 'x' as the layer's input, got {list(primals)}; say which of them forward is "
            f"given: inputs=({next(iter(primals), 'x')!r},)"
        )
    return names
