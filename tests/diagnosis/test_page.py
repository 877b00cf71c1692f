"""The page on diagnosis shows what is printed, and lists the slugs that there are."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from support.plain_layers import affine, layer_norm, lstm_cell, plain_subject
from support.windows import Windows, convolution

import gradcheck
from gradcheck.diagnosis.constants import named_constants
from gradcheck.diagnosis.families import FAMILIES, FAR_FAMILIES, proposals
from gradcheck.diagnosis.families.factors import combinations
from gradcheck.diagnosis.observation import Draw, observe
from gradcheck.kinds import find_kind
from gradcheck.mutants.generic import GENERIC

PAGE = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
#: What stands in the place of a placeholder.
PLACES = {"axis": r"\d+", "axes": r"\d+(,\d+)*", "step": r"[+-]1", "number": r".+", "name": r"[\w-]+"}
PLACES["part"] = "(first|last|ends|second-half|odd)"


def test_blocks_print_what_is_shown():
    namespace: dict[str, object] = {"__name__": "page"}
    blocks = re.findall(r"^```(python|text)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert [language for language, _ in blocks] == ["python", "text"] * 2
    for (_, source), (_, shown) in zip(blocks[::2], blocks[1::2], strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, "diagnosis.md", "exec"), namespace)
        assert printed.getvalue() == shown


def patterns():
    """Return the slugs in the first cells of the tables, as regular expressions."""
    _, _, tables = PAGE.partition("## The slugs")
    rows = re.findall(r"^\|.*`.*$", tables.partition("## When there is no cause")[0], re.MULTILINE)
    cells = [cell for row in rows for cell in row.split("|")[1:3] if "`" in cell]
    slugs = [slug for cell in cells for slug in re.findall(r"`([^`]+)`", cell)]
    return {slug: re.compile(re.sub(r"<(\w+)>", lambda m: PLACES[m[1]], re.escape(slug))) for slug in slugs}


@pytest.mark.parametrize("mutant", GENERIC, ids=lambda mutant: mutant.slug)
def test_every_mutant_of_any_layer_is_listed(mutant):
    assert f"`{mutant.slug}`" in PAGE


def spoiled(layer, **changes):
    """Return a subject with ``changes[primal](primals, gradients, cotangent)`` in the place of gradients."""

    def vjp(primals):
        outputs, pullback = layer(primals)
        return outputs, lambda g: {**(d := pullback(g)), **{p: c(primals, d, g) for p, c in changes.items()}}

    return plain_subject(vjp, {name: array.shape for name, array in plain_subject(layer).primals.items()})


def image(turn, **other):
    windows = Windows((2, 3), (1, 1), ((1, 1), (0, 0)))
    return convolution((1, 1, 8, 9), (3, 3), windows, used=windows.but(**other), turn=turn)


#: Subjects that make every family propose something.
SUBJECTS = [
    spoiled(affine, x=lambda p, d, g: g @ (p["w"] - 0.1 * d["w"]).T, w=lambda p, d, g: 3 * d["w"]),
    spoiled(affine, x=lambda p, d, g: d["x"] + 0.1 * p["x"], w=lambda p, d, g: d["w"] + p["w"], b=lambda p, d, g: g),
    spoiled(affine, b=lambda p, d, g: d["b"][:, None], w=lambda p, d, g: 3 * d["w"][::-1]),
    spoiled(lstm_cell, h=lambda p, d, g: -3 * d["h"]),
    spoiled(affine, w=lambda p, d, g: 3 * p["w"]),
    image(lambda w: w[:, :, ::-1, ::-1], stride=(3, 2), padding=((0, 0), (1, 1))),
    image(lambda w: w[:, :, ::-1]),
    spoiled(layer_norm, x=lambda p, d, g: g),
    image(lambda w: w.swapaxes(2, 3), dilation=(1, 2)),
]


def proposed():
    """Return the slugs of what is proposed for the subjects."""
    for subject in SUBJECTS:
        answer = observe(Draw(subject, 0))
        for primal in answer.wrong:
            for one in proposals((*FAMILIES, *FAR_FAMILIES), answer, primal):
                yield one.slug
            yield from (one.slug for one in combinations(answer, primal, ()))


def test_every_explanation_with_a_parameter_is_listed():
    listed = patterns().values()
    parts = {part for slug in proposed() for part in _parts(slug)}
    assert len(parts) > 100
    assert not {part for part in parts if not any(pattern.fullmatch(part) for pattern in listed)}


def _parts(slug):
    """Return the slugs that are joined in one; the sign of a step joins nothing."""
    return re.split(r"\+(?!1$)", slug)


def test_nothing_is_listed_that_is_never_said():
    said = {part for slug in proposed() for part in _parts(slug)} | {mutant.slug for mutant in GENERIC}
    unsaid = [slug for slug, pattern in patterns().items() if not any(pattern.fullmatch(one) for one in said)]
    assert unsaid == []


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+\.md)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).is_file()


def test_options_of_a_layer_have_the_names_that_are_listed():
    dropout = gradcheck.suite("dropout")
    config = next(one for one in find_kind("dropout").corners if one.p == 0.3)
    subject = dropout.subject(dropout.case(vars(config), "normal", 0))
    named = named_constants(observe(Draw(subject, 0, config)), "x")
    assert named["1 − p"] == pytest.approx(0.7)
    assert named["p/(1 − p)"] == pytest.approx(3 / 7)
    assert "`p/(1 − p)`" in PAGE
