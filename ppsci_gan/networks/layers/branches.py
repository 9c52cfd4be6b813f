"""What splits a network into branches and joins them again."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.networks.layers.kernels import keep_needed
from ppsci_gan.networks.layers.kernels import needs_gradient
from ppsci_gan.networks.layers.kernels import use_onednn


def fork(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return an image twice, for two branches of a network, so that their gradients are added in its memory layout.

    Args:
        x: [N, C, H, W].
    """
    return _Fork.apply(x) if len(x.shape) == 4 and use_onednn(x) and not x.stop_gradient else (x, x)


def add(x: Tensor, y: Tensor) -> Tensor:
    """Add two images of the same shape.

    Args:
        x: [N, C, H, W].
        y: [N, C, H, W].
    """
    return _Add.apply(x, y) if len(x.shape) == 4 and use_onednn(x, y) else x + y


def concat(images: Sequence[Tensor]) -> Tensor:
    """Concatenate the channels of images.

    Args:
        images: [N, C, H, W] each; C may differ.

    Returns:
        [N, sum of C, H, W].
    """
    if not use_onednn(*images) or not all(onednn.is_channels_last(x) for x in images):
        return paddle.concat(images, axis=1)
    return paddle.concat([x.transpose([0, 2, 3, 1]) for x in images], axis=3).transpose([0, 3, 1, 2])


class _Fork(PyLayer):
    @staticmethod
    def forward(ctx, x):
        # Separate views: Paddle treats a returned input as changed in place.
        return x.transpose([0, 1, 2, 3]), x.transpose([0, 1, 2, 3])

    @staticmethod
    def backward(ctx, g, other):
        return onednn.add(g, other)


class _Add(PyLayer):
    @staticmethod
    def forward(ctx, x, y):
        ctx.needed = needs_gradient(x), needs_gradient(y)
        return onednn.add(x, y)

    @staticmethod
    def backward(ctx, g):
        return keep_needed((g, g), ctx.needed)
