"""Layers, activations and losses of neuralnetlib 5.0.0, which has images as NHWC and makes its weights lazily.

``gradcheck verify examples/third_party/neuralnetlib_layers.py``
"""

import numpy as np
from hypothesis import strategies as st
from neuralnetlib import activations, layers, losses

from gradcheck import Trait, suite
from gradcheck.adapters import from_functions, from_loss, from_object

IMAGES = {"x": "NHWC", "y": "NHWC"}
SEQUENCES = {"x": "NLC", "y": "NLC"}
WINDOWS = ["no padding", "no dilation", "no groups", "bias only"]
POOLS = ["no padding", "no dilation", "no ceil mode", "count_include_pad=True only"]
NO_EMPTY = {"empty-batch": "a batch of 0 is reshaped to -1 rows, which NumPy refuses"}
samples = {Trait("batch-separable", ("x",))}
pairs = {Trait("batch-separable", ("x", "x2"))}
all_inputs = {Trait("batch-separable", ("x", "x2", "x3"))}


def normal(**shapes):
    """Return a strategy of normal numbers in these shapes."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal(shape) for name, shape in shapes.items()}

    return st.integers(0, 999).map(draw)


# Dense layers and embeddings


def build_dense(config, primals):
    return from_object(
        lambda: layers.Dense(config.out_features, use_bias=config.bias), primals, layouts={"weight": "IO"}
    )


def build_embedding(config, primals):
    indices = np.array(config.indices, config.index_dtype).reshape(config.index_shape)
    return from_object(
        lambda: layers.Embedding(config.num_embeddings, config.embedding_dim),
        primals,
        forward=lambda layer, *_: layer.forward_pass(indices),
        inputs=(),
        params={"weight": "weights"},
        grads={"weight": "d_weights"},
        returns=(None,),
    )


dense = suite("affine", build_dense)
embedding = suite(
    "embedding",
    build_embedding,
    limits={
        "no padding": lambda config: config.padding_idx == (),
        "indices from 1, for row 0 is padding": lambda config: min(config.indices, default=1) >= 1,
    },
)

# Convolutions


def build_conv2d(config, primals):
    return from_object(
        lambda: layers.Conv2D(config.out_channels, config.kernel_size, config.stride),
        primals,
        layouts=IMAGES | {"weight": "HWIO", "bias": "111F"},
        traits=samples,
    )


def build_conv1d(config, primals):
    return from_object(
        lambda: layers.Conv1D(config.out_channels, config.kernel_size[0], config.stride[0]),
        primals,
        layouts=SEQUENCES | {"weight": "OIL->LIO"},
        traits=samples,
    )


def build_conv_transpose2d(config, primals):
    return from_object(
        lambda: layers.Conv2DTranspose(config.out_channels, config.kernel_size, config.stride),
        primals,
        layouts=IMAGES | {"weight": "IOHW->HWOI", "bias": "111F"},
        traits=samples,
    )


conv2d = suite("conv2d", build_conv2d, limits=WINDOWS, without=NO_EMPTY)
conv1d = suite("conv1d", build_conv1d, limits=WINDOWS, without=NO_EMPTY)
conv_transpose2d = suite(
    "conv_transpose2d", build_conv_transpose2d, limits=[*WINDOWS, "no output padding"], without=NO_EMPTY
)


# Poolings


def pool(layer, layouts, size):
    """Return what builds a pooling; one-dimensional ones take numbers."""

    def build(config, primals):
        window = [config.kernel_size, config.stride] if size == 2 else [config.kernel_size[0], config.stride[0]]
        return from_object(lambda: layer(*window), primals, layouts=layouts, traits=samples)

    return build


def build_global_pool2d(_config, primals):
    return from_object(layers.GlobalAveragePooling2D, primals, layouts={"x": "NHWC"}, traits=samples)


max_pool2d = suite("max_pool2d", pool(layers.MaxPooling2D, IMAGES, 2), limits=POOLS)
avg_pool2d = suite("avg_pool2d", pool(layers.AveragePooling2D, IMAGES, 2), limits=POOLS)
max_pool1d = suite("max_pool1d", pool(layers.MaxPooling1D, SEQUENCES, 1), limits=POOLS)
avg_pool1d = suite("avg_pool1d", pool(layers.AveragePooling1D, SEQUENCES, 1), limits=POOLS)
global_avg_pool2d = suite("global_avg_pool2d", build_global_pool2d, limits=["keepdims=False only"])


# Normalisations and dropout


def build_batch_norm(config, primals):
    last = "N" + "".join("DHW"[-len(config.size) :]) if config.size else "N"
    words = {"x": f"{last[:1]}C{last[1:]}->{last}C"} if config.size else {}
    return from_object(
        lambda: layers.BatchNormalization(epsilon=config.eps),
        primals,
        layouts=words | ({"y": words["x"]} if words else {}),
        traits={Trait("batch-normalising", ("x",))},
    )


def build_layer_norm(config, primals):
    return from_object(lambda: layers.LayerNormalization(config.eps), primals, traits=samples)


def build_dropout(config, primals):
    return from_object(
        lambda: layers.Dropout(config.p, random_state=config.seed), primals, evaluates=not config.training
    )


batch_norm = suite("batch_norm", build_batch_norm, limits=["affine=True only"])
layer_norm = suite(
    "layer_norm",
    build_layer_norm,
    limits={"affine=True only": True, "the last axis": lambda config: len(config.normalized_shape) == 1},
)

# Activations and shapes


def activation(make):
    """Return what builds the layer around an activation, of which `make` makes one by the configuration."""
    return lambda config, primals: from_object(lambda: layers.Activation(make(config)), primals)


def build_flatten(_config, primals):
    return from_object(layers.Flatten, primals, traits=samples)


def build_reshape(config, primals):
    return from_object(lambda: layers.Reshape(config.new_shape[1:]), primals, traits=samples)


relu = suite("relu", activation(lambda _: activations.ReLU()), name="relu")
sigmoid = suite("sigmoid", activation(lambda _: activations.Sigmoid()), name="sigmoid")
tanh = suite("tanh", activation(lambda _: activations.Tanh()), name="tanh")
leaky_relu = suite(
    "leaky_relu", activation(lambda config: activations.LeakyReLU(config.negative_slope)), name="leaky_relu"
)
elu = suite("elu", activation(lambda _: activations.ELU()), limits=["alpha=1.0 only"], name="elu")
gelu = suite("gelu", activation(lambda _: activations.GELU()), limits=["approximate=tanh only"], name="gelu")
softmax = suite("softmax", activation(lambda _: activations.Softmax()), limits=["axis=-1 only"], name="softmax")
flatten = suite("flatten", build_flatten, limits=["start_axis=1 only", "returns views"], without=NO_EMPTY)
reshape = suite(
    "reshape",
    build_reshape,
    limits={"the batch stays": lambda c: c.shape[:1] == c.new_shape[:1] != (), "returns views": True},
    without=NO_EMPTY,
)


# Layers without a kind, in the layout of the package: a case per seed, all sizes different


def cases(make, limits=(), without=None, **given):
    """Return a suite of the objects that `make` makes: primals by their shapes, and options of `from_object`."""
    options = {name: given.pop(name) for name in OPTIONS & given.keys()}
    return suite(
        build=lambda primals: from_object(make, primals, **({"traits": samples} | options)),
        strategy=normal(**given),
        name=type(make()).__name__,
        limits=limits,
        without=without,
    )


OPTIONS = {"forward", "params", "grads", "evaluates", "traits"}
VIEWS = ["returns views"]
image, sequence = (3, 7, 6, 2), (3, 5, 4)

selu = cases(lambda: layers.Activation(activations.SELU()), x=(3, 7))
linear = cases(lambda: layers.Activation(activations.Linear()), x=(3, 7), limits=VIEWS)
conv2d_same = cases(
    lambda: layers.Conv2D(4, (3, 2), (2, 1), "same"), x=image, weight=(3, 2, 2, 4), bias=(1, 1, 1, 4), without=NO_EMPTY
)
conv1d_same = cases(
    lambda: layers.Conv1D(3, 2, 2, "same"), x=sequence, weight=(2, 4, 3), bias=(1, 1, 3), without=NO_EMPTY
)
conv_transpose2d_same = cases(
    lambda: layers.Conv2DTranspose(4, (3, 2), (2, 1), "same"),
    x=image,
    weight=(3, 2, 4, 2),
    bias=(1, 1, 1, 4),
    without=NO_EMPTY,
)
max_pool2d_same = cases(lambda: layers.MaxPooling2D((3, 2), (2, 1), "same"), x=image)
avg_pool2d_same = cases(lambda: layers.AveragePooling2D((3, 2), (2, 1), "same"), x=image)
max_pool1d_same = cases(lambda: layers.MaxPooling1D(3, 2, "same"), x=sequence)
avg_pool1d_same = cases(lambda: layers.AveragePooling1D(3, 2, "same"), x=sequence)
global_avg_pool1d = cases(layers.GlobalAveragePooling1D, x=sequence)
permute = cases(lambda: layers.Permute((2, 1)), x=sequence, limits=VIEWS)
up_sampling_nearest = cases(lambda: layers.UpSampling2D((2, 3)), x=image)
up_sampling_bilinear = cases(lambda: layers.UpSampling2D((2, 3), "bilinear"), x=image)
dropout = cases(lambda: layers.Dropout(0.4, random_state=1), x=(3, 7), traits=())
dropout_evaluation = cases(lambda: layers.Dropout(0.4), x=(3, 7), evaluates=True, limits=VIEWS)
dropout_adaptive = cases(lambda: layers.Dropout(0.4, adaptive=True, random_state=1), x=(3, 7), traits=())


def trained_batch_norm():
    """Return a batch normalisation whose running statistics are not 0 and 1."""
    layer = layers.BatchNormalization()
    layer.initialize_weights((2,))
    layer.running_mean, layer.running_var = np.array([0.5, -1.0]), np.array([0.3, 2.0])
    return layer


batch_norm_evaluation = cases(trained_batch_norm, x=image, gamma=(2,), beta=(2,), evaluates=True)
attention = cases(layers.Attention, x=sequence)
attention_sequences = cases(lambda: layers.Attention(return_sequences=True), x=sequence)

# Recurrent layers


def gates(names, features, units):
    """Return the shapes of the parameters of a recurrent layer."""
    shapes = {"W": (features, units), "U": (units, units), "b": (1, units)}
    return {kind + gate: shape for gate in names for kind, shape in shapes.items()}


def held(names):
    """Return where the cell of a recurrent layer holds parameters and gradients."""
    places = gates(names, 1, 1)
    return {"params": {name: f"cell.{name}" for name in places}, "grads": {name: f"cell.d{name}" for name in places}}


LINEAR = {"linear-in-cotangent": "gradients are clipped to ±1000"}
UNCLIPPED = 1e30  # by default gradients are clipped to a norm of 5
lstm = cases(
    lambda: layers.LSTM(3, clip_value=UNCLIPPED), x=sequence, **gates("fico", 4, 3), **held("fico"), without=LINEAR
)
lstm_sequences = cases(
    lambda: layers.LSTM(3, return_sequences=True, clip_value=UNCLIPPED),
    x=sequence,
    **gates("fico", 4, 3),
    **held("fico"),
    without=LINEAR,
)
gru = cases(lambda: layers.GRU(3, clip_value=UNCLIPPED), x=sequence, **gates("rzh", 4, 3), **held("rzh"))
gru_sequences = cases(
    lambda: layers.GRU(3, return_sequences=True, clip_value=UNCLIPPED), x=sequence, **gates("rzh", 4, 3), **held("rzh")
)
bidirectional = cases(
    lambda: layers.Bidirectional(layers.LSTM(3, random_state=1, clip_value=UNCLIPPED)), x=sequence, without=LINEAR
)
unidirectional = cases(
    lambda: layers.Unidirectional(layers.LSTM(3, random_state=1, clip_value=UNCLIPPED)), x=sequence, without=LINEAR
)

# Transformers: their parameters are made from a seed, and only the inputs are primals


def call_with_tuple(layer, *inputs):
    """Call a layer that takes its inputs as one tuple."""
    return layer.forward_pass(inputs)


def call(layer, *inputs):
    """Call a layer that takes options beside its inputs."""
    return layer.forward_pass(*inputs)


multi_head_attention = cases(
    lambda: layers.MultiHeadAttention(2, 3, random_state=1), x=sequence, forward=call, traits=samples, without=NO_EMPTY
)
cross_attention = cases(
    lambda: layers.MultiHeadAttention(2, 3, value_dim=5, random_state=1),
    x=(3, 5, 4),
    x2=(3, 6, 4),
    x3=(3, 6, 4),
    forward=call_with_tuple,
    traits=all_inputs,
    without=NO_EMPTY,
)
normalized_attention = cases(
    lambda: layers.MultiHeadAttention(2, 3, normalize_attention=True, random_state=1),
    x=sequence,
    forward=call,
    without=NO_EMPTY,
)
positional_encoding = cases(lambda: layers.PositionalEncoding(8, 4), x=sequence)
positional_encoding_trainable = cases(
    lambda: layers.PositionalEncoding(8, 4, trainable=True), x=sequence, weight=(1, 8, 4)
)
feed_forward = cases(lambda: layers.FeedForward(6, 4, dropout_rate=0.0, random_state=1), x=sequence)
add_norm = cases(
    layers.AddNorm,
    x=sequence,
    x2=sequence,
    gamma=(1, 1, 4),
    beta=(1, 1, 4),
    forward=call_with_tuple,
    traits=pairs,
    limits=VIEWS,
)
encoder_layer = cases(
    lambda: layers.TransformerEncoderLayer(4, 2, 6, 0.0, 0.0, random_state=1),
    x=sequence,
    forward=call,
    without=NO_EMPTY,
)
decoder_layer = cases(
    lambda: layers.TransformerDecoderLayer(4, 2, 6, 0.0, 0.0, random_state=1),
    x=sequence,
    x2=(3, 6, 4),
    forward=call,
    traits=pairs,
    without=NO_EMPTY,
)

# Losses


def probabilities(shape, low=0.02, normalised=True):
    """Return a strategy of probabilities, away from 0 where losses are clipped."""

    def draw(drawn):
        x = np.exp(drawn["x"])
        return {"x": x / x.sum(-1, keepdims=True) if normalised else low + (1 - 2 * low) / (1 + x)}

    return normal(x=shape).map(draw)


def loss(made, targets, predictions, **options):
    """Return a suite of a loss; targets are the same in every case."""
    return suite(
        build=lambda primals: from_loss(made, made.derivative, primals["x"], targets, **options),
        strategy=predictions,
        name=type(made).__name__,
    )


numbers, between = normal(x=(3, 4)), probabilities((3, 4), normalised=False)
labels = np.array([1, 0, 3])
one_hot = np.eye(4)[labels]
# The gradients of three losses are those of the sum, their values means.
binary = np.array([[0.0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]])
mean_squared_error = loss(losses.MeanSquaredError(), 2 * one_hot, numbers)
mean_absolute_error = loss(losses.MeanAbsoluteError(), 2 * one_hot, numbers)
huber = loss(losses.Huber(0.7), 2 * one_hot, numbers)
wasserstein = loss(losses.Wasserstein(), 2 * one_hot - 1, numbers)
binary_crossentropy = loss(losses.BinaryCrossentropy(), binary, between, scale=12)
categorical_crossentropy = loss(losses.CategoricalCrossentropy(), one_hot, probabilities((3, 4)), scale=3)
sparse_crossentropy = loss(losses.SparseCategoricalCrossentropy(), labels, probabilities((3, 4)), scale=3)
label_smoothing = loss(
    losses.CrossEntropyWithLabelSmoothing(), np.array([[1, 0, 3], [2, 2, 1]]), probabilities((2, 3, 4))
)
focal = loss(losses.FocalLoss(), binary, between)
focal_per_label = loss(losses.BinaryFocalLossPerLabel(), binary, between)
multi_label = loss(losses.MultiLabelBCELoss(2.0), binary, probabilities((3, 4), 0.3, normalised=False))
asymmetric = loss(losses.AsymmetricLoss(2.0), binary, probabilities((3, 4), 0.1, normalised=False))


def build_kl(primals):
    made = losses.KullbackLeiblerDivergence()
    return from_functions(made, lambda mu, log_var, dy: tuple(dy * g for g in made.derivative(mu, log_var)), primals)


kullback_leibler = suite(build=build_kl, strategy=normal(mu=(3, 4), log_var=(3, 4)))
