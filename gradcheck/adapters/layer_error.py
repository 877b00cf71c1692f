"""Somebody's code, run before anything is checked: where it raises, and on which line."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class LayerError(RuntimeError):
    """The code of a layer, or of what makes it, raised before anything could be checked."""


def attempt(what: str, function: Callable[[], Any], hint: str = "", of_shapes: str = "") -> Any:
    """Call somebody's code before anything is checked.

    Parameters
    ----------
    what : str
    function : callable
    hint, of_shapes : str
        Ends of the sentence: always, and where the error may come from arrays that do not fit.

    Raises
    ------
    LayerError
        If it raises: what, and where.
    """
    try:
        return function()
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        how = of_shapes if isinstance(error, ValueError | IndexError) else ""
        raise LayerError(f"{what} raised {type(error).__name__}: {error} ({place}){hint}{how}") from error
