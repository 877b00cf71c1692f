"""Layers, activations and losses of vulpex 0.1.1, which has parameters as objects with data and grad.

``gradcheck verify examples/third_party/vulpex_layers.py``
"""

import numpy as np
from hypothesis import strategies as st
from vulpex import activations, layers, loss_functions, utils

from gradcheck import Trait, suite
from gradcheck.adapters import from_functions, from_loss, from_object

SQUARE = ["square kernels", "equal stride", "symmetric padding", "equal padding", "no dilation"]
CONVOLUTION = [*SQUARE, "no groups"]
POOL = [*SQUARE, "no ceil mode", "count_include_pad=True only"]
VIEWS = ["returns views"]
samples = {Trait("batch-separable", ("x",))}


def normal(**shapes):
    """Return a strategy of normal numbers in these shapes."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal(shape) for name, shape in shapes.items()}

    return st.integers(0, 999).map(draw)


def layer(make, traits=samples, **options):
    """Return what builds the layer that `make` makes of a configuration."""
    return lambda config, primals: from_object(lambda: make(config), primals, traits=traits, **options)


# Layers with parameters


def convolution(kind, make):
    """Return the suite of a convolution, whose windows are given by one number each."""

    def of_config(c):
        return make(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.padding[0], c.bias)

    return suite(kind, layer(of_config), name=make.__name__, limits=CONVOLUTION)


def build_embedding(config, primals):
    indices = np.array(config.indices, config.index_dtype).reshape(config.index_shape)
    return from_object(
        lambda: layers.Embedding(config.num_embeddings, config.embedding_dim),
        primals,
        forward=lambda layer, *_: layer.forward(indices),
        inputs=(),
        returns=(None,),
        params={"weight": "weights.data"},
        grads={"weight": "weights.grad"},
    )


linear = suite(
    "affine",
    layer(lambda c: layers.Linear(c.in_features, c.out_features, c.bias), (), layouts={"weight": "IO"}),
    name="Linear",
    limits={"a batch axis": lambda config: len(config.batch_shape) > 0},
)
conv1d = convolution("conv1d", layers.Conv1D)
conv2d = convolution("conv2d", layers.Conv2D)
conv3d = convolution("conv3d", layers.Conv3D)
embedding = suite(
    "embedding",
    build_embedding,
    limits={"indices from 0": lambda c: min(c.indices, default=0) >= 0, "no padding": lambda c: c.padding_idx == ()},
)
prelu = suite(
    build=lambda primals: from_object(activations.PReLU, primals, params={"alpha": "alpha.data"}),
    strategy=normal(x=(3, 7), alpha=(1, 1)),
    name="PReLU",
)

# Normalisations and dropout


def norm_by_size(one, two, three):
    """Return what makes a batch normalisation for so many spatial axes."""
    return lambda c: (one, one, two, three)[len(c.size)](c.channels, eps=c.eps)


def trained(make):
    """Return what makes a batch normalisation whose running statistics are not 0 and 1."""

    def made():
        layer = make(2)
        layer.running_mean, layer.running_var = np.array([[0.5, -1.0]]), np.array([[0.3, 2.0]])
        return layer

    return made


def in_evaluation(make, shape):
    """Return a suite of a batch normalisation in the mode of evaluation."""
    return suite(
        build=lambda primals: from_object(trained(make), primals, evaluates=True, traits=samples),
        strategy=normal(x=shape, gamma=(1, 2), beta=(1, 2)),
        name=f"{make.__name__} in evaluation",
    )


NORMS = layers.BatchNorm1D, layers.BatchNorm2D, layers.BatchNorm3D
batch_norm = suite(
    "batch_norm",
    layer(norm_by_size(*NORMS), {Trait("batch-normalising", ("x",))}),
    name="BatchNorm",
    limits=["affine=True only"],
)
batch_norm1d_evaluation = in_evaluation(layers.BatchNorm1D, (5, 2))
batch_norm2d_evaluation = in_evaluation(layers.BatchNorm2D, (3, 2, 4, 3))
batch_norm3d_evaluation = in_evaluation(layers.BatchNorm3D, (3, 2, 4, 3, 2))
layer_norm = suite(
    "layer_norm",
    layer(lambda c: layers.LayerNorm(c.normalized_shape, c.eps), ()),
    name="LayerNorm",
    limits={"affine=True only": True, "a batch axis": lambda c: len(c.batch_shape) > 0},
)


def dropout_case(evaluates):
    """Return a suite of dropout, whose random numbers are those of the package."""
    return suite(
        build=lambda primals: from_object(
            lambda: layers.Dropout(0.4), primals, seed=lambda: utils.seed(0), evaluates=evaluates
        ),
        strategy=normal(x=(4, 7)),
        name="Dropout",
        limits=VIEWS if evaluates else (),
    )


dropout, dropout_evaluation = dropout_case(evaluates=False), dropout_case(evaluates=True)

# Poolings and shapes


def pooling(kind, make):
    """Return the suite of a pooling, whose windows are given by one number each."""
    of_config = layer(lambda c: make(c.kernel_size[0], c.stride[0], c.padding[0]))
    return suite(kind, of_config, name=make.__name__, limits=POOL)


def cases(make, limits=(), **shapes):
    """Return a suite of the layers that `make` makes, for inputs of these shapes."""
    return suite(
        build=lambda primals: from_object(make, primals, traits=samples),
        strategy=normal(**shapes),
        name=type(make()).__name__,
        limits=limits,
    )


max_pool1d = pooling("max_pool1d", layers.MaxPool1D)
max_pool2d = pooling("max_pool2d", layers.MaxPool2D)
avg_pool1d = pooling("avg_pool1d", layers.AvgPool1D)
avg_pool2d = pooling("avg_pool2d", layers.AvgPool2D)
max_pool3d = cases(lambda: layers.MaxPool3D(2, 1, 1), x=(2, 2, 3, 2, 4))
avg_pool3d = cases(lambda: layers.AvgPool3D(2, 1, 1), x=(2, 2, 3, 2, 4))
adaptive_avg_pool1d = cases(lambda: layers.AdaptiveAvgPool1D(3), x=(3, 2, 7))
adaptive_avg_pool2d = cases(lambda: layers.AdaptiveAvgPool2D(3), x=(3, 2, 7, 5))
adaptive_avg_pool3d = cases(lambda: layers.AdaptiveAvgPool3D(2), x=(2, 2, 3, 4, 5))
zero_pad1d = cases(lambda: layers.ZeroPad1D((2, 1)), x=(3, 2, 4), limits=VIEWS)
zero_pad2d = cases(lambda: layers.ZeroPad2D(((2, 1), (0, 3))), x=(3, 2, 4, 5), limits=VIEWS)
zero_pad3d = cases(lambda: layers.ZeroPad3D(((2, 1), (0, 3), (1, 0))), x=(3, 2, 4, 5, 2), limits=VIEWS)
flatten = suite(
    "flatten",
    layer(lambda _: layers.Flatten()),
    name="Flatten",
    limits={
        "start_axis=1 only": True,
        "returns views": True,
        "at least two axes": lambda config: len(config.shape) > 1,
    },
    without={"empty-batch": "a batch of 0 is reshaped to -1 columns, which NumPy refuses"},
)

# Activations

relu = suite("relu", layer(lambda _: activations.ReLU()), name="ReLU")
sigmoid = suite("sigmoid", layer(lambda _: activations.Sigmoid()), name="Sigmoid")
tanh = suite("tanh", layer(lambda _: activations.Tanh()), name="Tanh")
silu = suite("silu", layer(lambda _: activations.SiLU()), name="SiLU")
gelu = suite("gelu", layer(lambda _: activations.GeLU()), name="GeLU", limits=["approximate=tanh only"])
leaky_relu = suite("leaky_relu", layer(lambda c: activations.LeakyReLU(c.negative_slope)), name="LeakyReLU")
elu = suite(
    "elu",
    layer(lambda c: activations.ELU(c.alpha)),
    name="ELU",
    without={"agreement": "exp(x) - 1 loses digits near 0, where the reference has expm1"},
)
selu = cases(activations.SELU, x=(3, 7))
ALONG_1 = {"two axes": lambda config: len(config.shape) == 2, "the last axis": lambda config: config.axis in (1, -1)}
softmax = suite("softmax", layer(lambda _: activations.Softmax()), name="Softmax", limits=ALONG_1)
log_softmax = suite("log_softmax", layer(lambda _: activations.LogSoftmax()), name="LogSoftmax", limits=ALONG_1)

# Losses


def probabilities(normalised):
    """Return a strategy of probabilities, of rows that sum to 1 or each for itself."""

    def draw(drawn):
        x = np.exp(drawn["x"])
        return {"x": x / x.sum(1, keepdims=True) if normalised else 0.02 + 0.96 / (1 + x)}

    return normal(x=(3, 4)).map(draw)


def loss(make, targets, predictions, **options):
    """Return the suites of a loss for the reductions mean, sum and none; targets are the same in every case."""

    def of(reduction):
        def build(primals):
            made = make(reduction=reduction, **options)
            takes = {"arguments": ("targets", "predictions")}
            return from_loss(made.forward, made.backward, primals["x"], targets, **takes)

        return suite(build=build, strategy=predictions, name=f"{make.__name__} ({reduction})")

    return of("mean"), of("sum"), of("none")


numbers = normal(x=(3, 4))
one_hot = np.eye(4)[[1, 0, 3]]
soft = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.2, 0.3]])
binary = np.array([[0.0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]])
weights = np.array([0.5, 1.0, 2.0, 3.0])
mse_mean, mse_sum, mse_none = loss(loss_functions.MSE, 2 * one_hot, numbers)
mae_mean, mae_sum, mae_none = loss(loss_functions.MAE, 2 * one_hot, numbers)
bce_mean, bce_sum, bce_none = loss(loss_functions.BCE, binary, probabilities(normalised=False))
bce_logits_mean, bce_logits_sum, bce_logits_none = loss(loss_functions.BCEWithLogits, binary, numbers)
huber_mean, huber_sum, huber_none = loss(loss_functions.HuberLoss, 2 * one_hot, numbers, delta=0.7)
hinge_mean, hinge_sum, hinge_none = loss(loss_functions.HingeLoss, 2 * binary - 1, numbers)
smooth_mean, smooth_sum, smooth_none = loss(loss_functions.SmoothL1Loss, 2 * one_hot, numbers, beta=0.7)
nll_mean, nll_sum, nll_none = loss(loss_functions.NLLLoss, soft, numbers)
kl_mean, kl_sum, kl_none = loss(loss_functions.KLDivergence, soft, numbers)
ce_mean, ce_sum, ce_none = loss(loss_functions.CrossEntropy, soft, probabilities(normalised=True), weight=weights)
# The softmax is the loss's own: targets are one-hot, as it asks for.
logits_mean, logits_sum, logits_none = loss(loss_functions.CrossEntropyWithLogits, one_hot, numbers, weight=weights)


def build_cosine(primals):
    made, same = loss_functions.CosineEmbeddingLoss(margin=0.1), np.array([1, -1, 1])
    return from_functions(
        lambda x1, x2: made.forward(same, x1, x2),
        lambda dy: tuple(dy * gradient for gradient in made.backward()),
        primals,
        traits={Trait("last-forward-only")},
    )


cosine_embedding = suite(build=build_cosine, strategy=normal(x1=(3, 4), x2=(3, 4)), name="CosineEmbeddingLoss")
