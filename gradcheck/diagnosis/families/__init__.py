"""Families of explanations with a parameter that is read off the failing case, one per file."""

from collections.abc import Callable, Iterator

from gradcheck.diagnosis.families.contributions import contributions
from gradcheck.diagnosis.families.factors import constants, other_arrays
from gradcheck.diagnosis.families.index_sets import parts_of_gradient, parts_of_upstream
from gradcheck.diagnosis.families.operands import operands, updates
from gradcheck.diagnosis.families.orientations import orientations, orientations_of_upstream
from gradcheck.diagnosis.families.shapes import shapes
from gradcheck.diagnosis.families.terms import functions, terms
from gradcheck.diagnosis.families.windows import windows
from gradcheck.diagnosis.hypothesis import Hypothesis
from gradcheck.diagnosis.observation import Observation

Family = Callable[[Observation, str], Iterator[Hypothesis]]

__all__ = ["FAMILIES", "FAR_FAMILIES", "Family", "proposals"]

#: Those that ask for the right gradient at this point alone.
FAMILIES: tuple[Family, ...] = (
    shapes,
    windows,
    constants,
    orientations,
    parts_of_gradient,
    parts_of_upstream,
    other_arrays,
    terms,
    functions,
    contributions,
    orientations_of_upstream,
)
#: Those that ask for it at other points, which takes long where differences tell it.
FAR_FAMILIES: tuple[Family, ...] = (operands, updates)


def proposals(families: tuple[Family, ...], observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield what may explain the gradient of one primal, with the parameters that it shows in one answer."""
    for family in families:
        yield from family(observation, primal)
