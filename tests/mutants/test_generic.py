"""Mistakes of every layer that are calculated, not only scaled: sums in a short dtype."""

import numpy as np
import pytest

from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import planted
from gradcheck.subject import Subject

BY_SLUG = {mutant.slug: mutant for mutant in GENERIC}


def shift_of(rows, dtype=np.float64):
    """Return a subject that adds a bias to every row."""
    primals = {"x": np.zeros((rows, 1), dtype), "bias": np.zeros(1, dtype)}
    return Subject(
        "shift", primals, lambda p: (p["x"] + p["bias"], lambda g: {"x": np.array(g), "bias": g.sum(axis=0)})
    )


def summed(slug, values):
    subject = planted(BY_SLUG[slug], shift_of(len(values)))
    return subject.vjp(subject.primals)[1](np.array(values, float)[:, np.newaxis])


@pytest.mark.parametrize(
    ("slug", "total", "of_rows"), [("summed-in-float16", 2048.0, 3000), ("summed-in-float32", 3000.0, 3000)]
)
def test_a_short_accumulator_no_longer_grows(slug, total, of_rows):
    """Half precision counts up to 2048: 2048 + 1 is 2048."""
    assert summed(slug, np.ones(of_rows))["bias"].item() == total


def test_an_accumulator_is_not_a_rounding_of_the_sum():
    """1 + 2⁻²⁴ is 1 in float32, however often it is added; the sum of all is not."""
    values = np.array([1.0] + [2.0**-24] * 8)
    found = summed("summed-in-float32", values)
    assert found["bias"].item() == 1.0 != float(np.float32(values.sum()))
    np.testing.assert_array_equal(found["x"].ravel(), values)
    assert found["bias"].dtype == np.float64


def test_scalar_outputs_have_one_row():
    square = Subject("square", {"x": np.array([0.1])}, lambda p: (p["x"][0] ** 2, lambda g: {"x": 2 * g * p["x"]}))
    found = planted(BY_SLUG["summed-in-float32"], square).vjp(square.primals)[1](np.array(1.0))
    assert found["x"].item() == np.float32(0.2)
