"""The residual block, and the upsampling and conditional normalisation in it."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.networks import layers
from ppsci_gan.networks import traced
from ppsci_gan.networks.wgangp.reference import glorot_uniform
from ppsci_gan.networks.wgangp.reference import he_uniform


# --8<-- [start:blocks]
def upsample_nearest(x: Tensor) -> Tensor:
    """Double height and width by repeating pixels."""
    return layers.upsample2d(x)


def upsample_shuffle(x: Tensor) -> Tensor:
    """Double height and width as the published CIFAR-10 generator does: pixel shuffle of four copies.

    Channels first, this permutes channels and is not nearest-neighbour upsampling; weights trained with it need it.
    """
    return F.pixel_shuffle(paddle.concat([x, x, x, x], axis=1), 2)


class ConditionalBatchNorm2D(nn.Layer):
    """Batch normalisation with a scale and an offset per class (Dumoulin et al. 2017, arXiv:1610.07629)."""

    def __init__(self, channels: int, label_num: int):
        super().__init__()
        self.normalize = layers.BatchNorm2D(channels, weight_attr=False, bias_attr=False)
        self.scale = self.create_parameter([label_num, channels], default_initializer=nn.initializer.Constant(1.0))
        self.offset = self.create_parameter([label_num, channels], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale, offset = (F.embedding(labels, table) for table in (self.scale, self.offset))
        if self.training:
            return layers.modulate(self.normalize(x), scale, offset)
        # Both in one step. Nor does Paddle Inference run a normalisation that has no weights by oneDNN.
        factor = scale / paddle.sqrt(self.normalize._variance + self.normalize._epsilon)
        return layers.modulate(x, factor, offset - self.normalize._mean * factor)


class ConditionalLayerNorm2D(nn.Layer):
    """Layer normalisation with a scale and an offset per class, for critics with a gradient penalty.

    ``forward`` takes tensors or ``traced.Traced`` ones, [N, C, H, W], and labels [N].
    """

    def __init__(self, channels: int, label_num: int):
        super().__init__()
        self.normalize = layers.LayerNorm2D(channels, affine=False)
        self.scale = self.create_parameter([label_num, channels], default_initializer=nn.initializer.Constant(1.0))
        self.offset = self.create_parameter([label_num, channels], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale, offset = (F.embedding(labels, table) for table in (self.scale, self.offset))
        return traced.modulate(traced.layer_norm2d(self.normalize, x), scale, offset)


CONDITIONAL = (ConditionalBatchNorm2D, ConditionalLayerNorm2D)


class ResidualBlock(nn.Layer):
    """Pre-activation residual block of the WGAN-GP reference.

    Args:
        dim_in: Channels of the input.
        dim: Channels of the output.
        resample: ``up`` (before the first convolution), ``down`` (mean of 2x2 after the second) or None.
        normalize (Callable[[int], nn.Layer] | None): Maps a number of channels to a normalisation layer; None for
            none.
        preactivate: False for a critic's first block, whose input is the image.
        bias: Whether the first convolution has a bias.

    ``forward`` takes the input, the labels of a conditional player, and the upsampling of an ``up`` block.
    """

    def __init__(
        self,
        dim_in: int,
        dim: int,
        resample: str | None = None,
        normalize=None,
        preactivate: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        self.resample = resample
        self.preactivate = preactivate
        # A generator's block changes the channels in its first convolution, a critic's in the second.
        hidden = dim_in if resample == "down" and preactivate else dim
        self.norm1, self.norm2 = (normalize(dim_in), normalize(hidden)) if normalize else (None, None)
        self.conv1 = he_uniform(layers.Conv2D(dim_in, hidden, 3, padding=1, bias_attr=None if bias else False))
        self.conv2 = he_uniform(layers.Conv2D(hidden, dim, 3, padding=1))
        self.shortcut = glorot_uniform(layers.Conv2D(dim_in, dim, 1)) if resample else None

    def forward(self, x: Tensor, labels: Tensor | None = None, upsample=None) -> Tensor:
        x, h = traced.fork(x)
        h = self.activate(self.norm1, h, labels) if self.preactivate else h
        h = upsample(h) if self.resample == "up" else h
        if self.norm2 is None:
            h = traced.conv2d(self.conv1, h, slope=0.0)
        else:
            h = self.activate(self.norm2, traced.conv2d(self.conv1, h), labels)
        h = traced.conv2d(self.conv2, h)
        if self.resample == "down":
            # Pooling commutes with a 1x1 convolution, which costs a quarter on the smaller image.
            return traced.add(traced.avg_pool2d(h, 2), traced.conv2d(self.shortcut, traced.avg_pool2d(x, 2)))
        return traced.add(h, self.shortcut(upsample(x)) if self.resample == "up" else x)

    @staticmethod
    def activate(norm: nn.Layer | None, x: Tensor, labels: Tensor | None) -> Tensor:
        if isinstance(norm, CONDITIONAL):
            x = norm(x, labels)
        elif isinstance(norm, layers.LayerNorm2D):
            x = traced.layer_norm2d(norm, x)
        elif norm is not None:
            x = norm(x)
        return traced.relu(x)


# --8<-- [end:blocks]
