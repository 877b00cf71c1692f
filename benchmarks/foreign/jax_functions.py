"""Functions of jax.numpy, jax.lax, jax.nn and jax.scipy through `gradcheck.adapters.from_jax`: how many are blamed?

``python benchmarks/foreign/jax_functions.py`` judges each at one random point in float64 and in float32;
``--cases`` asks for more. JAX differentiates them; a function is right unless a second method says otherwise.
Exit status 1 if one is blamed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
from framework import NAMES, Entry, cases_of, checked, disagreement, drawn, group, single
from jax import lax, nn
from own.drawing import count, dominant, increasing, index, positive, positive_definite, real, unit
from verdicts import Outcome, command

from gradcheck import Report
from gradcheck.adapters import from_jax

MATRIX = real("m n")
SCALED = real("m n", limit=3)
POSITIVE = positive("m n", least=0.1)
UNIT = unit("m n", margin=0.05)
VECTOR = real("N")


def above_one(draw: Any) -> Any:
    """Draw numbers from 1.1."""
    return 1 + POSITIVE(draw)


NUMPY = {
    **group(
        "jnp", jnp, "abs arctan arcsinh cos cosh deg2rad exp exp2 expm1 negative sin sinc sinh square tanh", MATRIX
    ),
    **group("jnp", jnp, "cbrt log log10 log1p log2 reciprocal sqrt", POSITIVE),
    **group("jnp", jnp, "arccos arcsin arctanh", UNIT),
    **group("jnp", jnp, "arccosh", above_one),
    **group("jnp", jnp, "tan", unit("m n")),
    **group(
        "jnp", jnp, "add subtract multiply maximum minimum fmax fmin logaddexp logaddexp2 hypot", MATRIX, real("n")
    ),
    **group("jnp", jnp, "divide mod fmod remainder arctan2", MATRIX, positive("n", least=0.3)),
    **group("jnp", jnp, "power float_power", POSITIVE, real("n", limit=3)),
    **group("jnp", jnp, "sum mean prod max min std var ptp median nanmedian nansum nanmax average", VECTOR),
    **group("jnp", jnp, "cumsum cumprod sort flip diff gradient ediff1d", VECTOR),
    **group("jnp", jnp, "quantile percentile", VECTOR, q=0.3),
    **group("jnp", jnp, "trace diagonal ravel transpose tril triu flipud rot90", MATRIX),
    **group("jnp", jnp, "cov corrcoef", real("2 5")),
    **group("jnp", jnp, "dot inner vdot", real("k"), real("k")),
    **group("jnp", jnp, "outer kron convolve correlate", VECTOR, real("3")),
    **group("jnp", jnp, "matmul", real("m k"), real("k 3")),
    **group("jnp", jnp, "cross", real("m 3"), real("m 3")),
    **group("jnp", jnp, "polyval", real("k"), SCALED),
    **group("jnp", jnp, "trapezoid vander unwrap nan_to_num", VECTOR),
    **single("jnp.std-of-rows", partial(jnp.std, axis=1), real("m N")),
    **single("jnp.clip", lambda x: jnp.clip(x, -1, 1), MATRIX),
    **single("jnp.where", lambda x, y: jnp.where(x > y, x, 2 * y), MATRIX, real("n")),
    **single("jnp.take", lambda x, i: jnp.take(x, i, axis=0), MATRIX, index("k", below="m")),
    **single("jnp.pad-reflect", lambda x: jnp.pad(x, 1, mode="reflect"), real("M N")),
    **single("jnp.interp", lambda x, xp, fp: jnp.interp(x, xp, fp), real("k"), increasing("N"), VECTOR),
    **single("jnp.einsum", lambda a, b: jnp.einsum("ij,jk,ik->i", a, b, a @ b), real("m k"), real("k n")),
    **single("jnp.tensordot", lambda a, b: jnp.tensordot(a, b, 1), real("m k"), real("k 3")),
    **single("jnp.roll", lambda x: jnp.roll(x, 1, axis=-1), MATRIX),
    **single("jnp.repeat", lambda x: jnp.repeat(x, 2, axis=0), MATRIX),
    **single("jnp.fft.fft", lambda x: jnp.abs(jnp.fft.fft(x)) ** 2, VECTOR),
    **single("jnp.fft.rfft", lambda x: jnp.fft.rfft(x).real, VECTOR),
    **single("jnp.fft.irfft", lambda x: jnp.fft.irfft(x), VECTOR),
    **group("linalg", jnp.linalg, "det inv", dominant("n n")),
    **group("linalg", jnp.linalg, "solve", dominant("n n"), real("n k")),
    **group("linalg", jnp.linalg, "norm", VECTOR),
    **group("linalg", jnp.linalg, "pinv svdvals", real("4 3")),
    **group("linalg", jnp.linalg, "qr", real("4 3")),
    **single("linalg.slogdet", lambda a: jnp.linalg.slogdet(a)[1], dominant("n n")),
    **single("linalg.cholesky", jnp.linalg.cholesky, positive_definite("n n")),
    **single("linalg.eigvalsh", jnp.linalg.eigvalsh, positive_definite("n n")),
    **single("linalg.matrix_power", lambda a: jnp.linalg.matrix_power(a, 3), real("n n")),
    **single("linalg.svd", lambda a: jnp.linalg.svd(a, full_matrices=False)[1], real("3 4")),
    **single("linalg.nuclear", lambda a: jnp.linalg.norm(a, "nuc"), real("3 4")),
}

LAX = {
    **group("lax", lax, "erf erfc logistic sign round bessel_i0e bessel_i1e", MATRIX),
    **group("lax", lax, "rsqrt lgamma digamma", POSITIVE),
    **group("lax", lax, "erf_inv", UNIT),
    **group("lax", lax, "igamma igammac", POSITIVE, POSITIVE),
    **group("lax", lax, "cumlogsumexp cummax cummin cumprod cumsum", real("N n")),
    **single("lax.top_k", lambda x: lax.top_k(x, 2)[0], real("m 5")),
    **single("lax.sort", lambda x, y: lax.sort((x, y), num_keys=1), VECTOR, VECTOR),
    **single("lax.clamp", lambda x: lax.clamp(-1.0, x, 1.0), MATRIX),
    **single("lax.integer_pow", lambda x: lax.integer_pow(x, 3), MATRIX),
    **single("lax.scan", lambda x: lax.scan(lambda h, v: (jnp.tanh(h + v), h * v), jnp.zeros_like(x[0]), x), VECTOR),
    **single("lax.associative_scan", lambda x: lax.associative_scan(jnp.multiply, x), VECTOR),
    **single("lax.fori_loop", lambda x: lax.fori_loop(0, 3, lambda _, v: jnp.sin(v) + v, x), MATRIX),
    **single("lax.cond", lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x), MATRIX),
    **single("lax.dynamic_slice", lambda x: lax.dynamic_slice(x, (1, 0), (1, 2)), real("3 4")),
    **single("lax.conv", lambda x, w: lax.conv(x, w, (1, 1), "SAME"), real("2 3 5 4"), real("2 3 3 3")),
    **single(
        "lax.max_pool",
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 1), "VALID"),
        real("4 5"),
    ),
    **single("lax.custom_root", lambda x: _cube_root(x), positive("1", least=0.5)),
}


def _cube_root(x: Any) -> Any:
    def newton(f: Any, start: Any) -> Any:
        step = lambda _, y: y - f(y) / (3 * y**2)  # noqa: E731
        return lax.fori_loop(0, 30, step, start)

    return lax.custom_root(lambda y: y**3 - x, jnp.ones_like(x), newton, lambda g, y: y / g(jnp.ones_like(y)))


NN = {
    **group(
        "nn",
        nn,
        "relu relu6 sigmoid softplus soft_sign silu mish elu celu selu leaky_relu hard_tanh hard_sigmoid hard_silu "
        "softmax log_softmax logsumexp log_sigmoid squareplus standardize sparse_plus sparse_sigmoid tanh",
        MATRIX,
    ),
    **single("nn.gelu", lambda x: nn.gelu(x, approximate=False), MATRIX),
    **single("nn.gelu-tanh", nn.gelu, MATRIX),
    **single("nn.glu", nn.glu, real("m 4")),
    **single("nn.attention", nn.dot_product_attention, real("1 4 2 3"), real("1 5 2 3"), real("1 5 2 3")),
}

special, stats = jsp.special, jsp.stats
SCIPY = {
    **group("special", special, "expit log_ndtr ndtr i0 i0e i1 i1e erf erfc", SCALED),
    **group("special", special, "gammaln digamma entr expi exp1 spence", POSITIVE),
    **group("special", special, "logit ndtri erfinv", UNIT),
    **group("special", special, "xlogy xlog1py", MATRIX, POSITIVE),
    **group("special", special, "rel_entr kl_div betaln gammainc gammaincc", POSITIVE, POSITIVE),
    **single("special.betainc", lambda x: special.betainc(2.0, 3.5, x), UNIT),
    **single("special.polygamma", lambda x: special.polygamma(1, x), POSITIVE),
    **single("special.zeta", lambda x: special.zeta(3.0, x), POSITIVE),
    **single("special.multigammaln", lambda x: special.multigammaln(x + 2, 3), POSITIVE),
    **single("special.logsumexp-weighted", lambda x, b: special.logsumexp(x, b=b), MATRIX, POSITIVE),
    **single("stats.norm", stats.norm.logpdf, MATRIX, real("n"), positive("n", least=0.3)),
    **single("stats.norm.logcdf", stats.norm.logcdf, MATRIX, real("n"), positive("n", least=0.3)),
    **single("stats.beta", stats.beta.logpdf, UNIT, positive("n", least=0.3), positive("n", least=0.3)),
    **single("stats.gamma", stats.gamma.logpdf, POSITIVE, positive("n", least=0.3)),
    **single("stats.t", stats.t.logpdf, MATRIX, positive("n", least=0.5)),
    **single("stats.laplace", stats.laplace.logpdf, MATRIX, real("n"), positive("n", least=0.3)),
    **single("stats.cauchy", stats.cauchy.logpdf, MATRIX, real("n"), positive("n", least=0.3)),
    **single("stats.chi2", stats.chi2.logpdf, POSITIVE, positive("n", least=0.5)),
    **single("stats.expon", stats.expon.logpdf, POSITIVE),
    **single("stats.logistic", stats.logistic.logpdf, MATRIX),
    **single("stats.pareto", stats.pareto.logpdf, above_one, positive("n", least=0.5)),
    **single("stats.poisson", lambda k, mu: stats.poisson.logpmf(k, mu), count("m n"), positive("n", least=0.3)),
    **single(
        "stats.nbinom", lambda k, n, p: stats.nbinom.logpmf(k, n, p), count("m n"), positive("n", least=0.3), unit("n")
    ),
    **single("stats.vonmises", stats.vonmises.logpdf, MATRIX, positive("n", least=0.3)),
    **single(
        "stats.dirichlet", lambda v, a: stats.dirichlet.logpdf(nn.softmax(v), a), real("N"), positive("N", least=0.3)
    ),
    **single(
        "stats.multivariate_normal", stats.multivariate_normal.logpdf, real("n"), real("n"), positive_definite("n n")
    ),
    **single("scipy.expm", jsp.linalg.expm, real("n n", limit=1)),
    **single("scipy.cholesky", lambda a: jsp.linalg.cholesky((a + a.T) / 2, lower=True), positive_definite("n n")),
    **single(
        "scipy.solve_triangular",
        lambda a, b: jsp.linalg.solve_triangular(a, b, lower=True),
        dominant("n n"),
        real("n k"),
    ),
    **single("scipy.toeplitz", jsp.linalg.toeplitz, VECTOR),
    **single("scipy.block_diag", jsp.linalg.block_diag, MATRIX, SCALED),
    **single("scipy.dct", lambda x: jsp.fft.dct(x), VECTOR),
    **single("scipy.signal.convolve", lambda x, k: jsp.signal.convolve(x, k), real("4 4"), real("2 3")),
    **single(
        "scipy.map_coordinates",
        lambda x, at: jsp.ndimage.map_coordinates(x, [at[0] + 1, at[1] + 1], order=1),
        real("4 5"),
        unit("2 k"),
    ),
    **single("image.resize", lambda x: jax.image.resize(x, (5, 3), "bilinear"), real("4 4")),
}

FUNCTIONS: dict[str, Entry] = {**NUMPY, **LAX, **NN, **SCIPY}


def report_of(case: str) -> Report:
    """Check the function of a case; what was compiled for it is forgotten."""
    try:
        return checked(from_jax, FUNCTIONS, "jax_functions.py", case)
    finally:
        jax.clear_caches()


def fault_of(outcome: Outcome) -> str:
    """Tell what is wrong with what JAX itself returns: no numbers, not what differences say, or float32 in float64."""
    entry, given = drawn(FUNCTIONS, outcome.case)
    function = entry.call()
    told = []
    with jax.enable_x64(True):
        arguments = [np.float64(array) if array.dtype.kind == "f" else array for array in given.values()]
        for place, argument in enumerate(arguments):
            if argument.dtype.kind != "f":
                continue
            output, pullback = jax.vjp(lambda x, place=place: function(*_put(arguments, place, x)), argument)
            if not isinstance(output, jax.Array):
                return ""
            weights = np.ones(output.shape)
            gradient = np.asarray(pullback(jnp.asarray(weights, output.dtype))[0])
            if not np.isfinite(gradient).all():
                told.append(f"the gradient of argument {place} is not finite")
            elif disagreement(function, arguments, place, gradient, weights) > 1e-2:
                told.append(f"the gradient of argument {place} differs from plain differences")
            elif given[NAMES[place]].dtype == np.float64 and _stands_still(function, arguments, place, gradient):
                told.append(f"argument {place} moved by 1e-11 of itself leaves the output as it is")
    return "; ".join(told)


def _put(arguments: list[Any], place: int, array: Any) -> list[Any]:
    return [*arguments[:place], array, *arguments[place + 1 :]]


def _stands_still(function: Callable[..., Any], arguments: list[Any], place: int, gradient: Any) -> bool:
    moved = function(*_put(arguments, place, arguments[place] * (1 + 1e-11)))
    return bool(gradient.any()) and np.array_equal(moved, function(*arguments))


main = command(
    script="jax_functions.py",
    noun="function",
    parts=("dtype",),
    names=FUNCTIONS,
    cases_of=cases_of,
    report_of=report_of,
    cases=2 * len(FUNCTIONS),
    fault_of=fault_of,
)

if __name__ == "__main__":
    main()
