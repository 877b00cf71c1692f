"""Layers in NumPy with hand-written backward passes: known to be right, and written to be read."""

from reference_layers.activations import ReLU
from reference_layers.affine import Affine
from reference_layers.channel_normalization import BatchNorm, GroupNorm, InstanceNorm
from reference_layers.conv import Conv2d
from reference_layers.digits import load_digits
from reference_layers.dropout import Dropout
from reference_layers.layer import Layer, ShapeError
from reference_layers.local_response_norm import LocalResponseNorm
from reference_layers.losses import SoftmaxCrossEntropy, softmax
from reference_layers.networks import FiveLayerCNN
from reference_layers.normalization import LayerNorm, RMSNorm
from reference_layers.pooling import AvgPool2d, MaxPool2d
from reference_layers.sequential import Sequential
from reference_layers.shape import Flatten

__all__ = [
    "Affine",
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "Dropout",
    "FiveLayerCNN",
    "Flatten",
    "GroupNorm",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LocalResponseNorm",
    "MaxPool2d",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "ShapeError",
    "SoftmaxCrossEntropy",
    "load_digits",
    "softmax",
]
