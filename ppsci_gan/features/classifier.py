"""Small classifiers of MNIST and CIFAR-10, shipped with the suite: feature spaces of the data's own domain."""

from __future__ import annotations

import numpy as np
import paddle
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
        whiten: Whether a fixed layer before them whitens the image's patches, which halves the training (Jordan 2024,
            https://arxiv.org/abs/2404.00498, section 3.2). ``fit_whitening`` gives it its weights.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.features.classifier import Classifier
        >>> classifier = Classifier(channels=3, width=4)
        >>> features = classifier(paddle.zeros([2, 3, 32, 32], "uint8"))
        >>> tuple(features.shape), tuple(classifier.logits(features).shape)
        ((2, 32), (2, 10))
    """

    def __init__(self, channels: int, width: int, num_classes: int = 10, whiten: bool = False):
        super().__init__()
        self.feature_dim = 8 * width
        self.whitening = _Whitening(channels) if whiten else nn.Identity()
        self.layers = nn.Sequential(
            _Convolution(self.whitening.num_filters if whiten else channels, width),
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
        features = self.layers(self.whitening(_scale(images)))
        return F.adaptive_avg_pool2d(features, 1).reshape([-1, self.feature_dim])

    def logits(self, features: Tensor) -> Tensor:
        """Return the classes' logits, float32 [N, num_classes].

        Args:
            features: Result of ``forward``.
        """
        return self.head(features)

    def fit_whitening(self, images: np.ndarray) -> None:
        """Set the whitening layer's weights, which no training changes.

        Args:
            images: uint8 [N, C, H, W]; some thousands are enough.
        """
        self.whitening.fit(images)


def _scale(images: Tensor) -> Tensor:
    return images.astype("float32") / 127.5 - 1


class _Whitening(nn.Layer):
    """The principal components of patches of 2 x 2 pixels, scaled to variance 1, and their negatives, rectified."""

    SIZE = 2
    EPSILON = 1e-4  # added to the variances: the smallest are of noise

    def __init__(self, channels: int):
        super().__init__()
        self.num_filters = 2 * channels * self.SIZE**2
        self.register_buffer("weight", paddle.zeros([self.num_filters, channels, self.SIZE, self.SIZE]))

    def forward(self, x: Tensor) -> Tensor:
        return layers.conv2d(x, self.weight, slope=0.0)

    def fit(self, images: np.ndarray) -> None:
        patches = F.unfold(_scale(paddle.to_tensor(images)), self.SIZE).transpose([0, 2, 1]).numpy()
        covariance = np.cov(patches.reshape(-1, patches.shape[-1]).astype(np.float64), rowvar=False)
        variances, components = np.linalg.eigh(covariance)
        filters = (components / np.sqrt(variances + self.EPSILON)).T
        self.weight.set_value(np.concatenate([filters, -filters]).reshape(self.weight.shape).astype(np.float32))


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
