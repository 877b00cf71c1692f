"""Modules of ``torch.nn``, in double precision unless it is said: gradients of inputs and parameters, and contracts.

``gradcheck verify examples/frameworks/torch_modules.py``
"""

import numpy as np
import torch
from torch import nn

from gradcheck import Trait
from gradcheck.adapters import from_torch

torch.manual_seed(0)
rng = np.random.default_rng(0)
each_sample = {Trait("batch-separable", ("input",))}
across_samples = {Trait("batch-normalising", ("input",))}


def random(*shape):
    """Return an array of normal numbers."""
    return rng.standard_normal(shape)


def rough(module):
    """Return the module with its parameters moved away from zeros and ones, at which faults hide."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


linear = from_torch(nn.Linear(4, 3), {"input": random(5, 4)}, traits=each_sample)
conv2d = from_torch(
    nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), {"input": random(2, 4, 7, 6)}, traits=each_sample
)
conv_transpose2d = from_torch(
    nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
    {"input": random(2, 3, 4, 5)},
    traits=each_sample,
)
max_pool2d = from_torch(nn.MaxPool2d(3, stride=2, padding=1), {"input": random(2, 3, 6, 5)}, traits=each_sample)

batch_norm1d_training = from_torch(
    rough(nn.BatchNorm1d(3)), {"input": random(6, 3)}, training=True, traits=across_samples
)
batch_norm1d_evaluation = from_torch(
    rough(nn.BatchNorm1d(3)), {"input": random(6, 3)}, training=False, traits=each_sample
)
batch_norm2d_training = from_torch(
    rough(nn.BatchNorm2d(3)), {"input": random(4, 3, 2, 3)}, training=True, traits=across_samples
)
batch_norm2d_evaluation = from_torch(
    rough(nn.BatchNorm2d(3)), {"input": random(4, 3, 2, 3)}, training=False, traits=each_sample
)
layer_norm = from_torch(rough(nn.LayerNorm((3, 4))), {"input": random(5, 3, 4)}, traits=each_sample)
group_norm = from_torch(rough(nn.GroupNorm(2, 6)), {"input": random(3, 6, 4)}, traits=each_sample)

# Indices are constants. In double precision, since there is no input that would tell.
embedding = from_torch(nn.Embedding(7, 4, padding_idx=2).double(), {"input": np.array([[0, 1, 1], [6, 5, 0]])})
lstm = from_torch(nn.LSTM(3, 4, num_layers=2, bidirectional=True), {"input": random(5, 2, 3)})
gru = from_torch(nn.GRU(3, 4, batch_first=True), {"input": random(2, 5, 3)}, outputs=(0,), traits=each_sample)
attention = from_torch(
    nn.MultiheadAttention(6, 2, batch_first=True, kdim=4, vdim=3),
    {"query": random(2, 3, 6), "key": random(2, 5, 4), "value": random(2, 5, 3)},
)
transformer_layer = from_torch(
    nn.TransformerEncoderLayer(6, 2, dim_feedforward=8, dropout=0.2, batch_first=True),
    {"src": random(2, 3, 6)},
    training=False,
)

dropout_training = from_torch(nn.Dropout(0.4), {"input": random(6, 5)}, training=True, traits={Trait("stochastic")})
dropout_evaluation = from_torch(nn.Dropout(0.4), {"input": random(6, 5)}, training=False, traits=each_sample)
softmax = from_torch(nn.Softmax(dim=-1), {"input": random(4, 6)}, traits=each_sample)
relu_in_place = from_torch(nn.ReLU(inplace=True), {"input": random(4, 6)}, in_place=True, traits=each_sample)
cross_entropy = from_torch(
    nn.CrossEntropyLoss(label_smoothing=0.1), {"input": random(5, 4), "target": np.array([0, 3, 1, 1, 2])}
)

# The bias of a layer before a normalisation has no effect, and its gradient is zero whatever one writes.
network = from_torch(
    nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        rough(nn.BatchNorm2d(3)),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 4),
    ),
    {"x": random(5, 2, 6, 6)},
    training=True,
    traits={Trait("batch-normalising", ("x",))},
)
linear_float32 = from_torch(
    nn.Linear(4, 3), {"input": random(5, 4).astype(np.float32)}, traits=each_sample, name="Linear (float32)"
)
conv2d_float32 = from_torch(
    nn.Conv2d(2, 3, 3, padding=1),
    {"input": random(2, 2, 5, 4).astype(np.float32)},
    traits=each_sample,
    name="Conv2d (float32)",
)
