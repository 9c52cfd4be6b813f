"""Small classifiers of MNIST and CIFAR-10, shipped with the suite: feature spaces of the data's own domain."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.networks import layers


class Classifier(nn.Layer):
    """Convolutional network of six layers; its features are the spatial means of the last one.

    Args:
        channels: Image channels, 1 or 3.
        width: Channels of the first layer; the last one has eight times as many.
        num_classes: Number of classes.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.features.classifier import Classifier
        >>> classifier = Classifier(channels=3, width=4)
        >>> features = classifier(paddle.zeros([2, 3, 32, 32], "uint8"))
        >>> tuple(features.shape), tuple(classifier.logits(features).shape)
        ((2, 32), (2, 10))
    """

    def __init__(self, channels: int, width: int, num_classes: int = 10):
        super().__init__()
        self.feature_dim = 8 * width
        self.layers = nn.Sequential(
            _Convolution(channels, width),
            _Halve(),
            _Convolution(width, 2 * width),
            _Convolution(2 * width, 2 * width),
            _Halve(),
            _Convolution(2 * width, 4 * width),
            _Convolution(4 * width, 4 * width),
            _Halve(),
            _Convolution(4 * width, 8 * width),
        )
        self.head = nn.Linear(8 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features, float32 [N, 8 * width].

        Args:
            images: uint8 [N, C, H, W], H and W at least 8.
        """
        features = self.layers(images.astype("float32") / 127.5 - 1)
        return F.adaptive_avg_pool2d(features, 1).reshape([-1, self.feature_dim])

    def logits(self, features: Tensor) -> Tensor:
        """Return the classes' logits, float32 [N, num_classes].

        Args:
            features: Result of ``forward``.
        """
        return self.head(features)


class _Convolution(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels_out: int):
        conv = layers.Conv2D(channels_in, channels_out, 3, padding=1, bias_attr=False)
        super().__init__(conv, layers.BatchNorm2D(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        return layers.conv2d_norm_relu(*self, x)


class _Halve(nn.Layer):
    def forward(self, x: Tensor) -> Tensor:
        return layers.pool2d(x, 2, stride=2)
