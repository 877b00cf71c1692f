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
from reference_layers.attention import ScaledDotProductAttention
from reference_layers.channel_normalization import BatchNorm, GroupNorm, InstanceNorm
from reference_layers.conv import Conv1d, Conv2d, Conv3d, TrueConv2d
from reference_layers.conv_transpose import ConvTranspose2d
from reference_layers.digits import load_digits
from reference_layers.dropout import Dropout
from reference_layers.embedding import Embedding
from reference_layers.layer import Layer, ShapeError
from reference_layers.local_response_norm import LocalResponseNorm
from reference_layers.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Huber,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from reference_layers.networks import AlexNet, FiveLayerCNN, LeNet, ResNet
from reference_layers.normalization import LayerNorm, RMSNorm
from reference_layers.pooling import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool2d, MaxPool1d, MaxPool2d
from reference_layers.recurrent import GRU, LSTM, RNN
from reference_layers.residual import ResidualBlock
from reference_layers.sequential import Sequential
from reference_layers.shape import Concat, Flatten, Reshape

__all__ = [  # noqa: RUF022 - in the order of `sorted`
    "AdaptiveAvgPool2d",
    "Add",
    "Affine",
    "AlexNet",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm",
    "Bilinear",
    "BinaryCrossEntropyWithLogits",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose2d",
    "CrossEntropy",
    "Dropout",
    "ELU",
    "Embedding",
    "FiveLayerCNN",
    "Flatten",
    "GELU",
    "GRU",
    "GlobalAvgPool2d",
    "GroupNorm",
    "Huber",
    "InstanceNorm",
    "LSTM",
    "Layer",
    "LayerNorm",
    "LeNet",
    "LeakyReLU",
    "LocalResponseNorm",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "MeanSquaredError",
    "Multiply",
    "RMSNorm",
    "RNN",
    "ReLU",
    "ResNet",
    "Reshape",
    "ResidualBlock",
    "ScaledDotProductAttention",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Tanh",
    "TrueConv2d",
    "load_digits",
    "softmax",
]
