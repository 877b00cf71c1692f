"""Right functions with hand-written pullbacks that are in no kind of gradcheck, by family."""

from own import algebra, elementwise, likelihoods, losses, order, reductions, sequences
from own.drawing import REGIMES as REGIMES
from own.drawing import Function as Function

#: Every function by its name.
FUNCTIONS: dict[str, Function] = {
    function.name: function
    for module in (elementwise, reductions, order, sequences, losses, likelihoods, algebra)
    for function in vars(module).values()
    if isinstance(function, Function)
}
