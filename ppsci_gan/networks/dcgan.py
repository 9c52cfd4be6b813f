"""Networks of DCGAN: generator and discriminator of any size, with or without labels.

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks"
(arXiv:1511.06434), as in the widely used TensorFlow implementation (carpedm20/DCGAN-tensorflow).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.networks import base
from ppsci_gan.networks import layers

SLOPE = 0.2  # of the discriminator's leaky ReLUs
LARGEST = 128  # pixels
DEVIATION = 0.02  # standard deviation of initial weights
NORMALIZATION = {"momentum": 0.9, "epsilon": 1e-5}


# --8<-- [start:layers]
def initialize(layer: nn.Layer) -> nn.Layer:
    """Initialise weights from N(0, 0.02^2), truncated at two deviations for convolutions, and biases with zero."""
    initial = nn.initializer.Normal(0.0, DEVIATION)
    if isinstance(layer, nn.Conv2D):
        initial = nn.initializer.TruncatedNormal(0.0, DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION)
    initial(layer.weight)
    nn.initializer.Constant(0.0)(layer.bias)
    return layer


def down_conv(inputs: int, outputs: int) -> nn.Conv2D:
    """Return a convolution that halves height and width, rounded up; odd padding has more below and on the right."""
    return initialize(layers.Conv2D(inputs, outputs, 5, stride=2, padding="same"))


def up_conv(inputs: int, outputs: int, size: Sequence[int]) -> nn.Conv2DTranspose:
    """Return a transposed convolution that doubles height and width to ``size``, which may be odd."""
    cut = [n for edge in size for n in (1 + edge % 2, 2)]  # top, bottom, left, right: the transpose of ``down_conv``
    return initialize(layers.Conv2DTranspose(inputs, outputs, 5, stride=2, padding=cut))


def halve_sizes(image_size: Sequence[int], layers: int) -> list[list[int]]:
    """Return the image's height and width, and those after each of ``layers`` halvings.

    Raises:
        InputError: Height or width is not a multiple of 4, or too large.
    """
    if len(image_size) != 2 or any(edge % 4 or not 4 <= edge <= LARGEST for edge in image_size):
        raise InputError(
            f"MODEL image_size={list(image_size)}: give height and width, multiples of 4 up to {LARGEST}, such as "
            "[64, 48]."
        )
    found = [list(image_size)]
    for _ in range(layers):
        found.append([(edge + 1) // 2 for edge in found[-1]])
    return found


def join_classes(h: Tensor, classes: Tensor | None) -> Tensor:
    """Append one-hot classes [N, K] to features [N, C], or to every pixel of feature maps [N, C, H, W]."""
    if classes is None:
        return h
    if len(h.shape) == 4:
        classes = classes.reshape([-1, classes.shape[1], 1, 1]).expand([-1, -1, *h.shape[2:]])
    return paddle.concat([h, classes], axis=1)


# --8<-- [end:layers]


def adapt_features(
    ours: np.ndarray, theirs: np.ndarray, axis: int, classes: int, their_classes: int
) -> np.ndarray | None:
    """Take over a layer's weights of features, but not of joined classes, whose number differs."""
    features = ours.shape[axis] - classes
    if theirs.shape[axis] - their_classes != features:
        return None
    kept, part = ours.copy(), tuple(slice(features) if i == axis else slice(None) for i in range(ours.ndim))
    if kept[part].shape != theirs[part].shape:
        return None
    kept[part] = theirs[part]
    return kept


def infer_widths(state_dict: dict[str, Any], layers: str) -> list[int]:
    """Infer the output channels of a list of layers from weights."""
    names = itertools.takewhile(state_dict.__contains__, (f"{layers}.{i}.weight" for i in itertools.count()))
    return [state_dict[name].shape[0] for name in names]


# --8<-- [start:generator]
class DcganGenerator(base.ImageGenerator):
    """Generator of images [N, channels, height, width] in [-1, 1] by transposed 5x5 convolutions.

    Args:
        input_keys: Names of the noise and of the labels, such as ``("noise", "labels")``.
        output_keys: Name of the images, such as ``("fake_data",)``.
        image_size: Height and width, multiples of 4 up to 128.
        depths: Input channels of each convolution; each doubles height and width.
        hidden: Width of a fully connected layer after the latent; 0 for none.
        latent_dim: Dimension of the latent.
        channels: Image channels, 1 or 3.
        label_num: Number of classes.
        use_label: Whether the one-hot class is appended to every layer's input.

    Raises:
        InputError: Invalid sizes.

    Examples:
        >>> import paddle
        >>> generator = DcganGenerator(("noise",), ("fake_data",), [64, 48], depths=[8, 8, 4, 4])
        >>> tuple(generator({"noise": paddle.zeros([2, 100])})["fake_data"].shape)
        (2, 3, 64, 48)
    """

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        image_size: Sequence[int] = (64, 64),
        depths: Sequence[int] = (512, 256, 128, 64),
        hidden: int = 0,
        latent_dim: int = 100,
        channels: int = 3,
        label_num: int = 10,
        use_label: bool = False,
    ):
        super().__init__(input_keys if use_label else input_keys[:1], output_keys)
        self.latent_dim = latent_dim
        self.label_num = label_num if use_label else 0
        self.image_shape = (channels, *image_size)
        *finer, coarsest = halve_sizes(image_size, len(depths))
        self.first_shape = [depths[0], *coarsest]
        k = self.label_num
        width = depths[0] * coarsest[0] * coarsest[1]
        widths = [latent_dim, hidden, width] if hidden else [latent_dim, width]
        self.linears = nn.LayerList([initialize(layers.Linear(i + k, o)) for i, o in zip(widths, widths[1:])])
        self.linear_norms = nn.LayerList([nn.BatchNorm1D(n, **NORMALIZATION) for n in widths[1:-1]])
        outputs = [*depths[1:], channels]
        self.ups = nn.LayerList([up_conv(i + k, o, size) for i, o, size in zip(depths, outputs, reversed(finer))])
        self.norms = nn.LayerList([layers.BatchNorm2D(n, **NORMALIZATION) for n in depths])

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = x[self.input_keys[0]]
        classes = F.one_hot(x[self.input_keys[1]], self.label_num).astype(h.dtype) if self.label_num else None
        for linear, norm in zip(self.linears, self.linear_norms):
            h = layers.relu(norm(linear(join_classes(h, classes))))
        h = self.linears[-1](join_classes(h, classes)).reshape([-1, *self.first_shape])
        for norm, layer in zip(self.norms, self.ups):
            h = layer(join_classes(layers.relu(norm(h)), classes))
        return {self.output_keys[0]: F.tanh(h)}

    def adapt_parameter(self, name: str, theirs: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
        if not name.endswith("weight"):
            return None
        classes = self.infer_settings(arrays).get("label_num", 0)
        return adapt_features(self.state_dict()[name].numpy(), theirs, 0, self.label_num, classes)

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        depths = infer_widths(state_dict, "norms")
        if "ups.0.weight" not in state_dict or not depths:
            return {}
        last, first = state_dict[f"ups.{len(depths) - 1}.weight"].shape, state_dict["ups.0.weight"].shape
        hidden = infer_widths(state_dict, "linear_norms")
        classes = first[0] - depths[0]
        return {
            "depths": depths,
            "hidden": hidden[0] if hidden else 0,
            "latent_dim": state_dict["linears.0.weight"].shape[0] - classes,
            "channels": last[1],
            "use_label": classes > 0,
            **({"label_num": classes} if classes else {}),
        }


# --8<-- [end:generator]


# --8<-- [start:discriminator]
class DcganDiscriminator(base.Player):
    """Discriminator of images [N, channels, height, width] by 5x5 convolutions; gives logits.

    Batch normalisation makes the samples of a batch depend on each other, so real and generated samples go through it
    in separate batches.

    Args:
        input_keys: Names of the images and of the labels, such as ``("data", "labels")``.
        output_keys: Name of the logits [N], such as ``("score",)``.
        image_size: Height and width, multiples of 4 up to 128.
        depths: Output channels of each convolution; each halves height and width.
        hidden: Width of a fully connected layer before the last; 0 for none.
        channels: Image channels, 1 or 3.
        label_num: Number of classes.
        use_label: Whether the one-hot class is appended to every layer's input.

    Raises:
        InputError: Invalid sizes.

    Examples:
        >>> import paddle
        >>> discriminator = DcganDiscriminator(("data",), ("score",), [28, 28], depths=[4, 8], channels=1)
        >>> tuple(discriminator({"data": paddle.zeros([2, 1, 28, 28])})["score"].shape)
        (2,)
    """

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        image_size: Sequence[int] = (64, 64),
        depths: Sequence[int] = (64, 128, 256, 512),
        hidden: int = 0,
        channels: int = 3,
        label_num: int = 10,
        use_label: bool = False,
    ):
        super().__init__(input_keys if use_label else input_keys[:1], output_keys)
        self.label_num = label_num if use_label else 0
        k = self.label_num
        height, width = halve_sizes(image_size, len(depths))[-1]
        self.downs = nn.LayerList([down_conv(i + k, o) for i, o in zip([channels, *depths], depths)])
        self.norms = nn.LayerList([layers.BatchNorm2D(n, **NORMALIZATION) for n in depths[1:]])
        widths = [depths[-1] * height * width, *([hidden] if hidden else []), 1]
        self.linears = nn.LayerList([initialize(layers.Linear(i + k, o)) for i, o in zip(widths, widths[1:])])
        self.linear_norms = nn.LayerList([nn.BatchNorm1D(n, **NORMALIZATION) for n in widths[1:-1]])

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = x[self.input_keys[0]]
        classes = F.one_hot(x[self.input_keys[1]], self.label_num).astype(h.dtype) if self.label_num else None
        for layer, norm in zip(self.downs, [nn.Identity(), *self.norms]):
            h = layers.leaky_relu(norm(layer(join_classes(h, classes))), SLOPE)
        h = h.reshape([h.shape[0], -1])
        for linear, norm in zip(self.linears, self.linear_norms):
            h = layers.leaky_relu(norm(linear(join_classes(h, classes))), SLOPE)
        return {self.output_keys[0]: self.linears[-1](join_classes(h, classes)).squeeze(1)}

    def adapt_parameter(self, name: str, theirs: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
        if not name.endswith("weight"):
            return None
        classes = self.infer_settings(arrays).get("label_num", 0)
        return adapt_features(
            self.state_dict()[name].numpy(), theirs, int(name.startswith("downs")), self.label_num, classes
        )

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        depths = infer_widths(state_dict, "downs")
        if not depths:
            return {}
        hidden = infer_widths(state_dict, "linear_norms")
        # Two successive layers reveal the number of classes appended to the features.
        classes = state_dict["downs.1.weight"].shape[1] - depths[0] if len(depths) > 1 else 0
        return {
            "depths": depths,
            "hidden": hidden[0] if hidden else 0,
            "channels": state_dict["downs.0.weight"].shape[1] - classes,
            "use_label": classes > 0,
            **({"label_num": classes} if classes else {}),
        }


# --8<-- [end:discriminator]
