"""What comes out for the layers of other packages is what the page says; without a package, its file is read only."""

import ast
import re
import runpy
from importlib import metadata
from pathlib import Path

import pytest

import gradcheck

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "third_party.md").read_text(encoding="utf-8")
#: The distribution and the version that a file is about.
PACKAGES = {
    "caspian_layers": ("caspian-ml", "1.1.0"),
    "neuralnetlib_layers": ("neuralnetlib", "5.0.0"),
    "neuralnetworknumpy_layers": ("neuralnetworknumpy", "0.3.0"),
    "thinc_layers": ("thinc", "9.1.1"),
    "vulpex_layers": ("vulpex", "0.1.1"),
}
GRADIENT, WRITES, REFUSED = ("failed", "gradient"), ("failed", "mutation"), ("error", "build")
#: What does not pass, as (verdict, checks); all other suites pass.
FOUND = {
    "caspian_layers": {
        "linear_layer": GRADIENT,
        "bilinear": GRADIENT,
        "conv1d": GRADIENT,
        "conv2d": GRADIENT,
        "conv3d": GRADIENT,
        "conv_nd": GRADIENT,
        "conv_transpose1d_out_padding": GRADIENT,
        "conv_transpose2d_unequal": GRADIENT,
        "conv_transpose2d_out_padding": GRADIENT,
        "conv_transpose3d_unequal": GRADIENT,
        "conv_transpose_nd_out_padding": GRADIENT,
        "max_pool1d": ("failed", "kink"),
        "max_pool2d": ("failed", "kink"),
        "max_pool_nd": ("failed", "kink"),
        "avg_pool1d": GRADIENT,
        "avg_pool2d": ("failed", "gradient", "second-point"),
        "avg_pool_nd": ("failed", "gradient", "second-point"),
        "avg_pool3d": GRADIENT,
        "batch_norm": ("failed", "gradient", "mutation"),
        "instance_norm": ("failed", "batch-exchange", "empty-batch", "gradient", "mutation"),
        "layer_norm": ("failed", "gradient", "mutation"),
        "rms_norm": ("failed", "gradient", "mutation"),
        "rms_norm_plain": GRADIENT,
        "batch_norm_plain": ("failed", "gradient", "read-only"),
        "instance_norm_plain": ("failed", "gradient", "read-only"),
        "group_norm": ("failed", "gradient", "mutation"),
        "group_norm_plain": GRADIENT,
        "dropout": GRADIENT,
        "mult": GRADIENT,
        "cosine_similarity": GRADIENT,
        "upsampling1d": GRADIENT,
        "upsampling2d": GRADIENT,
        "upsampling3d": GRADIENT,
        "upsampling_nd": GRADIENT,
        "add": REFUSED,
        "attention": GRADIENT,
        "multi_head_attention": GRADIENT,
        "container_sigmoid": GRADIENT,
        "softplus": ("failed", "forward", "gradient"),
        "softmin": GRADIENT,
        "hard_sigmoid": GRADIENT,
        "hard_swish": GRADIENT,
        "glu": REFUSED,
        "swiglu": REFUSED,
        "prelu": GRADIENT,
        "huber": REFUSED,
        "direct": GRADIENT,
        "kl_divergence": GRADIENT,
    },
    "neuralnetlib_layers": {
        "dropout_adaptive": GRADIENT,
        "lstm": GRADIENT,
        "lstm_sequences": GRADIENT,
        "bidirectional": GRADIENT,
        "unidirectional": GRADIENT,
    },
    "neuralnetworknumpy_layers": {
        "batch_norm1d_evaluation": REFUSED,
        "batch_norm2d_evaluation": REFUSED,
        "layer_norm": GRADIENT,
        "dropout_evaluation": GRADIENT,
        "rnn": WRITES,
        "gru": WRITES,
        "lstm": WRITES,
        "cross_attention": GRADIENT,
        "transformer_block": GRADIENT,
    },
    "thinc_layers": {
        "relu": ("failed", "layout"),
        "mish": ("failed", "layout"),
        "dish": GRADIENT,
        "dish_wider": ("error", "raised"),
        "softmax": GRADIENT,
        "softmax_temperature": GRADIENT,
        "embed": ("failed", "read-only"),
        "embed_dropout": WRITES,
        "hash_embed": ("failed", "layout", "read-only"),
        "with_reshape": ("error", "raised"),
        "lstm": GRADIENT,
        "lstm_bidirectional": GRADIENT,
        "lstm_deep": GRADIENT,
    },
    "vulpex_layers": {
        "linear": ("failed", "shape"),
        "batch_norm1d_evaluation": ("failed", "batch-exchange", "empty-batch", "gradient"),
        "batch_norm2d_evaluation": ("failed", "batch-exchange", "empty-batch", "gradient"),
        "batch_norm3d_evaluation": ("failed", "batch-exchange", "empty-batch", "gradient"),
        "cosine_embedding": GRADIENT,
    },
}
files = pytest.mark.parametrize("file", PACKAGES)


def tree(file):
    """Return the syntax tree of a file."""
    return ast.parse((ROOT / "examples" / "third_party" / f"{file}.py").read_text(encoding="utf-8"))


def calls(node):
    """Return the names of the functions that are called somewhere below a node."""
    found = (call.func for call in ast.walk(node) if isinstance(call, ast.Call))
    return {function.id for function in found if isinstance(function, ast.Name)}


def suites(file):
    """Return the names that are assigned what `suite` or a subject, or a function around one, returned."""
    makers, body = {"suite", "from_thinc"}, tree(file).body
    for _ in body:
        makers |= {node.name for node in body if isinstance(node, ast.FunctionDef) and calls(node) & makers}
    made = [
        node
        for node in body
        if isinstance(node, ast.Assign)
        and calls(ast.Expr(node.value)) & makers
        and not isinstance(node.value, ast.Lambda)
    ]
    names = [name for node in made for target in node.targets for name in ast.walk(target)]
    return {name.id for name in names if isinstance(name, ast.Name)}


def section(file):
    """Return what the page says of a package."""
    (found,) = re.findall(
        rf"^## {PACKAGES[file][0]} {re.escape(PACKAGES[file][1])}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S
    )
    return found


@files
def test_the_page_names_every_suite(file):
    named = set(re.findall(r"`(\w+)`", section(file)))
    assert suites(file)
    assert suites(file) <= named


@files
def test_the_page_names_what_does_not_pass_before_what_does(file):
    wrong, right = section(file).split("**Clean", maxsplit=1)
    failing = set(FOUND[file])
    assert failing <= set(re.findall(r"`(\w+)`", wrong))
    assert not failing & set(re.findall(r"`(\w+)`", right))


@files
@pytest.mark.filterwarnings("ignore")
def test_the_verdicts_are_those_that_were_examined(file):
    package, version = PACKAGES[file]
    try:
        installed = metadata.version(package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    if installed != version:
        pytest.skip(f"{package} {installed} is installed, not {version}")
    namespace = runpy.run_path(str(ROOT / "examples" / "third_party" / f"{file}.py"))
    things = {
        name: thing for name, thing in namespace.items() if isinstance(thing, gradcheck.Suite | gradcheck.Subject)
    }
    assert things.keys() == suites(file)
    found = {}
    for name, thing in things.items():
        drawn = {"examples": 15} if isinstance(thing, gradcheck.Suite) else {}
        (report,) = gradcheck.check(thing, **drawn).subjects
        if report.verdict != "passed":
            found[name] = (report.verdict, *sorted({failure.check for failure in report.failures}))
    assert found == FOUND[file]
