"""Linear layers."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.networks.layers.activations import rectifier_gradient
from ppsci_gan.networks.layers.activations import rectify
from ppsci_gan.networks.layers.kernels import WeightedLayer
from ppsci_gan.networks.layers.kernels import needs_gradient
from ppsci_gan.networks.layers.kernels import use_onednn


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, slope: float | None = None) -> Tensor:
    """Linear layer as ``paddle.nn.functional.linear``, optionally followed by a rectifier.

    Args:
        x: [N, C].
        weight: [C, C'].
        bias: [C'].
        slope: As for ``conv2d``.

    Returns:
        [N, C'].
    """
    if len(x.shape) != 2 or not use_onednn(x, weight, bias):
        return rectify(F.linear(x, weight, bias), slope)
    return _Linear.apply(x, weight, bias, slope)


class Linear(WeightedLayer, nn.Linear):
    """``paddle.nn.Linear`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> tuple(layers.Linear(3, 8)(paddle.zeros([2, 3])).shape)
        (2, 8)
    """

    def forward(self, x: Tensor, slope: float | None = None) -> Tensor:
        """Return [N, C'], rectified if ``slope`` is given."""
        return linear(x, self.weight, self.bias, slope)


class _Linear(PyLayer):
    """Faster than Paddle's in adding the bias and in summing its gradient over rows."""

    @staticmethod
    def forward(ctx, x, weight, bias, slope):
        y = onednn.linear(x, weight, bias, slope)
        ctx.save_for_backward(x, weight, *([] if slope is None else [y.detach()]))
        ctx.settings = (
            slope,
            needs_gradient(x),
            needs_gradient(weight),
            bias is not None and needs_gradient(bias),
            bias is not None,
        )
        return y

    @staticmethod
    def backward(ctx, g):
        x, weight, *rectified = ctx.saved_tensor()
        slope, need_x, need_weight, need_bias, has_bias = ctx.settings
        if rectified:
            g = rectifier_gradient(g, *rectified, slope)
        gx = paddle.matmul(g, weight, transpose_y=True) if need_x else None
        gw = paddle.matmul(x, g, transpose_x=True) if need_weight else None
        gb = onednn.sum_rows(g) if need_bias else None
        return (gx, gw, gb) if has_bias else (gx, gw)
