"""Layers, activations and losses of caspian-ml 1.1.0, whose backward hands gradients to an optimizer and updates.

``gradcheck verify examples/third_party/caspian_layers.py``
"""

import numpy as np
from caspian import activations, layers, losses, pooling
from caspian.optimizers import StandardGD
from hypothesis import strategies as st

from gradcheck import Trait, suite
from gradcheck.adapters import from_functions, from_loss, from_object

WINDOWS = ["symmetric padding", "no dilation", "no groups", "no bias"]
POOL = ["no padding", "no dilation", "no ceil mode", "count_include_pad=True only"]
VIEWS = ["returns views"]
NO_EMPTY = {"empty-batch": "a batch of 0 is refused by NumPy"}
samples = {Trait("batch-separable", ("x",))}
linear = activations.Identity  # layers call it with their last output


def normal(**shapes):
    """Return a strategy of normal numbers in these shapes."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal(shape) for name, shape in shapes.items()}

    return st.integers(0, 999).map(draw)


def layer(make, traits=(), **options):
    """Return what builds the layer that `make` makes of a configuration."""
    return lambda config, primals: from_object(lambda: make(config), primals, traits=traits, **options)


def cases(make, limits=(), without=None, **given):
    """Return a suite of the layers that `make` makes: primals by their shapes, and options of `from_object`."""
    options = {name: given.pop(name) for name in OPTIONS & given.keys()}

    def seeded():
        np.random.seed(0)  # noqa: NPY002 - weights come from there
        return make()

    return suite(
        build=lambda primals: from_object(seeded, primals, **options),
        strategy=normal(**given),
        name=type(make()).__name__,
        limits=limits,
        without=without,
    )


OPTIONS = {"forward", "learning_rate", "params", "returns", "traits", "seed"}
several = {"forward": lambda layer, *inputs: layer.forward(inputs, True)}

# Dense layers, embeddings


dense = suite(
    "affine",
    layer(lambda c: layers.Dense(linear(), c.in_features, c.out_features)),
    name="Dense",
    limits={"bias only": True, "a batch axis": lambda c: len(c.batch_shape) > 0},
)
linear_layer = suite(
    "affine",
    layer(lambda c: layers.Linear(c.in_features, c.out_features, c.bias)),
    name="Linear",
    limits={"a batch axis": lambda c: len(c.batch_shape) > 0},
)
bilinear = suite(
    "bilinear",
    layer(lambda c: layers.Bilinear(linear(), c.in1_features, c.in2_features, c.out_features)),
    name="Bilinear",
    limits={"bias only": True, "a batch axis": lambda c: len(c.batch_shape) > 0},
)
embedding = cases(lambda: layers.Embedding(5, 3), x=(4, 5), weight=(5, 3), params={"weight": "embed_table"})
dense_tanh = cases(lambda: layers.Dense(activations.Tanh(), 4, 5), x=(3, 4), weight=(5, 4), bias=(5, 1))

# Convolutions: a bias for every place of the output, so that the kinds, which have one per channel, do without


def size(config, channels):
    """Return the shape of one sample, which caspian asks for."""
    return (channels, *config.size)


def padding(config):
    """Return the padding of both ends together, per axis."""
    return tuple(first + last for first, last in zip(config.padding[::2], config.padding[1::2], strict=True))


def convolution(make):
    """Return what makes a convolution of a configuration."""

    def made(c):
        window = c.out_channels, c.kernel_size, size(c, c.in_channels), c.stride, padding(c)
        return make(linear(), *map(number, window), biases=False)

    def number(value):
        return value[0] if make is layers.Conv1D and isinstance(value, tuple) and len(value) == 1 else value

    return layer(made, samples)


conv1d = suite("conv1d", convolution(layers.Conv1D), name="Conv1D", limits=WINDOWS)
conv1d_no_remainder = suite("conv1d", convolution(layers.Conv1D), name="Conv1D", limits=[*WINDOWS, "no remainder"])
conv2d = suite("conv2d", convolution(layers.Conv2D), name="Conv2D", limits=WINDOWS)
conv2d_no_remainder = suite("conv2d", convolution(layers.Conv2D), name="Conv2D", limits=[*WINDOWS, "no remainder"])
conv3d = suite("conv3d", convolution(layers.Conv3D), name="Conv3D", limits=WINDOWS)
conv3d_no_remainder = suite("conv3d", convolution(layers.Conv3D), name="Conv3D", limits=[*WINDOWS, "no remainder"])
conv_nd = suite("conv2d", convolution(layers.ConvND), name="ConvND", limits=WINDOWS)
conv_nd_no_remainder = suite("conv2d", convolution(layers.ConvND), name="ConvND", limits=[*WINDOWS, "no remainder"])
conv2d_bias = cases(
    lambda: layers.Conv2D(linear(), 4, (3, 2), (2, 7, 6)),
    x=(3, 2, 7, 6),
    weight=(4, 2, 3, 2),
    bias=(4, 5, 5),
)
conv2d_sigmoid = cases(
    lambda: layers.Conv2D(activations.Sigmoid(), 4, 2, (2, 4, 5), biases=False),
    x=(3, 2, 4, 5),
    weight=(4, 2, 2, 2),
)


# The kernel is not flipped, and the weight is (out, in, …): no kind does that.


def transposed(make, kernel, image, *window):
    """Return a suite of a transposed convolution from 2 channels to 4, of kernel, image, stride, padding."""
    channels = (2, *image) if isinstance(image, tuple) else (2, image)
    sizes = kernel if isinstance(kernel, tuple) else (kernel,)
    return cases(
        lambda: make(linear(), 4, kernel, channels, *window, biases=False),
        x=(3, *channels),
        weight=(4, 2, *sizes),
    )


conv_transpose1d = transposed(layers.Conv1DTranspose, 3, 5, 2, 2)
conv_transpose1d_out_padding = transposed(layers.Conv1DTranspose, 3, 5, 2, 0, 2)
conv_transpose2d = transposed(layers.Conv2DTranspose, (3, 2), (4, 3), (2, 1), 1)
conv_transpose2d_unequal = transposed(layers.Conv2DTranspose, (3, 2), (4, 3), (2, 1), (2, 0))
conv_transpose2d_out_padding = transposed(layers.Conv2DTranspose, (3, 2), (4, 3), (2, 1), 0, (1, 2))
conv_transpose3d = transposed(layers.Conv3DTranspose, (1, 3, 2), (2, 3, 4), (1, 2, 1), 1)
conv_transpose3d_unequal = transposed(layers.Conv3DTranspose, (1, 3, 2), (2, 3, 4), (1, 2, 1), (0, 2, 0))
conv_transpose_nd = transposed(layers.ConvNDTranspose, (3, 2), (4, 3), (2, 1), (1, 2))
conv_transpose_nd_out_padding = transposed(layers.ConvNDTranspose, (3, 2), (4, 3), (2, 1), 0, (1, 2))

# Poolings


def pool(make, function):
    """Return what builds a pooling without padding."""

    def number(value):
        return value[0] if make is layers.Pooling1D else value

    def build(config, primals):
        window = number(config.kernel_size), size(config, config.channels), number(config.stride)
        return from_object(lambda: make(function(), *window), primals, traits=samples)

    return build


max_pool1d = suite(
    "max_pool1d", pool(layers.Pooling1D, pooling.Maximum), name="Pooling1D (Maximum)", limits=POOL, without=NO_EMPTY
)
max_pool2d = suite(
    "max_pool2d", pool(layers.Pooling2D, pooling.Maximum), name="Pooling2D (Maximum)", limits=POOL, without=NO_EMPTY
)
max_pool_nd = suite(
    "max_pool2d", pool(layers.PoolingND, pooling.Maximum), name="PoolingND (Maximum)", limits=POOL, without=NO_EMPTY
)
avg_pool1d = suite(
    "avg_pool1d", pool(layers.Pooling1D, pooling.Average), name="Pooling1D (Average)", limits=POOL, without=NO_EMPTY
)
avg_pool2d = suite(
    "avg_pool2d", pool(layers.Pooling2D, pooling.Average), name="Pooling2D (Average)", limits=POOL, without=NO_EMPTY
)
avg_pool_nd = suite(
    "avg_pool2d", pool(layers.PoolingND, pooling.Average), name="PoolingND (Average)", limits=POOL, without=NO_EMPTY
)
min_pool2d = cases(lambda: layers.Pooling2D(pooling.Minimum(), (3, 2), (2, 6, 5), (2, 1), 1), x=(3, 2, 6, 5))
max_pool3d = cases(lambda: layers.Pooling3D(pooling.Maximum(), 2, (2, 3, 2, 4), 1, 1), x=(2, 2, 3, 2, 4))
avg_pool3d = cases(lambda: layers.Pooling3D(pooling.Average(), 2, (2, 3, 2, 4), 1, 1), x=(2, 2, 3, 2, 4))
max_pool2d_padded = cases(lambda: layers.Pooling2D(pooling.Maximum(), 3, (2, 6, 5), 2, 2), x=(3, 2, 6, 5))

# Normalisations, dropout

NAMES = {"gamma": "layer_weight", "beta": "bias_weight"}
CHANNELS = {"params": {"gamma": "gamma", "beta": "beta"}}
batch_norm = suite(
    "batch_norm",
    layer(
        lambda c: layers.BatchNorm(c.channels, 1 + len(c.size), var_eps=c.eps),
        {Trait("batch-normalising", ("x",))},
        **CHANNELS,
    ),
    name="BatchNorm",
    limits=["affine=True only"],
)
instance_norm = suite(
    "instance_norm",
    layer(lambda c: layers.InstanceNorm(c.channels, 1 + len(c.size), var_eps=c.eps), samples, **CHANNELS),
    name="InstanceNorm",
    limits=["affine=True only"],
)
layer_norm = suite(
    "layer_norm",
    layer(lambda c: layers.LayerNorm(c.normalized_shape, biases=True, var_eps=c.eps), params=NAMES),
    name="LayerNorm",
    limits={
        "affine=True only": True,
        "one batch axis": True,
        "the last axis": lambda c: len(c.normalized_shape) == 1,
    },
)
rms_norm = suite(
    "rms_norm",
    layer(lambda c: layers.RMSNorm(c.normalized_shape, var_eps=c.eps), params={"gamma": "layer_weight"}),
    name="RMSNorm",
    limits={"one batch axis": True, "the last axis": lambda c: len(c.normalized_shape) == 1},
)
layer_norm_plain = cases(lambda: layers.LayerNorm((4,), weights=False), x=(3, 4))
rms_norm_plain = cases(lambda: layers.RMSNorm((4,), weights=False), x=(3, 4))
batch_norm_plain = cases(
    lambda: layers.BatchNorm(4, 1, scale=False, shift=False), x=(5, 4), traits={Trait("batch-normalising", ("x",))}
)
instance_norm_plain = cases(lambda: layers.InstanceNorm(2, 2, scale=False, shift=False), x=(3, 2, 5))
group_norm = cases(
    lambda: layers.GroupNorm(2, 4, 2, biases=True),
    x=(3, 4, 5),
    gamma=(2, 2, 1),
    beta=(2, 2, 1),
    params=NAMES,
)
group_norm_plain = cases(lambda: layers.GroupNorm(2, 4, 2, weights=False), x=(3, 4, 5))
group_norm_of_one = cases(lambda: layers.GroupNorm(4, 4, 2, weights=False), x=(3, 4, 5))
dropout = cases(lambda: layers.Dropout(0.4), x=(4, 7), seed="global")

# Layers without parameters

concat = cases(lambda: layers.Concat(1), x=(3, 2), x2=(3, 4), limits=VIEWS, returns=("x", "x2", None), **several)
mult = cases(layers.Mult, x=(3, 4), x2=(3, 4), limits=VIEWS, **several)
matmul = cases(layers.MatMul, x=(2, 3, 4), x2=(2, 4, 5), **several)
cosine_similarity = cases(layers.CosineSimilarity, x=(3, 4), x2=(3, 4))
reshape = cases(lambda: layers.Reshape((-1, 4, 3), (-1, 6, 2)), x=(3, 4, 3), limits=VIEWS)
upsampling1d = cases(lambda: layers.Upsampling1D(2), x=(3, 2, 4))
upsampling2d = cases(lambda: layers.Upsampling2D((2, 3)), x=(3, 2, 4, 5))
upsampling3d = cases(lambda: layers.Upsampling3D((2, 1, 3)), x=(2, 2, 2, 3, 4))
upsampling_nd = cases(lambda: layers.UpsamplingND((2, 3)), x=(3, 2, 4, 5))
positional_encoding = cases(lambda: layers.PositionalEncoding(8, 4), x=(5, 4), limits=VIEWS)
add = cases(layers.Add, x=(3, 4), x2=(3, 4), **several)

# Attention and containers

# A rate of 0 keeps the projections, which are private, from moving.


def still(layer):
    """Return a layer whose projections do not learn."""
    layer.set_optimizer(StandardGD(0.0))
    return layer


SEQUENCES = {"x": (3, 5, 4), "x2": (3, 6, 4), "x3": (3, 6, 4)}
attention = cases(lambda: still(layers.Attention(4)), **SEQUENCES)
multi_head_attention = cases(lambda: still(layers.MultiHeadAttention(4, 2, 1e-12)), **SEQUENCES)
container_sigmoid = cases(lambda: layers.Container(activations.Sigmoid()), x=(3, 4))
container_relu = cases(lambda: layers.Container(activations.ReLU()), x=(3, 4))
sequence = cases(
    lambda: layers.Sequence([layers.Dense(activations.Tanh(), 4, 5), layers.Dense(activations.Sigmoid(), 5, 2)]),
    x=(3, 4),
    limits=["one pullback per forward"],
)

# Activations, called with the last output as every layer but Container does


def activation(make):
    """Return what builds an activation of a configuration."""

    def build(config, primals):
        made = make(config)
        return from_functions(
            made.forward,
            lambda y, dy: made(y, dy),
            primals,
            traits={Trait("last-forward-only")},
        )

    return build


def plain(make, shape=(3, 7), **options):
    """Return a suite of an activation that has no kind."""

    def build(primals):
        return activation(lambda _: make())(None, primals)

    return suite(build=build, strategy=normal(x=shape), name=make().__class__.__name__, **options)


# The sign of the input has to follow from the output.
POSITIVE = {"negative_slope > 0": lambda config: config.negative_slope > 0}
DIGITS = {"agreement": "near 0 the difference of two numbers near 1 loses digits"}
ALPHA = {"alpha > 0": lambda config: config.alpha > 0}
relu = suite("relu", activation(lambda _: activations.ReLU()), name="ReLU")
sigmoid = suite("sigmoid", activation(lambda _: activations.Sigmoid()), name="Sigmoid")
tanh = suite("tanh", activation(lambda _: activations.Tanh()), name="Tanh", without=DIGITS)
softplus = suite("softplus", activation(lambda _: activations.Softplus()), name="Softplus")
silu = suite("silu", activation(lambda _: activations.Swish()), name="Swish")
leaky_relu = suite(
    "leaky_relu", activation(lambda c: activations.LReLU(c.negative_slope)), name="LReLU", limits=POSITIVE
)
elu = suite("elu", activation(lambda c: activations.ELU(c.alpha)), name="ELU", limits=ALPHA, without=DIGITS)
softmax = suite("softmax", activation(lambda c: activations.Softmax(c.axis)), name="Softmax")
softmin = plain(activations.Softmin)
softsign = plain(activations.Softsign)
hard_sigmoid = plain(activations.HardSigmoid, (9, 7))
hard_swish = plain(activations.HardSwish, (9, 7))
hard_tanh = plain(activations.HardTanh)
hard_shrink = plain(activations.HardShrink)
relu_x = plain(lambda: activations.ReLUX(1.0))
rrelu = plain(activations.RReLU, limits=["stochastic"])
identity = plain(activations.Identity, limits=VIEWS)
glu = plain(activations.GLU, (3, 8))
swiglu = plain(activations.SwiGLU, (3, 8))
prelu = suite(
    build=lambda primals: from_object(
        lambda: activations.PReLU(5),
        primals,
        backward=lambda layer, dy: layer(primals["x"], dy),
        params={"weight": "weights"},
    ),
    strategy=normal(x=(3, 5), weight=(5,)),
    name="PReLU",
)

# Losses


def loss(made, targets, predictions, squash=lambda x: x, **options):
    """Return the suite of a loss; targets are the same in every case.

    Gradients of cross-entropies are those of what `squash` is applied to.
    """

    def value(y_true, y_pred):
        return made.forward(y_true, squash(y_pred))

    def gradient(y_true, y_pred):
        return made.backward(y_true, squash(y_pred))

    return suite(
        build=lambda primals: from_loss(value, gradient, primals["x"], targets, **options),
        strategy=predictions,
        name=type(made).__name__,
    )


numbers = normal(x=(3, 4))
probabilities = numbers.map(lambda drawn: {"x": activations.Softmax().forward(drawn["x"])})
one_hot = np.eye(4)[[1, 0, 3]]
soft = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.2, 0.3]])
binary = np.array([[0.0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]])
mean_square_error = loss(losses.MeanSquareErr(), 2 * one_hot, numbers)
mean_average_error = loss(losses.MeanAvgErr(), 2 * one_hot, numbers)
huber = loss(losses.Huber(0.7), 2 * one_hot, numbers)
direct = loss(losses.Direct(), 2 * one_hot, numbers)
binary_cross_entropy = loss(losses.BinaryCrossEntropy(), binary, numbers, activations.Sigmoid().forward, scale=12)
cross_entropy = loss(losses.CrossEntropy(), one_hot, numbers, activations.Softmax().forward)
kl_divergence = loss(losses.KLDivergence(), soft, probabilities)
