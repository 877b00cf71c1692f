"""A factor of any linear layer is read off, or a name of it is told."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plain_layers import affine, plain_subject

import gradcheck
from gradcheck.diagnosis.constants import named_constants
from gradcheck.diagnosis.explanations import diagnose
from gradcheck.diagnosis.observation import Draw, observe
from gradcheck.runs.further_cases import subject_draws

FACTORS = st.one_of(
    st.floats(0.01, 100.0),
    st.integers(-9, 9).map(float),
    st.sampled_from([1 / 3, 0.2, 6**0.5, 4 / 5, 1 / 36]),
).filter(lambda factor: abs(factor - 1) > 1e-2 and factor != 0)


def multiplied(rows, columns, factor, seed):
    """Return y = A x with its gradient multiplied."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((rows, columns))
    x = rng.standard_normal(columns)
    return gradcheck.Subject("linear", {"x": x}, lambda p: (matrix @ p["x"], lambda g: {"x": factor * (g @ matrix)}))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(2, 6), FACTORS, st.integers(0, 2**31 - 1))
def test_a_factor_is_told(rows, columns, factor, seed):
    subject = multiplied(rows, columns, factor, seed)
    cause = diagnose(subject_draws(subject, seed)).causes["x"]
    named = named_constants(observe(Draw(subject, seed)), "x")
    assert cause.slug.startswith("scale:")
    told = cause.slug.removeprefix("scale:")
    value = named[told] if told in named else float(told)
    assert np.isclose(value, factor, rtol=5e-4)
    if digits := re.search(r"factor of ([-\d.e]+) here|is ([-\d.e]+) times", cause.sentence):
        assert np.isclose(float(digits[1] or digits[2]), factor, rtol=5e-4)


def test_sizes_have_names_and_their_values():
    named = named_constants(observe(Draw(plain_subject(affine), 0)), "w")
    known = {"N": 5, "1/N": 1 / 5, "√N": 5**0.5, "1/√features": 0.5, "(N − 1)/N": 4 / 5, "outputs": 20, "entries": 12}
    assert {name: named[name] for name in known} == pytest.approx(known)
    assert named["x.shape[1]"] == 3  # the size of no output
    assert not {"rows", "channels", "places", "N·places"} & named.keys()  # these are of images
