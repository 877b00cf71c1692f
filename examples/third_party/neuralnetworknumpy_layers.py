"""Layers of neuralnetworknumpy 0.3.0, images as NHWC; its pooling and group convolutions compute in float32.

Importing the package needs the module regex, which it does not ask for.

``gradcheck verify examples/third_party/neuralnetworknumpy_layers.py``
"""

import neuralnetworknumpy as nnn
import numpy as np
from hypothesis import strategies as st
from neuralnetworknumpy.layers.FeedForwardNetwork import FeedForwardNetwork
from neuralnetworknumpy.layers.LayerNorm import LayerNorm
from neuralnetworknumpy.layers.MultiHeadAttention import MultiHeadAttention
from neuralnetworknumpy.layers.SingleHeadAttention import SingleHeadAttention

from gradcheck import Trait, suite
from gradcheck.adapters import from_object

IMAGES = {"x": "NHWC", "y": "NHWC"}
WINDOWS = ["no padding", "no dilation", "bias only"]
POOLS = ["no padding", "no dilation", "no ceil mode", "count_include_pad=True only"]
SINGLE = ["float32 only"]
VIEWS = ["returns views"]
NO_EMPTY = {"empty-batch": "a batch of 0 is refused by NumPy"}
samples = {Trait("batch-separable", ("x",))}


def normal(dtype, **shapes):
    """Return a strategy of normal numbers in these shapes."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}

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
        strategy=normal(np.float32 if limits == SINGLE else np.float64, **given),
        name=type(make()).__name__,
        limits=limits,
        without=without,
    )


OPTIONS = {"forward", "params", "grads", "traits", "seed", "scale", "evaluates"}

# Dense layers, embeddings


def build_embedding(config, primals):
    indices = np.array(config.indices, config.index_dtype).reshape(config.index_shape)

    def make():
        layer = nnn.Embedding(config.num_embeddings, config.embedding_dim)
        layer.build()
        return layer

    return from_object(
        make,
        primals,
        forward=lambda layer, *_: layer.forward(indices),
        inputs=(),
        returns=(None,),
    )


dense = suite(
    "affine",
    layer(lambda c: nnn.Dense(c.out_features), layouts={"weight": "IO"}),
    name="Dense",
    limits={"bias only": True, "one or two batch axes": lambda c: len(c.batch_shape) in (1, 2)},
)
embedding = suite("embedding", build_embedding, name="Embedding", limits={"no padding": lambda c: c.padding_idx == ()})
position_embedding = cases(
    lambda: nnn.PositionEmbedding(6),
    x=(3, 5, 4),
    weight=(6, 4),
    params={"weight": "P"},
    grads={"weight": "dP"},
    limits=VIEWS,
    traits=samples,
)
feed_forward = cases(lambda: FeedForwardNetwork(4, 6), x=(3, 5, 4))

# Convolutions and poolings

conv2d = suite(
    "conv2d",
    layer(
        lambda c: nnn.Conv2D(c.out_channels, c.kernel_size, c.stride),
        samples,
        layouts=IMAGES | {"weight": "OHWI", "bias": "F1"},
    ),
    name="Conv2D",
    limits=[*WINDOWS, "no groups"],
    without=NO_EMPTY,
)
conv2d_same = cases(lambda: nnn.Conv2D(4, (3, 5), (2, 1), "same"), x=(3, 7, 6, 2), weight=(4, 3, 5, 2), bias=(4, 1))
group_conv2d = cases(
    lambda: nnn.GroupConv2D(6, (3, 2), 2, (2, 1)),
    x=(3, 7, 6, 4),
    weight=(2, 3, 3, 2, 2),
    bias=(6, 1),
    limits=SINGLE,
)
depthwise_conv2d = cases(
    lambda: nnn.DepthwiseConv2D((3, 2)), x=(3, 5, 6, 4), weight=(4, 1, 3, 2, 1), bias=(4, 1), limits=SINGLE
)
depthwise_separable_conv2d = cases(lambda: nnn.DepthwiseSeparableConv2D(5, 3), x=(3, 5, 6, 4), limits=SINGLE)
spatially_separable_conv2d = cases(lambda: nnn.SpatiallySeparableConv2D(5, 3), x=(3, 5, 6, 4))
residual_block = cases(
    lambda: nnn.ResidualBlock([nnn.Conv2D(4, 3, (1, 1), "same"), nnn.ReLu()], nnn.Conv2D(4, 1)), x=(3, 5, 6, 2)
)


def pool(make):
    """Return what builds a pooling without padding, in single precision."""
    build = layer(lambda c: make(c.kernel_size, c.stride, "valid"), samples, layouts=IMAGES)
    return lambda config, primals: build(config, {"x": primals["x"].astype(np.float32)})


max_pool2d = suite("max_pool2d", pool(nnn.MaxPooling2D), name="MaxPooling2D", limits=[*POOLS, *SINGLE])
avg_pool2d = suite(
    "avg_pool2d", pool(nnn.AveragePooling2D), name="AveragePooling2D", limits=[*POOLS, *SINGLE], without=NO_EMPTY
)
max_pool2d_same = cases(lambda: nnn.MaxPooling2D((3, 3), (2, 1), "same"), x=(3, 7, 6, 2), limits=SINGLE)
avg_pool2d_same = cases(lambda: nnn.AveragePooling2D((3, 3), (2, 1), "same"), x=(3, 7, 6, 2), limits=SINGLE)
global_avg_pool2d = suite(
    "global_avg_pool2d",
    layer(lambda _: nnn.GlobalAveragePooling2D(), samples, layouts={"x": "NHWC"}),
    name="GlobalAveragePooling2D",
    limits=["keepdims=False only"],
)

# Normalisations, whose gradients of gamma and beta are means over what was normalised together; dropout


def build_batch_norm(config, primals):
    share = 1 / (config.batch * int(np.prod(config.size)))
    make = nnn.BatchNorm2D if config.size else nnn.BatchNorm
    return from_object(
        make,
        primals,
        layouts=IMAGES if config.size else None,
        scale={"gamma": share, "beta": share},
        traits={Trait("batch-normalising", ("x",))},
    )


def trained(make, shape):
    """Return what makes a batch normalisation whose running statistics are not 0 and 1."""

    def made():
        layer = make()
        layer.build(2)
        layer.running_mean = np.array([0.5, -1.0]).reshape(shape)
        layer.running_var = np.array([0.3, 2.0]).reshape(shape)
        return layer

    return made


batch_norm = suite(
    "batch_norm",
    build_batch_norm,
    name="BatchNorm, BatchNorm2D",
    limits={
        "affine=True only": True,
        "none or two spatial axes": lambda c: len(c.size) in (0, 2),
        "eps of 1e-8": lambda c: c.eps == 1e-8,
    },
)
batch_norm1d = cases(
    nnn.BatchNorm,
    x=(5, 4),
    gamma=(1, 4),
    beta=(1, 4),
    scale={"gamma": 1 / 5, "beta": 1 / 5},
    traits={Trait("batch-normalising", ("x",))},
)
batch_norm2d = cases(
    nnn.BatchNorm2D,
    x=(3, 4, 2, 2),
    gamma=(1, 1, 1, 2),
    beta=(1, 1, 1, 2),
    scale={"gamma": 1 / 24, "beta": 1 / 24},
    traits={Trait("batch-normalising", ("x",))},
)
batch_norm1d_evaluation = cases(trained(nnn.BatchNorm, (1, 2)), x=(5, 2), evaluates=True, traits=samples)
batch_norm2d_evaluation = cases(trained(nnn.BatchNorm2D, (1, 1, 1, 2)), x=(3, 4, 2, 2), evaluates=True, traits=samples)
layer_norm = cases(
    lambda: LayerNorm(4), x=(3, 5, 4), gamma=(1, 1, 4), beta=(1, 1, 4), scale={"gamma": 1 / 15, "beta": 1 / 15}
)
dropout = cases(lambda: nnn.Dropout(0.4), x=(4, 7), seed="global")
dropout_square_images = cases(lambda: nnn.Dropout(0.4), x=(3, 4, 3, 4), seed="global")
dropout_evaluation = cases(lambda: nnn.Dropout(0.4), x=(4, 7), evaluates=True, limits=VIEWS)

# Recurrent layers, attention


def recurrent(gates):
    """Return the shapes of the parameters of a recurrent layer, by their names."""
    return {
        name: shape
        for gate, of_x, of_h in gates
        for name, shape in ((of_x, (4, 3)), (of_h, (3, 3)), (f"b_{gate}", (1, 3)))
    }


rnn = cases(lambda: nnn.RNN(4, 3), x=(3, 5, 4), **recurrent([("h", "W_xh", "W_hh")]))
gru = cases(
    lambda: nnn.GRU(4, 3),
    x=(3, 5, 4),
    **recurrent([("z", "W_zx", "W_zh"), ("r", "W_rx", "W_rh"), ("h", "W_xh", "W_hh")]),
)
lstm = cases(lambda: nnn.LSTM(4, 3), x=(3, 5, 4), **recurrent([(gate, f"W_{gate}x", f"W_{gate}h") for gate in "fioc"]))
CONTEXT = np.random.default_rng(1).standard_normal((3, 5, 4))
WEIGHTS = {"W_q": (4, 3), "W_k": (4, 3), "W_v": (4, 3), "W_o": (3, 4)}
single_head_attention = cases(lambda: SingleHeadAttention(4, 3), x=(3, 5, 4), **WEIGHTS)
causal_attention = cases(
    lambda: SingleHeadAttention(4, 3),
    x=(3, 5, 4),
    forward=lambda layer, x: layer.forward(x, mask=nnn.causal_mask(5)),
    **WEIGHTS,
)
cross_attention = cases(
    lambda: SingleHeadAttention(4, 3),
    x=(3, 5, 4),
    forward=lambda layer, x: layer.forward(x, context=CONTEXT),
    **WEIGHTS,
)
multi_head_attention = cases(lambda: MultiHeadAttention(4, 2), x=(3, 5, 4), forward=lambda layer, x: layer.forward(x))
transformer_block = cases(lambda: nnn.TransformerBlock(4, 2, 6), x=(3, 5, 4))

# Activations

relu = suite("relu", layer(lambda _: nnn.ReLu()), name="ReLu")
sigmoid = suite("sigmoid", layer(lambda _: nnn.Sigmoid()), name="Sigmoid")
tanh = suite("tanh", layer(lambda _: nnn.Tanh()), name="Tanh")
softmax = suite("softmax", layer(lambda _: nnn.Softmax()), name="Softmax", limits=["axis=-1 only"])
linear = cases(nnn.Linear, x=(3, 7), limits=VIEWS)
flatten = suite(
    "flatten",
    layer(lambda _: nnn.Flatten(), samples),
    name="Flatten",
    limits=["start_axis=1 only", *VIEWS],
    without=NO_EMPTY,
)
