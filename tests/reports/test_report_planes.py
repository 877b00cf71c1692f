"""The surroundings of a worst entry as text: every number in its place, and never more than a screen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck
from gradcheck.records.run_record import CaseId, Failure
from gradcheck.reports.planes import ROWS, planes_to_lines


def wrong_at(shape, index):
    """Return the failure of x² whose gradient is wrong in one entry."""

    def vjp(primals):
        x = primals["x"]

        def pullback(g):
            gradient = 2 * x * g
            gradient[index] += 1.0
            return {"x": gradient}

        return x**2, pullback

    x = np.random.default_rng(0).uniform(1, 2, shape)
    (failure,) = gradcheck.check(gradcheck.Subject("square", {"x": x}, vjp), pictures=True, contracts=False).failures
    return failure


def test_the_wrong_entry_alone_is_marked():
    lines = planes_to_lines(wrong_at((3, 4), (1, 2)))
    assert lines[0] == "`x` around the worst entry; ! is wrong"
    tables = {title: lines[k + 1 : k + 4] for title in ("analytic", "numeric", "difference in error bars")
              for k in [lines.index(f"  {title}")]}  # fmt: skip
    for table in tables.values():
        assert [[cell.endswith("!") for cell in row.split()] for row in table] == [
            [False] * 4, [False, False, True, False], [False] * 4,
        ]  # fmt: skip
    off = [float(row.split()[2].rstrip("!")) for row in (tables["analytic"][1], tables["numeric"][1])]
    assert off[0] - off[1] == pytest.approx(1.0, abs=0.2)


def test_what_is_held_is_told():
    assert "the part [1, :, :]; ! is wrong" in planes_to_lines(wrong_at((2, 3, 4), (1, 0, 3)))[0]


@given(st.integers(1, 40), st.integers(1, 40), st.data(), st.integers(20, 120))
def test_a_plane_is_no_larger_than_a_screen(rows, columns, data, width):
    index = data.draw(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)))
    lines = planes_to_lines(wrong_at((rows, columns), index), width)
    assert len(lines) <= 1 + 3 * (2 + ROWS)
    assert max(map(len, lines[1:])) <= max(width, 40)
    assert sum("!" in line for line in lines[1:]) == 3


def test_without_a_picture_there_is_nothing_to_show():
    assert planes_to_lines(Failure("gradient", CaseId(None, {}, None, 0), "")) == []
