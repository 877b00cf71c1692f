"""Layers in NumPy with hand-written backward passes: known to be right, and written to be read."""

from reference_layers.activations import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    softmax,
)
from reference_layers.affine import Affine, Bilinear
from reference_layers.arithmetic import Add, Multiply
from reference_layers.conv import Conv2d
from reference_layers.digits import load_digits
from reference_layers.embedding import Embedding
from reference_layers.layer import Layer, ShapeError
from reference_layers.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Huber,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from reference_layers.networks import FiveLayerCNN
from reference_layers.pooling import AvgPool2d, MaxPool2d
from reference_layers.sequential import Sequential
from reference_layers.shape import Concat, Flatten, Reshape

__all__ = [  # noqa: RUF022 - in the order of `sorted`
    "Add",
    "Affine",
    "AvgPool2d",
    "Bilinear",
    "BinaryCrossEntropyWithLogits",
    "Concat",
    "Conv2d",
    "CrossEntropy",
    "ELU",
    "Embedding",
    "FiveLayerCNN",
    "Flatten",
    "GELU",
    "Huber",
    "Layer",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool2d",
    "MeanSquaredError",
    "Multiply",
    "ReLU",
    "Reshape",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Tanh",
    "load_digits",
    "softmax",
]
