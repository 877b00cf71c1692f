"""Layers in NumPy with hand-written backward passes: known to be right, and written to be read."""

from reference_layers.activations import ReLU
from reference_layers.affine import Affine
from reference_layers.conv import Conv1d, Conv2d, Conv3d, TrueConv2d
from reference_layers.conv_transpose import ConvTranspose2d
from reference_layers.digits import load_digits
from reference_layers.layer import Layer, ShapeError
from reference_layers.losses import SoftmaxCrossEntropy, softmax
from reference_layers.networks import FiveLayerCNN
from reference_layers.pooling import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool2d, MaxPool1d, MaxPool2d
from reference_layers.sequential import Sequential
from reference_layers.shape import Flatten

__all__ = [
    "AdaptiveAvgPool2d",
    "Affine",
    "AvgPool1d",
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose2d",
    "FiveLayerCNN",
    "Flatten",
    "GlobalAvgPool2d",
    "Layer",
    "MaxPool1d",
    "MaxPool2d",
    "ReLU",
    "Sequential",
    "ShapeError",
    "SoftmaxCrossEntropy",
    "TrueConv2d",
    "load_digits",
    "softmax",
]
