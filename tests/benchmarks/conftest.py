"""The package of `benchmarks/peers` can be imported by its name, as its command does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks" / "peers"

_spec = importlib.util.spec_from_file_location(
    "peers", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
)
sys.modules["peers"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["peers"])
