"""Models of thinc 9.1.1, which computes in float32 and adds gradients to those that a model holds.

``gradcheck verify examples/third_party/thinc_layers.py``
"""

import numpy as np
import thinc.api as thinc
from hypothesis import strategies as st
from thinc.types import Ragged

from gradcheck import Trait, suite
from gradcheck.adapters import from_callback, from_loss, from_thinc

samples = {Trait("batch-separable", ("x",))}
CONTIGUOUS = {"layout": "a cotangent in C order is asked for, and anything else refused"}
COMPILED = CONTIGUOUS | {
    "read-only": "compiled code asks for a buffer that can be written to, and refuses another",
    "empty-batch": "compiled code refuses an array without entries",
}


def normal(**shapes):
    """Return a strategy of normal numbers in these shapes."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}

    return st.integers(0, 999).map(draw)


def ready(model, x):
    """Return the model initialised, its parameters moved away from zeros and ones, at which faults hide."""
    rng = np.random.default_rng(0)
    model.initialize(X=x)
    for node in model.walk():
        for name in node.param_names:
            start = node.get_param(name)
            node.set_param(name, start + 0.3 * rng.standard_normal(start.shape).astype(np.float32))
    return model


def of(make, shape=(5, 3), without=None, **options):
    """Return a suite of the models that `make` makes."""

    def build(primals):
        return from_thinc(ready(make(), primals["x"]), primals, **({"traits": samples} | options))

    return suite(build=build, strategy=normal(x=shape), name=make().name, without=without)


# Layers with parameters

linear = of(lambda: thinc.Linear(4, 3))
relu = of(lambda: thinc.Relu(4, 3))
mish = of(lambda: thinc.Mish(4, 3))
gelu = of(lambda: thinc.Gelu(4, 3))
swish = of(lambda: thinc.Swish(4, 3))
dish = of(lambda: thinc.Dish(3, 3))
dish_wider = of(lambda: thinc.Dish(4, 3))
sigmoid = of(lambda: thinc.Sigmoid(4, 3))
hard_swish = of(lambda: thinc.HardSwish(4, 3))
hard_swish_mobilenet = of(lambda: thinc.HardSwishMobilenet(4, 3))
hard_sigmoid = of(lambda: thinc.HardSigmoid(4, 3))
hard_tanh = of(lambda: thinc.HardTanh(4, 3))
clipped_linear = of(lambda: thinc.ClippedLinear(4, 3, slope=0.5, offset=0.1, min_val=-0.5, max_val=0.7))
relu_k = of(lambda: thinc.ReluK(4, 3))
maxout = of(lambda: thinc.Maxout(4, 3, nP=2), without=COMPILED)
softmax = of(lambda: thinc.Softmax(4, 3))
softmax_temperature = of(lambda: thinc.Softmax_v2(4, 3, temperature=2.0))
multi_softmax = of(lambda: thinc.MultiSoftmax((2, 3), 3))
layer_norm = of(lambda: thinc.LayerNorm(3))
cauchy_similarity = suite(
    build=lambda primals: from_pair(thinc.CauchySimilarity(4), primals, {"W": (1, 4)}),
    strategy=normal(x=(3, 4), x2=(3, 4)),
    name="cauchy_similarity",
)


def from_pair(model, primals, shapes):
    """Return a subject of a model of two inputs, whose parameters stay as they are."""
    rng = np.random.default_rng(0)
    model.initialize()
    for name, shape in shapes.items():
        model.set_param(name, rng.standard_normal(shape).astype(np.float32))

    def forward(x, x2):
        y, callback = model((x, x2), is_train=True)
        return y, lambda dy: tuple(callback(dy))

    return from_callback(forward, primals, traits={Trait("single-precision")})


# Embeddings: the indices have no gradient

indices = np.array([[0], [1], [1], [6], [5]], dtype=np.uint64)


def table(make, ids, **options):
    """Return a subject of an embedding."""
    model = make()
    model.initialize(X=ids)
    return from_thinc(model, {"x": ids}, **options)


embed = table(lambda: thinc.Embed(4, 7, column=0), indices.astype(np.int64))
embed_dropout = table(
    lambda: thinc.Embed(4, 7, column=0, dropout=0.4), indices.astype(np.int64), traits={Trait("stochastic")}
)
hash_embed = table(lambda: thinc.HashEmbed(4, 7, column=0), indices)  # its table has to be in C order

# Layers without parameters

dropout = of(lambda: thinc.Dropout(0.4), traits={Trait("stochastic")})
dropout_evaluation = of(lambda: thinc.Dropout(0.4), training=False, traits={Trait("returns-views")})
sigmoid_activation = of(thinc.sigmoid_activation)
softmax_activation = of(thinc.softmax_activation)
logistic = of(thinc.Logistic)
expand_window = of(lambda: thinc.expand_window(1), traits=(), without=CONTIGUOUS)
noop = of(thinc.noop, traits={Trait("returns-views")})
residual = of(lambda: thinc.residual(thinc.Linear(3, 3)))
chain = of(lambda: thinc.chain(thinc.Gelu(4, 3), thinc.residual(thinc.Linear(4, 4)), thinc.LayerNorm(4)))
concatenate = of(lambda: thinc.concatenate(thinc.Linear(4, 3), thinc.Linear(2, 3)))
add = of(lambda: thinc.add(thinc.Linear(4, 3), thinc.Linear(4, 3)))
clone = of(lambda: thinc.clone(thinc.Linear(3, 3), 2))
with_reshape = of(lambda: thinc.with_reshape(thinc.Linear(4, 3)), (2, 5, 3))

# Layers of ragged or listed sequences, with the containers around them

LENGTHS = np.array([2, 1, 4], dtype=np.int32)


def ragged(make, leaves_ragged=False, without=None):
    """Return a suite of a model of ragged sequences, at fixed lengths; its parameters stay as they are."""

    def build(primals):
        model = ready(make(), Ragged(primals["x"], LENGTHS))

        def forward(x):
            y, callback = model(Ragged(x, LENGTHS), is_train=True)
            if leaves_ragged:
                return y.dataXd, lambda dy: callback(Ragged(dy, y.lengths)).dataXd
            return y, lambda dy: callback(dy).dataXd

        return from_callback(forward, primals, traits={Trait("single-precision")})

    return suite(build=build, strategy=normal(x=(7, 3)), name=make().name, without=without)


def listed(make):
    """Return a suite of a model of listed sequences, at fixed lengths; its parameters stay as they are."""
    cuts = np.cumsum(LENGTHS)[:-1]

    def build(primals):
        model = ready(make(), np.split(primals["x"], cuts))

        def forward(x):
            y, callback = model([np.array(part) for part in np.split(x, cuts)], is_train=True)
            return np.concatenate(y), lambda dy: np.concatenate(callback(np.split(dy, cuts)))

        return from_callback(forward, primals, traits={Trait("single-precision")})

    return suite(build=build, strategy=normal(x=(7, 3)), name=make().name)


reduce_mean = ragged(thinc.reduce_mean, without=COMPILED)
reduce_sum = ragged(thinc.reduce_sum, without=COMPILED)
reduce_max = ragged(thinc.reduce_max, without=COMPILED)
reduce_first = ragged(thinc.reduce_first)
reduce_last = ragged(thinc.reduce_last)
parametric_attention = ragged(lambda: thinc.ParametricAttention(3), leaves_ragged=True)
parametric_attention_v2 = ragged(lambda: thinc.ParametricAttention_v2(nO=3), leaves_ragged=True)
lstm = listed(lambda: thinc.with_padded(thinc.LSTM(3, 3)))
lstm_bidirectional = listed(lambda: thinc.with_padded(thinc.LSTM(4, 3, bi=True)))
lstm_deep = listed(lambda: thinc.with_padded(thinc.LSTM(3, 3, depth=2)))
with_array = listed(lambda: thinc.with_array(thinc.Linear(4, 3)))
with_ragged = listed(lambda: thinc.with_ragged(thinc.ParametricAttention(3)))

# Losses: the value of two is the squared norm of their gradient, that of which is twice as large


def loss(made, truths, probabilities=False, **options):
    """Return a suite of a loss; truths are the same in every case."""

    def build(primals):
        guesses = np.asarray(primals["x"], np.float64)
        if probabilities:
            guesses = np.exp(guesses) / np.exp(guesses).sum(1, keepdims=True)
        takes = {"arguments": ("predictions", "targets"), "gradient_arguments": ("predictions", "targets")}
        return from_loss(made.get_loss, made.get_grad, guesses, truths, **takes, **options)

    return suite(build=build, strategy=normal(x=(3, 4)), name=type(made).__name__)


one_hot = np.eye(4)[[1, 0, 3]]
truths = np.random.default_rng(1).standard_normal((3, 4))
l2_distance = loss(thinc.L2Distance(normalize=False), truths, scale=1 / 2)
l2_distance_normalized = loss(thinc.L2Distance(), truths, scale=3 / 2)
cosine_distance = loss(thinc.CosineDistance(normalize=False), truths)
cosine_distance_normalized = loss(thinc.CosineDistance(), truths)
categorical_crossentropy = loss(
    thinc.CategoricalCrossentropy(normalize=False), one_hot, probabilities=True, scale=1 / 2
)
