"""Rectifiers."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.networks.layers.kernels import use_onednn


def relu(x: Tensor) -> Tensor:
    """ReLU.

    Args:
        x: Any shape.
    """
    return _Relu.apply(x, 0.0) if use_onednn(x) else F.relu(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Leaky ReLU.

    Args:
        x: Any shape.
        negative_slope: Slope for negative values.
    """
    return _Relu.apply(x, negative_slope) if use_onednn(x) else F.leaky_relu(x, negative_slope)


def rectifier_gradient(g: Tensor, y: Tensor, slope: float = 0.0) -> Tensor:
    """Backpropagate through a rectifier; differentiable with respect to the gradient.

    Args:
        g: Gradient with respect to the result.
        y: The result of ``relu``, ``leaky_relu``, or of ``conv2d`` with a slope.
        slope: Slope for negative values.
    """
    y = y.detach()
    if use_onednn(g, y):
        return _RectifierGradient.apply(g, y, slope)
    if not slope:
        return g * (y > 0).astype(y.dtype)
    return g * ((y >= 0).astype(y.dtype) * (1 - slope) + slope)


def rectify(x: Tensor, slope: float | None) -> Tensor:
    """Rectify, unless the slope is None; see ``conv2d``."""
    if slope is None:
        return x
    return leaky_relu(x, slope) if slope else relu(x)


class _Relu(PyLayer):
    @staticmethod
    def forward(ctx, x, slope):
        y = onednn.relu(x, slope)
        ctx.save_for_backward(y.detach())
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx, g):
        return onednn.relu_gradient(g, *ctx.saved_tensor(), ctx.slope)


class _RectifierGradient(PyLayer):
    @staticmethod
    def forward(ctx, g, y, slope):
        ctx.save_for_backward(y)
        ctx.slope = slope
        return onednn.relu_gradient(g, y, slope)

    @staticmethod
    def backward(ctx, g):
        return onednn.relu_gradient(g, *ctx.saved_tensor(), ctx.slope), None
