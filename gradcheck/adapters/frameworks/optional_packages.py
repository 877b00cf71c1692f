"""Packages that a user may not have: imported when an adapter needs one, and asked for in one sentence."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def optional_package(name: str) -> Any:
    """Import a module of a package that gradcheck does not install, and return it.

    Parameters
    ----------
    name : str
        The package, or a module of it. The extra of gradcheck that installs it has the name of the package.

    Raises
    ------
    ModuleNotFoundError
        If the package is not there.

    Examples
    --------
    >>> optional_package("nothing")
    Traceback (most recent call last):
    ModuleNotFoundError: this needs the package nothing; install it with: pip install "gradcheck[nothing]"
    """
    package = name.partition(".")[0]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # it is there, and itself lacks something
            raise
        raise ModuleNotFoundError(
            f'this needs the package {package}; install it with: pip install "gradcheck[{package}]"', name=package
        ) from None
    return importlib.import_module(name)


def loaded_package(name: str) -> Any | None:
    """Return a module that is loaded already, or None: what is not loaded has made nothing that could be recognised.

    Examples
    --------
    >>> import math
    >>> loaded_package("math") is math, loaded_package("no_such_package")
    (True, None)
    """
    return sys.modules.get(name)
