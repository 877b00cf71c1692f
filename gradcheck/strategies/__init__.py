"""Building blocks from which cases are drawn.

`windows`, `channels` and `batch_sizes` draw geometry that is valid by construction; `values` fills arrays with the
kinds of numbers that faults need; `layouts` stores them otherwise; `cotangents` weights outputs.
"""

from gradcheck.strategies.cotangents import COTANGENT_KINDS, cotangent, cotangents
from gradcheck.strategies.layouts import layouts
from gradcheck.strategies.values import REGIMES, Regime, values
from gradcheck.strategies.windows import Channels, Window, batch_sizes, channels, windows

__all__ = [
    "COTANGENT_KINDS",
    "REGIMES",
    "Channels",
    "Regime",
    "Window",
    "batch_sizes",
    "channels",
    "cotangent",
    "cotangents",
    "layouts",
    "values",
    "windows",
]
