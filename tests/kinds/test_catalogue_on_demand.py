"""The catalogue loads what is asked for by name, and nothing else."""

import subprocess
import sys

import pytest

from gradcheck.kinds import KINDS


def loaded(statement, *packages):
    """Return the modules of these packages that a statement loads in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name for name in result.stdout.split() if f"{name}.".startswith(tuple(f"{one}." for one in packages))}


CATALOGUE = ("gradcheck.kinds", "gradcheck.mutants.by_kind", "reference_layers")


@pytest.mark.parametrize(
    "statement",
    [
        "import gradcheck",
        "import numpy as np, gradcheck\n"
        "gradcheck.check(gradcheck.Subject('x', {'x': np.ones(2)}, lambda p: (p['x'] * 2, lambda g: {'x': 2 * g})))",
    ],
    ids=["import", "check"],
)
def test_gradcheck_loads_no_kind_and_no_reference_layer(statement):
    assert loaded(statement, *CATALOGUE) == set()


def test_names_are_known_without_loading_any_kind():
    statement = "from gradcheck.kinds import KINDS\nassert 'relu' in KINDS and len(list(KINDS)) == len(KINDS)"
    assert loaded(statement, *CATALOGUE) == {"gradcheck.kinds"}


def test_a_kind_loads_its_own_family():
    families = loaded("from gradcheck.kinds import find_kind\nfind_kind('relu')", "gradcheck.kinds")
    assert families >= {"gradcheck.kinds", "gradcheck.kinds.elementwise"}
    assert not families & {"gradcheck.kinds.convolution", "gradcheck.kinds.recurrent"}


def test_loading_would_be_seen():
    assert "reference_layers" in loaded("import gradcheck.kinds.affine", *CATALOGUE)


def test_an_unknown_name_is_missing():
    assert "conv4d" not in KINDS
    assert KINDS.get("conv4d") is None
    with pytest.raises(KeyError, match="conv4d"):
        KINDS["conv4d"]
