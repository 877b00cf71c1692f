"""Whole networks, composed of the layers of this package."""

from reference_layers.networks.alexnet import AlexNet
from reference_layers.networks.five_layer_cnn import FiveLayerCNN
from reference_layers.networks.lenet import LeNet
from reference_layers.networks.resnet import ResNet

__all__ = ["AlexNet", "FiveLayerCNN", "LeNet", "ResNet"]
