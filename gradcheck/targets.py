"""What a target on the command line stands for: a file or a module, and what is to be verified in it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeAlias

from gradcheck.messages import did_you_mean, location, told
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.kind import Kind
from gradcheck.suites.suite import Suite, suite

Item: TypeAlias = Suite | Subject | Deferred

REFERENCE = "reference_layers"


class TargetError(ValueError):
    """A target does not lead to anything that can be verified; the text is one sentence."""


class NothingFoundError(TargetError):
    """A target holds nothing that can be verified."""


def load_any(target: str) -> list[Item]:
    """Return what a target stands for, or nothing where it holds nothing; files without the word are not run.

    Raises
    ------
    TargetError
        If a file that names gradcheck cannot be imported.
    """
    path = Path(target)
    if path.suffix == ".py" and _is_file(path) and b"gradcheck" not in path.read_bytes():
        return []
    try:
        return load(target)
    except NothingFoundError:
        return []


def load(target: str) -> list[Item]:
    """Return what a target stands for.

    Parameters
    ----------
    target : str
        ``path.py``, ``path.py:name``, ``package.module`` or ``package.module:name``. Without a name: every Suite and
        every Subject among the public names of the module, in the order of their definition. With a name: that one,
        or what the function of that name returns when it is called without arguments. In `reference_layers`, and in
        its modules, the suites of the kinds that verify the layers there.

    Raises
    ------
    TargetError
        If there is no such file, module or name, the module raises on import, or holds nothing to verify.
    """
    source, name = _split(target)
    module = _load_file(source) if source.endswith(".py") else _import_module(source)
    if source.split(".")[0] == REFERENCE:
        return _reference_items(module, name)
    return _items(target, module) if name is None else _named_items(target, module, name)


def _split(target: str) -> tuple[str, str | None]:
    if target.endswith(".py") or ":" not in target:  # the colon of C:\layers.py separates nothing
        return target, None
    source, _, name = target.rpartition(":")
    if not source or not name:
        raise TargetError(f"expected a target path.py[:name] or package.module[:name], got {target!r}")
    return source, name


# Modules


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a zero byte
        return False


def _load_file(source: str) -> ModuleType:
    path = Path(source).absolute()
    if not _is_file(path):
        siblings = [str(Path(source).with_name(near.name)) for near in path.parent.glob("*.py")]
        raise TargetError(
            f"expected a Python file, got {source!r}, which does not exist{did_you_mean(source, siblings)}"
        )
    # A private name, so that a file called numpy.py shadows nothing; the digest keeps files of one name apart.
    name = f"_gradcheck_target_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"expected a Python file, got {source!r}, which Python does not take for one")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being executed
    try:
        with _on_path(Path.cwd()), _on_path(path.parent):  # tests import what `python -m pytest` finds
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        _refuse_import(source, error)
    return module


def _import_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        near = did_you_mean(f"{name}.py", [f"{name}.py"]) if _is_file(Path(f"{name}.py")) else ""
        raise TargetError(f"expected a target path.py[:name] or package.module[:name], got {name!r}{near}")
    try:
        with _on_path(Path.cwd()):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise TargetError(f"expected a module, got {name!r}, which does not exist{_near_module(name)}") from None
        _refuse_import(name, error)
    except (Exception, SystemExit) as error:
        _refuse_import(name, error)


@contextlib.contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the module may have rearranged the path itself
            sys.path.remove(str(folder))


def _near_module(name: str) -> str:
    parent, _, leaf = name.rpartition(".")
    package = sys.modules.get(parent)
    if package is None:
        here = [found.name for found in pkgutil.iter_modules([str(Path.cwd())])]
        return did_you_mean(name, [REFERENCE, *here])
    if hasattr(package, leaf):
        return f"; did you mean '{parent}:{leaf}'?"
    beside = [f"{parent}.{found.name}" for found in pkgutil.iter_modules(getattr(package, "__path__", []))]
    return did_you_mean(name, beside)


def _refuse_import(source: str, error: BaseException) -> NoReturn:
    where = location(error, lambda frame: frame.name == "<module>")
    raise TargetError(f"expected {source} to import, got {told(error)}{where}") from error


# What is in them


def _reference_items(module: ModuleType, name: str | None) -> list[Item]:
    if name is None and module.__name__ == REFERENCE:
        return default_items()
    known = _reference_classes(module)
    if name is not None and name not in known:
        raise TargetError(
            f"expected a layer of {module.__name__} that a kind verifies, got {name!r}{did_you_mean(name, known)}"
        )
    items = _verifying(known.values() if name is None else [known[name]])
    if not items:
        raise TargetError(
            f"expected layers that a kind verifies, got {module.__name__}, which defines none; {REFERENCE} verifies all"
        )
    return items


def default_items() -> list[Item]:
    """Return what is verified when nothing is named: every reference layer, a network on real digits, large ones."""
    from gradcheck.kinds.networks import digits_subject

    suites = [suite(kind.name) for kind in _kinds()]
    digits = [digits_subject(pool="mean"), digits_subject(pool="max")]
    return [*suites, *digits, *(network for networks in _networks().values() for network in networks)]


def _reference_classes(module: ModuleType) -> dict[str, type]:
    """The verified classes of a module by name; those of a package's modules count as its own."""
    classes = dict.fromkeys([*(layer for kind in _kinds() for layer in kind.layers), *_networks()])
    return {
        layer.__name__: layer
        for layer in classes
        if f"{layer.__module__}.".startswith(f"{module.__name__}.") or getattr(module, layer.__name__, None) is layer
    }


def _verifying(layers: Iterable[Any]) -> list[Item]:
    """What verifies these layers: suites of their kinds, and networks of full size."""
    wanted = set(layers)
    suites = [suite(kind.name) for kind in _kinds() if wanted.intersection(kind.layers)]
    return [*suites, *(network for layer, own in _networks().items() if layer in wanted for network in own)]


def _kinds() -> list[Kind]:
    from gradcheck.kinds import KINDS

    return list(KINDS.values())


def _networks() -> Mapping[type, tuple[Deferred, ...]]:
    from gradcheck.kinds.full_size import NETWORKS

    return NETWORKS


def _items(target: str, module: ModuleType) -> list[Item]:
    found = {
        id(thing): place(thing, f"{target}:{name}")
        for name, thing in _public(module)
        if isinstance(thing, Suite | Subject)
    }
    if not found:
        makers = [f"{target}:{name}" for name, thing in _public(module) if _is_maker(module, thing)]
        hint = f"; or name a function that returns one, such as {makers[0]}" if makers else ""
        raise NothingFoundError(
            f"expected a module-level gradcheck.Subject(...) or gradcheck.suite(...) in {target}, got none{hint}; "
            f"write, for instance, conv = gradcheck.suite('conv2d', build)"
        )
    return list(found.values())


def _named_items(target: str, module: ModuleType, name: str) -> list[Item]:
    if not hasattr(module, name):
        source = target.rpartition(":")[0]
        known = [public for public, _ in _public(module)]
        raise TargetError(f"expected a name that {source} defines, got {name!r}{did_you_mean(name, known)}")
    thing = getattr(module, name)
    if not isinstance(thing, Suite | Subject | list | tuple) and callable(thing):
        thing = _call(target, thing)
    items = list(thing) if isinstance(thing, list | tuple) else [thing]
    wrong = [item for item in items if not isinstance(item, Suite | Subject)]
    if wrong or not items:
        came = f"one of type {type(wrong[0]).__name__}" if wrong else "an empty list"
        raise TargetError(
            f"expected {target} to be a Subject, a Suite, a list of them or a function that returns one of these, "
            f"got {came}; make one with gradcheck.Subject(...) or gradcheck.suite(kind, build)"
        )
    return _placed_together(items, target)


def place(item: Suite | Subject, where: str) -> Suite | Subject:
    """Return the item, knowing how the command line finds it again; reference layers are found by their kind."""
    if isinstance(item, Suite):
        return replace(item, origin=where) if item.origin is None else item
    return item if item.reproduce else replace(item, reproduce=f"gradcheck verify {shlex.quote(where)} --seed {{seed}}")


def _placed_together(items: Iterable[Suite | Subject], where: str) -> list[Item]:
    """Several items of one place: a case names a kind, so a place where two suites share one tells neither."""
    listed = list(items)
    kinds = Counter(item.kind_name for item in listed if isinstance(item, Suite))
    alone = [not isinstance(item, Suite) or kinds[item.kind_name] == 1 for item in listed]
    return [place(item, where) if known else item for item, known in zip(listed, alone, strict=True)]


def _call(target: str, function: Callable[..., Any]) -> Any:
    needed = _required(function)
    if needed:
        raise TargetError(
            f"expected {target} to be callable without arguments, got one that needs {', '.join(needed)}; "
            f"a layer is verified as gradcheck.suite(kind, build)"
        )
    file = getattr(inspect.unwrap(function), "__code__", None)
    try:
        return function()
    except (Exception, SystemExit) as error:
        where = location(error, lambda frame: file is not None and frame.filename == file.co_filename)
        raise TargetError(f"expected {target} to return what is to be verified, got {told(error)}{where}") from error


def _public(module: ModuleType) -> list[tuple[str, Any]]:
    return [(name, thing) for name, thing in vars(module).items() if not name.startswith("_")]


def _is_maker(module: ModuleType, thing: object) -> bool:
    return inspect.isfunction(thing) and thing.__module__ == module.__name__ and not _required(thing)


def _required(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins may have no signature; calling them tells
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]
