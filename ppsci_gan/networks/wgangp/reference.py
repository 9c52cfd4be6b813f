"""What all networks have from the paper's reference implementation: the latent's size, and initialisation."""

from __future__ import annotations

from paddle import nn

from ppsci_gan.networks import base

LATENT_DIM = 128


class Generator(base.ImageGenerator):
    """Base of the image generators, with a latent of 128 dimensions."""

    latent_dim = LATENT_DIM


def glorot_uniform(layer: nn.Layer, gain: float = 1.0) -> nn.Layer:
    """Initialise a layer as the reference does: uniform, variance gain^2 * 2 / (fan_in + fan_out), bias zero.

    Fans account for the stride: an input pixel of a stride-2 convolution reaches only a quarter of the kernel, as does
    an output pixel of a transposed one. ``gain=2**0.5`` is the reference's He initialisation.
    """
    shape, area = layer.weight.shape, 1
    if len(shape) == 4:
        area = shape[2] * shape[3] / layer._stride[0] ** 2
        full = shape[2] * shape[3]
        fan_in, fan_out = (
            (shape[0] * area, shape[1] * full)
            if isinstance(layer, nn.Conv2DTranspose)
            else (shape[1] * full, shape[0] * area)
        )
    else:
        fan_in, fan_out = shape
    nn.initializer.XavierUniform(fan_in=fan_in, fan_out=fan_out, gain=gain)(layer.weight)
    if layer.bias is not None:
        nn.initializer.Constant(0.0)(layer.bias)
    return layer


def he_uniform(layer: nn.Layer) -> nn.Layer:
    """Initialise by Glorot's rule with gain sqrt(2), which the reference uses before a rectifier."""
    return glorot_uniform(layer, gain=2**0.5)
