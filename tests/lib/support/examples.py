"""The subjects of an example file."""

from __future__ import annotations

import runpy
from pathlib import Path

import gradcheck

EXAMPLES = Path(__file__).parents[3] / "examples"


def subjects_of(place: str) -> dict[str, gradcheck.Subject]:
    """Return the subjects that a file below ``examples`` defines, by their names there."""
    namespace = runpy.run_path(str(EXAMPLES / place))
    return {name: thing for name, thing in namespace.items() if isinstance(thing, gradcheck.Subject)}
