"""What is written in PyTorch: a module, a ``torch.autograd.Function``, or any function of tensors.

Nothing of torch is imported before something is adapted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from gradcheck.adapters.frameworks.framework_arguments import Arguments, arguments_of, common_dtype, in_dtype
from gradcheck.adapters.frameworks.optional_packages import loaded_package, optional_package
from gradcheck.adapters.returned_values import as_tuple, leaves, one_or_several
from gradcheck.adapters.signatures import name_of, parameters_of
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Array, Arrays, Law, Pullback, Subject, Trait

#: Torch is seeded with this before each forward that draws random numbers.
_SEED = 20_240_229


def is_torch(thing: object) -> bool:
    """Whether something is a module or an autograd function of torch; does not import torch to find out.

    Examples
    --------
    >>> is_torch(len)
    False
    """
    torch = loaded_package("torch")
    if torch is None:
        return False
    is_function = isinstance(thing, type) and issubclass(thing, torch.autograd.Function)
    return is_function or isinstance(thing, torch.nn.Module)


def from_torch(
    thing: Any,
    primals: Mapping[str, Any],
    *,
    constants: Mapping[str, Any] | None = None,
    outputs: Iterable[int] | None = None,
    training: bool | None = None,
    in_place: bool = False,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    laws: Iterable[Law] = (),
) -> Subject:
    """Return something written in PyTorch as a subject.

    Parameters
    ----------
    thing : torch.nn.Module, subclass of torch.autograd.Function, or callable
        A module, whose parameters become primals under their dotted names (those with ``requires_grad=False``
        constants); an autograd function, of which ``apply`` is called; or any function of tensors.
    primals : mapping of str to ndarray
        The inputs, by the names of the parameters of ``forward`` or in their order. Arrays of integers, such as
        indices, are constants. For a module also values for its parameters, in the place of those that it has.
    constants : mapping of str to object, optional
        Further arguments for which no gradient is wanted: targets, masks, options.
    outputs : iterable of int, optional
        The positions of the outputs to look at. Default: all of floating dtype.
    training : bool, optional
        Run the module in training mode, or in that of evaluation. Default: as it is.
    in_place : bool
        Whether the layer may write into its inputs, as ``ReLU(inplace=True)`` does: it gets copies.
    name : str, optional
    traits : iterable of Trait
        ``Trait("stochastic")`` seeds torch before each forward.
    reproduce : str
    laws : iterable of Law

    Raises
    ------
    ModuleNotFoundError
        If torch is not installed.
    TypeError, ValueError
        If an argument is unusable.

    Notes
    -----
    The dtype of the primals decides in which precision a module runs; the module itself is left as it is. Each forward
    starts from the buffers that it had when it was adapted: all forwards are the same function. Tensors keep the
    memory layout of their arrays, except that torch has no negative strides, and parameters are contiguous.
    """
    torch = optional_package("torch")
    declared = frozenset(traits)
    options = {
        "outputs": None if outputs is None else tuple(outputs),
        "in_place": in_place,
        "seed": _SEED if any(trait.name == "stochastic" for trait in declared) else None,
    }
    if isinstance(thing, torch.nn.Module):
        layer = _module(torch, thing, primals, constants or {}, training, options)
        written = layer.written() if _mode(thing, training) else ()
        seen = [Trait("forward-writes", written)] if written else []
    else:
        _require_function(thing, training)
        layer, seen = _function(torch, thing, primals, constants or {}, options), []
    return subject_from(
        layer.name,
        {**layer.arguments.primals, **layer.parameters},
        layer.vjp,
        name=name,
        traits=declared,
        reproduce=reproduce,
        seen=seen,
        constants={**layer.arguments.constants, **layer.watched},
        forward=layer.forward,
        other_mode=partial(layer.forward, other_mode=True) if layer.has_modes else None,
        laws=laws,
    )


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A function of tensors, as a function of arrays.

    Attributes
    ----------
    run : callable
        ``run(values, state, other_mode)`` with the tensors of the arguments, and of parameters and buffers.
    parameters : dict of str to ndarray
        Those of a module that a gradient is wanted for.
    state : dict of str to ndarray
        Its buffers and the parameters that it keeps fixed, as every forward finds them.
    watched : dict of str to ndarray
        The same, as the last forward left them.
    tells_none : bool
        Whether a gradient of None comes from the backward under test, and not from a part of the graph that is not
        there.
    """

    torch: Any
    name: str
    arguments: Arguments
    run: Callable[[dict[str, Any], dict[str, Any], bool], Any]
    outputs: tuple[int, ...] | None
    in_place: bool
    seed: int | None
    parameters: dict[str, Array] = field(default_factory=dict)
    state: dict[str, Array] = field(default_factory=dict)
    watched: dict[str, Array] = field(default_factory=dict)
    device: Any = "cpu"
    has_modes: bool = False
    tells_none: bool = False

    def vjp(self, arrays: Arrays) -> tuple[Any, Pullback]:
        """Return the outputs, and the pullback that torch makes of their graph."""
        tensors = {name: self._primal(name, array).requires_grad_() for name, array in arrays.items()}
        with self.torch.enable_grad():
            results = self._call(tensors, arrays)
        self._require_graph(results)

        def pullback(cotangents: Any) -> Arrays:
            gradients = self.torch.autograd.grad(
                tuple(results.values()),
                tuple(tensors.values()),
                tuple(map(self._tensor, as_tuple(cotangents))),
                retain_graph=True,
                allow_unused=True,
            )
            return {
                name: self._gradient(tensor, gradient)
                for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True)
            }

        return self._arrays(results), pullback

    def forward(self, arrays: Arrays, other_mode: bool = False) -> Any:
        """Return the outputs, without a graph."""
        with self.torch.no_grad():
            tensors = {name: self._primal(name, array) for name, array in arrays.items()}
            return self._arrays(self._call(tensors, arrays, other_mode))

    def written(self) -> tuple[str, ...]:
        """Return the names of what the forward changes of the state."""
        if not self.state:
            return ()
        self.forward({**self.arguments.primals, **self.parameters})
        changed = tuple(
            name for name, array in self.state.items() if not np.array_equal(array, self.watched[name], equal_nan=True)
        )
        for name, array in self.state.items():
            self.watched[name][...] = array
        return changed

    def _call(self, tensors: dict[str, Any], arrays: Arrays, other_mode: bool = False) -> dict[int, Any]:
        """Run the layer; return the outputs to look at by their positions."""
        dtype = common_dtype(arrays)
        parameters = {name: tensors[name] for name in self.parameters}
        values = {name: tensor.clone() if self.in_place else tensor for name, tensor in tensors.items()}
        constants = {name: self._constant(value, dtype) for name, value in self.arguments.constants.items()}
        state = {name: self._tensor(np.array(in_dtype(array, dtype))) for name, array in self.state.items()}
        with self._seeded(), self._explained_in_place():
            result = self.run({**values, **constants}, {**parameters, **state}, other_mode)
        if not other_mode:
            for name, tensor in state.items():
                self.watched[name][...] = tensor.numpy(force=True)
        return self._chosen(result)

    def _chosen(self, result: Any) -> dict[int, Any]:
        found = dict(enumerate(leaf for _, leaf in leaves(result) if isinstance(leaf, self.torch.Tensor)))
        if self.outputs is None:
            floating = {k: tensor for k, tensor in found.items() if tensor.is_floating_point()}
            if not floating:
                raise TypeError(f"expected {self.name} to return tensors of floating dtype, got {_described(result)}")
            return floating
        missing = [k for k in self.outputs if k not in found]
        if missing:
            raise ValueError(f"expected outputs among the {len(found)} of {self.name}, got outputs={self.outputs}")
        return {k: found[k] for k in self.outputs}

    def _require_graph(self, results: dict[int, Any]) -> None:
        for k, tensor in results.items():
            if not tensor.requires_grad:
                tracked = tuple(j for j, other in results.items() if other.requires_grad)
                raise ValueError(
                    f"expected output {k} of {self.name} to require a gradient, got requires_grad=False: does its "
                    f"forward use detach(), .data, .item(), .numpy() or no_grad()?"
                    + (f" If none is wanted, look at the others alone: outputs={tracked}" if tracked else "")
                )

    def _primal(self, name: str, array: Array) -> Any:
        return self._tensor(_contiguous(array) if name in self.parameters else array)

    def _constant(self, value: Any, dtype: np.dtype[Any]) -> Any:
        return self._tensor(in_dtype(value, dtype)) if isinstance(value, np.ndarray) else value

    def _tensor(self, array: Array) -> Any:
        """Return a tensor that shares the memory of an array, so that what is written into it is seen, if it can."""
        if self.seed is not None:  # torch deals out random numbers in the order of memory
            array = _contiguous(array)
        if array.ndim and 0 in array.strides and array.size > 1:
            once = array[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)]
            return self.torch.from_numpy(once.copy()).expand(array.shape).to(self.device)
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy(order="K")
        return self.torch.from_numpy(np.asarray(array)).to(self.device)

    def _gradient(self, leaf: Any, gradient: Any) -> Any:
        if gradient is None:
            return None if self.tells_none else np.zeros(tuple(leaf.shape), _array(leaf).dtype)
        return _array(gradient.to_dense() if gradient.is_sparse else gradient)

    def _arrays(self, results: dict[int, Any]) -> Any:
        return one_or_several(tuple(map(_array, results.values())))

    @contextmanager
    def _explained_in_place(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if self.in_place or "leaf" not in str(error):
                raise
            raise RuntimeError(f"{error} If {self.name} may write into its inputs, say so: in_place=True") from error

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        if self.seed is None:
            yield
            return
        device = self.torch.device(self.device)
        with self.torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
            self.torch.manual_seed(self.seed)
            yield


def _module(
    torch: Any,
    module: Any,
    given: Mapping[str, Any],
    constants: Mapping[str, Any],
    training: bool | None,
    options: dict[str, Any],
) -> _Layer:
    """Return a module, its parameters and buffers given with each call, in the mode that is asked for."""
    members = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    inputs = {name: value for name, value in given.items() if name not in members}
    arguments = arguments_of(parameters_of(module.forward), inputs, constants)
    values = {name: np.array(given[name]) if name in given else _array(tensor) for name, tensor in members.items()}
    wanted = {name for name, tensor in members.items() if tensor.requires_grad or name in given}
    if arguments.primals:
        dtype = common_dtype({name: np.asarray(value) for name, value in arguments.primals.items()})
        values = {name: in_dtype(value, dtype) for name, value in values.items()}
    state = {name: value for name, value in values.items() if name not in wanted}

    def run(tensors: dict[str, Any], state: dict[str, Any], other_mode: bool) -> Any:
        def called(*args: Any, **kwargs: Any) -> Any:
            return torch.func.functional_call(module, state, args, kwargs)

        with _in_mode(module, not _mode(module, training) if other_mode else training):
            return arguments.call(called, tensors)

    return _Layer(
        torch=torch,
        name=_module_name(module, training),
        arguments=arguments,
        run=run,
        parameters={name: value for name, value in values.items() if name in wanted},
        state=state,
        watched={name: value.copy() for name, value in state.items()},
        device=next((tensor.device for tensor in members.values()), "cpu"),
        has_modes=True,
        **options,
    )


def _function(
    torch: Any, thing: Any, given: Mapping[str, Any], constants: Mapping[str, Any], options: dict[str, Any]
) -> _Layer:
    """Return an autograd function, or any other function of tensors."""
    is_function = is_torch(thing)
    parameters = parameters_of(thing.forward if is_function else thing)
    if is_function and parameters and thing.setup_context is torch.autograd.Function.setup_context:
        parameters = parameters[1:]  # the context
    arguments = arguments_of(parameters, given, constants)
    called = thing.apply if is_function else thing

    def run(tensors: dict[str, Any], _state: dict[str, Any], _other_mode: bool) -> Any:
        return arguments.call(called, tensors)

    return _Layer(torch=torch, name=name_of(thing), arguments=arguments, run=run, tells_none=is_function, **options)


def _require_function(thing: Any, training: bool | None) -> None:
    expected = "expected a module, an autograd.Function or a function of tensors"
    if isinstance(thing, type) and not is_torch(thing):
        raise TypeError(f"{expected}, got the class {thing.__name__}; make an instance of it")
    if not callable(thing):
        raise TypeError(f"{expected}, got {_described(thing)}")
    if training is not None:
        raise ValueError(f"expected no mode of what is no torch.nn.Module, got training={training}")


def _mode(module: Any, training: bool | None) -> bool:
    """Return whether the module is to run in training, where buffers such as running statistics may be updated."""
    return bool(module.training) if training is None else training


@contextmanager
def _in_mode(module: Any, training: bool | None) -> Iterator[None]:
    """Put a module into a mode, and every part of it back into its own afterwards."""
    if training is None:
        yield
        return
    before = {part: part.training for part in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for part, mode in before.items():
            part.training = mode


def _module_name(module: Any, training: bool | None) -> str:
    name = type(module).__name__
    return name if training is None else f"{name} ({'training' if training else 'evaluation'})"


def _contiguous(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(array.shape)  # which would make a vector of a scalar


def _array(tensor: Any) -> Array:
    """Return a copy: results of torch share memory with what they were made of, and keep track of it themselves."""
    return np.array(tensor.numpy(force=True))


def _described(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
