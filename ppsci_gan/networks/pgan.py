"""Networks of PGAN: generator and critic that grow from 4x4 pixels, a scale at a time.

Karras et al. 2018, "Progressive Growing of GANs" (arXiv:1710.10196), table 2 and section 4. All scales exist from the
start; ``scale`` is the largest in use, ``fade`` its weight during the fade-in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Sequence
from math import prod
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.networks import base
from ppsci_gan.networks import layers
from ppsci_gan.networks import traced

FIRST = 4  # pixels of scale 0
SLOPE = 0.2  # of the leaky ReLUs
EPSILON = 1e-8
FADE_STEPS = 2**20  # resolution of the saved ``fade``
HE_GAIN = 2**0.5  # before a rectifier (He initialisation)
GROUP = 4  # samples per standard deviation that the critic sees


def list_resolutions(depths: Sequence[int]) -> list[int]:
    """Return height and width of the images at every scale in pixels.

    Args:
        depths: Channels at every scale.

    Examples:
        >>> from ppsci_gan.networks import pgan
        >>> pgan.list_resolutions([512, 512, 256])
        [4, 8, 16]
    """
    return [FIRST * 2**scale for scale in range(len(depths))]


# --8<-- [start:layers]
class Equalized(nn.Layer):
    """Equalised learning rate: weights of variance 1, scaled to He's variance where they are used (section 4.1).

    Adam's steps do not depend on the gradient's scale, so all weights then learn at the same speed.

    Args:
        layer: ``layers.Linear`` or ``layers.Conv2D`` without bias.
        gain: Gain of the initialisation.
        scale_bias: Whether to scale the bias, too, as in pytorch_GAN_zoo and MindSpore's port but not in the paper.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> layer = Equalized(layers.Linear(100, 2, bias_attr=False), gain=1.0)
        >>> round(layer.scale, 3), tuple(layer(paddle.ones([3, 100])).shape)
        (0.1, (3, 2))
    """

    def __init__(self, layer: nn.Linear | nn.Conv2D, gain: float = HE_GAIN, scale_bias: bool = False):
        super().__init__()
        shape = layer.weight.shape
        inputs, outputs = (shape[0], shape[1]) if isinstance(layer, nn.Linear) else (prod(shape[1:]), shape[0])
        nn.initializer.Normal()(layer.weight)
        self.layer = layer
        self.scale = gain / inputs**0.5
        self.scale_bias = scale_bias
        self.bias = self.create_parameter([outputs], is_bias=True)

    def forward(self, x: Tensor, slope: float | None = None) -> Tensor:
        bias = self.bias * self.scale if self.scale_bias else self.bias
        compute = traced.conv2d if isinstance(self.layer, nn.Conv2D) else traced.linear
        return compute(self.layer, x, slope, (self.layer.weight * self.scale, bias))


def pixel_norm(x: Tensor) -> Tensor:
    """Normalise each pixel's feature vector to mean square 1 (section 4.2)."""
    return layers.pixel_norm(x, EPSILON)


def minibatch_stddev(x: Tensor, consecutive: bool = False) -> Tensor:
    """Append a channel: the standard deviation within groups of samples, averaged over features (section 3).

    A batch size that is no multiple of the group size makes a single group.

    Args:
        x: [N, C, H, W].
        consecutive: Whether groups hold consecutive samples and have unbiased variances, as in pytorch_GAN_zoo; else
            they hold every (N / 4)-th sample and have biased variances, as in Karras' code.

    Returns:
        [N, C + 1, H, W].
    """
    n, c, h, w = x.shape
    size = GROUP if n % GROUP == 0 else n
    count = n // size
    axis, shape = (1, [count, size, c * h * w]) if consecutive else (0, [size, count * c * h * w])
    grouped = x.reshape(shape)
    centred = grouped - grouped.mean([axis], keepdim=True)
    variance = (centred * centred).mean([axis])
    if consecutive and size > 1:
        variance = variance * (size / (size - 1))
    deviation = traced.sqrt(variance + EPSILON).reshape([count, c * h * w]).mean([1])
    places = ([count, 1, 1], [count, size, h * w]) if consecutive else ([1, count, 1], [size, count, h * w])
    everywhere = deviation.reshape(places[0]) + paddle.zeros(places[1], x.dtype)
    return traced.concat([x, everywhere.reshape([n, 1, h, w])], axis=1)


def upsample(x: Tensor) -> Tensor:
    """Double height and width by repeating pixels."""
    return layers.upsample2d(x)


# --8<-- [end:layers]


def infer_depths(state_dict: dict[str, Any], layers: str, axis: int) -> list[int]:
    """Infer the channels per scale from weights, along an axis of the layers from or to images."""
    names = (f"{layers}.{scale}.layer.weight" for scale in itertools.count())
    return [state_dict[name].shape[axis] for name in itertools.takewhile(state_dict.__contains__, names)]


class Growing(base.Player):
    """Base of both players: their scales, and the fade-in of the largest.

    Args:
        input_keys: Names of the inputs.
        output_keys: Names of the outputs.
        depths: Channels per scale; scale i has images of 4 * 2^i pixels.

    Raises:
        InputError: No depths, or invalid ones.
    """

    def __init__(self, input_keys: Sequence[str], output_keys: Sequence[str], depths: Sequence[int]):
        super().__init__(input_keys, output_keys)
        if not depths or min(depths) < 1:
            raise InputError(f"MODEL depths={list(depths)}: give the channels of every scale, such as [512, 512, 256].")
        self.depths = list(depths)
        # Saved with the weights. Integers, which the moving average leaves alone.
        self.register_buffer("growth", paddle.zeros([2], "int32"))
        self.grow(len(depths) - 1)

    def grow(self, scale: int, fade: float = 1.0) -> None:
        """Set the largest scale and its weight.

        Args:
            scale: 0 for 4x4 pixels.
            fade: Weight of the scale, from 0 at the start of its fade-in to 1.

        Raises:
            InputError: The scale does not exist, or the weight is not from 0 to 1.
        """
        if not 0 <= scale < len(self.depths):
            raise InputError(
                f"scale={scale}: these networks have scales 0 to {len(self.depths) - 1} (depths={self.depths})."
            )
        if not 0 <= fade <= 1:
            raise InputError(f"fade={fade}: a share is from 0 to 1.")
        self.scale, self.fade = scale, float(fade)
        self.growth.set_value(paddle.to_tensor([scale, round(fade * FADE_STEPS)], "int32"))

    def set_state_dict(self, state_dict: dict[str, Any], use_structured_name: bool = True):
        """Load weights, and grow to the scale at which they were saved."""
        result = super().set_state_dict(state_dict, use_structured_name)
        scale, fade = self.growth.tolist()
        self.grow(scale, fade / FADE_STEPS)
        return result

    set_dict = load_dict = set_state_dict

    @property
    def resolution(self) -> int:
        """Height and width of the images in pixels."""
        return FIRST * 2**self.scale

    @property
    def resolutions(self) -> list[int]:
        """Height and width of the images at every scale in pixels."""
        return list_resolutions(self.depths)

    def fade_in(self, new: Tensor, old: Callable[[], Tensor]) -> Tensor:
        """Return ``fade * new + (1 - fade) * old()``; ``old`` is computed only if needed."""
        return new if self.fade == 1 or not self.scale else new * self.fade + old() * (1 - self.fade)


# --8<-- [start:generator]
class PganGenerator(Growing, base.ImageGenerator):
    """Generator of images [N, 3, R, R] in about [-1, 1], R from 4 pixels on.

    Args:
        input_keys: Names of the noise and of the labels, such as ``("noise", "labels")``.
        output_keys: Name of the images, such as ``("fake_data",)``.
        depths: Channels per scale.
        latent_dim: Dimension of the latent.
        label_num: Number of classes.
        use_label: Whether the one-hot class is appended to the latent.
        channels: Image channels.
        scale_bias: See ``Equalized``.
        he_everywhere: Whether every layer has He's gain, as in pytorch_GAN_zoo; else the last ones have 1, and the
            generator's first a quarter of He's.

    Examples:
        >>> import paddle
        >>> generator = PganGenerator(("noise",), ("fake_data",), depths=[8, 8, 4], latent_dim=16)
        >>> noise = {"noise": paddle.zeros([2, 16])}
        >>> tuple(generator(noise)["fake_data"].shape)
        (2, 3, 16, 16)
        >>> generator.grow(1, fade=0.5)
        >>> tuple(generator(noise)["fake_data"].shape)
        (2, 3, 8, 8)
    """

    is_bounded = False

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        depths: Sequence[int] = (512, 512, 512, 512, 256, 128),
        latent_dim: int = 512,
        label_num: int = 10,
        use_label: bool = False,
        channels: int = 3,
        scale_bias: bool = False,
        he_everywhere: bool = False,
    ):
        super().__init__(input_keys if use_label else input_keys[:1], output_keys, depths)
        self.latent_dim = latent_dim
        self.label_num = label_num if use_label else 0
        self.channels = channels

        def conv(inputs: int, outputs: int, size: int, gain: float = HE_GAIN) -> Equalized:
            layer = layers.Conv2D(inputs, outputs, size, padding=size // 2, bias_attr=False)
            return Equalized(layer, gain, scale_bias)

        first = layers.Linear(latent_dim + self.label_num, depths[0] * FIRST**2, bias_attr=False)
        self.first = Equalized(first, HE_GAIN if he_everywhere else HE_GAIN / 4, scale_bias)
        self.base = conv(depths[0], depths[0], 3)
        self.blocks = nn.LayerList(
            [nn.LayerList([conv(before, depth, 3), conv(depth, depth, 3)]) for before, depth in zip(depths, depths[1:])]
        )
        last = HE_GAIN if he_everywhere else 1.0
        self.to_image = nn.LayerList([conv(depth, channels, 1, last) for depth in depths])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) at the current scale."""
        return self.channels, self.resolution, self.resolution

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        latent = x[self.input_keys[0]]
        if self.label_num:
            classes = F.one_hot(x[self.input_keys[1]], self.label_num).astype(latent.dtype)
            latent = paddle.concat([latent, classes], axis=1)
        h = self.first(pixel_norm(latent)).reshape([-1, self.depths[0], FIRST, FIRST])
        h = pixel_norm(layers.leaky_relu(h, SLOPE))
        h = pixel_norm(self.base(h, SLOPE))
        before = h
        for block in self.blocks[: self.scale]:
            before, h = h, upsample(h)
            for layer in block:
                h = pixel_norm(layer(h, SLOPE))
        images = self.fade_in(self.to_image[self.scale](h), lambda: upsample(self.to_image[self.scale - 1](before)))
        return {self.output_keys[0]: images}

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        depths = infer_depths(state_dict, "to_image", 1)
        return {"depths": depths, "latent_dim": state_dict["first.layer.weight"].shape[0]} if depths else {}


# --8<-- [end:generator]


# --8<-- [start:critic]
class PganDiscriminator(Growing):
    """Critic of images [N, 3, R, R], with an auxiliary classifier if labels are used.

    The standard deviation within a batch is one of its features, so real and generated samples go through it in
    separate batches.

    Args:
        input_keys: Name of the images, such as ``("data",)``.
        output_keys: Names of the scores [N] and of the class logits [N, label_num].
        depths: Channels per scale.
        label_num: Number of classes.
        use_label: Whether there is a classifier (ACGAN).
        channels: Image channels.
        scale_bias: See ``Equalized``.
        he_everywhere: See ``PganGenerator``.
        consecutive_groups: See ``minibatch_stddev``.

    Examples:
        >>> import paddle
        >>> critic = PganDiscriminator(("data",), ("score",), depths=[8, 8, 4])
        >>> tuple(critic({"data": paddle.zeros([2, 3, 16, 16])})["score"].shape)
        (2,)
    """

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        depths: Sequence[int] = (512, 512, 512, 512, 256, 128),
        label_num: int = 10,
        use_label: bool = False,
        channels: int = 3,
        scale_bias: bool = False,
        he_everywhere: bool = False,
        consecutive_groups: bool = False,
    ):
        super().__init__(input_keys, output_keys if use_label else output_keys[:1], depths)
        self.consecutive_groups = consecutive_groups

        def conv(inputs: int, outputs: int, size: int) -> Equalized:
            layer = layers.Conv2D(inputs, outputs, size, padding=size // 2, bias_attr=False)
            return Equalized(layer, scale_bias=scale_bias)

        def linear(inputs: int, outputs: int, gain: float) -> Equalized:
            return Equalized(layers.Linear(inputs, outputs, bias_attr=False), gain, scale_bias)

        self.from_image = nn.LayerList([conv(channels, depth, 1) for depth in depths])
        self.blocks = nn.LayerList(
            [nn.LayerList([conv(depth, depth, 3), conv(depth, below, 3)]) for below, depth in zip(depths, depths[1:])]
        )
        self.base = conv(depths[0] + 1, depths[0], 3)
        self.last = linear(depths[0] * FIRST**2, depths[0], HE_GAIN)
        last = HE_GAIN if he_everywhere else 1.0
        self.output = linear(depths[0], 1, last)
        self.classify = linear(depths[0], label_num, last) if use_label else None

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        images = x[self.input_keys[0]]
        h = self.features(images, self.scale)
        for scale in range(self.scale, 0, -1):
            for layer in self.blocks[scale - 1]:
                h = layer(h, SLOPE)
            h = traced.avg_pool2d(h, 2)
            if scale == self.scale:
                h = self.fade_in(h, lambda: self.features(traced.avg_pool2d(images, 2), self.scale - 1))
        h = self.base(minibatch_stddev(h, self.consecutive_groups), SLOPE)
        h = self.last(h.reshape([h.shape[0], -1]), SLOPE)
        outputs = [self.output(h).squeeze(1)]
        if self.classify:
            outputs.append(self.classify(h))
        return dict(zip(self.output_keys, outputs))

    def features(self, images: Tensor, scale: int) -> Tensor:
        return self.from_image[scale](images, SLOPE)

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        depths = infer_depths(state_dict, "from_image", 0)
        return {"depths": depths, "use_label": "classify.bias" in state_dict} if depths else {}


# --8<-- [end:critic]
