"""Networks of the WGAN-GP examples: generators and critics for 2-D points, MNIST and CIFAR-10.

Dict in, dict out, as every ``ppsci.arch.Arch``. Sizes and initialisation are those of the paper's reference
implementation (igul222/improved_wgan_training). Weights that PaddleScience published load directly.
"""

from __future__ import annotations

import re
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
from ppsci_gan.networks.base import Player

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


# --8<-- [start:toy]
class PointNetwork(Player):
    """Base of both players of the 2-D examples: three hidden layers of ``dim`` rectified units."""

    published_names = (
        (r"^(generator|discriminator)\.", ""),
        (r"^reluLayer(\d)\.linear\.", lambda match: f"hidden.{int(match.group(1)) - 1}."),
        (r"^linear\.", "output."),
    )
    names_to_publish = (
        (r"^hidden\.(\d)\.", lambda match: f"reluLayer{int(match.group(1)) + 1}.linear."),
        (r"^output\.", "linear."),
    )

    def __init__(self, input_keys: Sequence[str], output_keys: Sequence[str], dim: int, output_dim: int):
        super().__init__(input_keys, output_keys)
        self.hidden = nn.LayerList([layers.Linear(2, dim), layers.Linear(dim, dim), layers.Linear(dim, dim)])
        self.output = glorot_uniform(layers.Linear(dim, output_dim))
        for layer in self.hidden:
            nn.initializer.KaimingUniform(nonlinearity="relu")(layer.weight)

    def apply_layers(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = traced.linear(layer, x, slope=0.0)
        return traced.linear(self.output, x)

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        return {"dim": state_dict["hidden.0.weight"].shape[1]} if "hidden.0.weight" in state_dict else {}


class WganGpToyGenerator(PointNetwork, base.Generator):
    """Generator of 2-D points.

    Args:
        input_keys: Name of the noise, such as ``("noise",)``.
        output_keys: Name of the samples, such as ``("fake_data",)``.
        dim: Width of the hidden layers.

    Examples:
        >>> import paddle
        >>> generator = WganGpToyGenerator(("noise",), ("fake_data",), dim=16)
        >>> tuple(generator({"noise": paddle.zeros([5, 2])})["fake_data"].shape)
        (5, 2)
    """

    latent_dim = 2

    def __init__(self, input_keys: Sequence[str], output_keys: Sequence[str], dim: int = 512):
        super().__init__(input_keys, output_keys, dim, output_dim=2)

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        return {self.output_keys[0]: self.apply_layers(x[self.input_keys[0]])}


class WganGpToyDiscriminator(PointNetwork):
    """Critic of 2-D points.

    Args:
        input_keys: Name of the samples, such as ``("data",)``.
        output_keys: Name of the scores, such as ``("score",)``.
        dim: Width of the hidden layers.

    Examples:
        >>> import paddle
        >>> critic = WganGpToyDiscriminator(("data",), ("score",), dim=16)
        >>> tuple(critic({"data": paddle.zeros([5, 2])})["score"].shape)
        (5,)
    """

    def __init__(self, input_keys: Sequence[str], output_keys: Sequence[str], dim: int = 512):
        super().__init__(input_keys, output_keys, dim, output_dim=1)

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        return {self.output_keys[0]: self.apply_layers(x[self.input_keys[0]]).squeeze(1)}


# --8<-- [end:toy]


# --8<-- [start:mnist]
class WganGpMnistGenerator(Generator):
    """Generator of MNIST digits: three transposed 5x5 convolutions, no normalisation.

    Args:
        input_keys: Name of the noise, such as ``("noise",)``.
        output_keys: Name of the images, such as ``("fake_data",)``.
        dim: Channels before the last layer; earlier layers have twice and four times as many.

    Examples:
        >>> import paddle
        >>> generator = WganGpMnistGenerator(("noise",), ("fake_data",), dim=4)
        >>> tuple(generator({"noise": paddle.zeros([5, 128])})["fake_data"].shape)
        (5, 784)
    """

    published_names = (
        (r"^generator\.", ""),
        (r"^linear1\.", "input."),
        (r"^conv2d_transpose(\d)\.", lambda match: f"up.{int(match.group(1)) - 1}."),
    )
    names_to_publish = (
        (r"^input\.", "linear1."),
        (r"^up\.(\d)\.", lambda match: f"conv2d_transpose{int(match.group(1)) + 1}."),
    )
    image_shape = (1, 28, 28)
    black = 0.0

    def __init__(self, input_keys: Sequence[str], output_keys: Sequence[str], dim: int = 64):
        super().__init__(input_keys, output_keys)
        self.dim = dim
        self.input = glorot_uniform(layers.Linear(LATENT_DIM, 4 * 4 * 4 * dim))
        self.up = nn.LayerList(
            [
                he_uniform(layers.Conv2DTranspose(4 * dim, 2 * dim, 5, stride=2, padding="same")),
                he_uniform(layers.Conv2DTranspose(2 * dim, dim, 5, stride=2, padding="same", output_padding=1)),
                he_uniform(layers.Conv2DTranspose(dim, 1, 5, stride=2, padding="same")),
            ]
        )

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = layers.relu(self.input(x[self.input_keys[0]])).reshape([-1, 4 * self.dim, 4, 4])
        h = layers.relu(self.up[0](h))[:, :, :7, :7]  # 8x8 cropped to 7x7, so that two doublings give 28x28
        h = layers.relu(self.up[1](h))
        return {self.output_keys[0]: F.sigmoid(self.up[2](h)).reshape([-1, 784])}

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        return {"dim": state_dict["up.2.weight"].shape[0]} if "up.2.weight" in state_dict else {}


class WganGpMnistDiscriminator(Player):
    """Critic of MNIST digits: three 5x5 convolutions of stride 2, no normalisation.

    Args:
        input_keys: Name of the images [N, 784] or [N, 1, 28, 28] in [0, 1], such as ``("data",)``.
        output_keys: Name of the scores, such as ``("score",)``.
        dim: Channels of the first layer; later layers have twice and four times as many.
        negative_slope: Negative slope of the leaky ReLUs, 0.2 as in the reference. Published weights use 0.01.

    Examples:
        >>> import paddle
        >>> critic = WganGpMnistDiscriminator(("data",), ("score",), dim=4)
        >>> tuple(critic({"data": paddle.zeros([5, 784])})["score"].shape)
        (5,)
    """

    published_names = (
        (r"^discriminator\.", ""),
        (r"^conv2d_(\d)\.", lambda match: f"down.{int(match.group(1)) - 1}."),
        (r"^linear\.", "output."),
    )
    names_to_publish = (
        (r"^down\.(\d)\.", lambda match: f"conv2d_{int(match.group(1)) + 1}."),
        (r"^output\.", "linear."),
    )

    def __init__(
        self, input_keys: Sequence[str], output_keys: Sequence[str], dim: int = 64, negative_slope: float = 0.2
    ):
        super().__init__(input_keys, output_keys)
        self.negative_slope = negative_slope
        self.down = nn.LayerList(
            [
                he_uniform(layers.Conv2D(1, dim, 5, stride=2, padding="same")),
                he_uniform(layers.Conv2D(dim, 2 * dim, 5, stride=2, padding="same")),
                he_uniform(layers.Conv2D(2 * dim, 4 * dim, 5, stride=2, padding="same")),
            ]
        )
        self.output = glorot_uniform(layers.Linear(4 * 4 * 4 * dim, 1))
        self.remember_arithmetic()

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = x[self.input_keys[0]].reshape([-1, 1, 28, 28])
        slope = 0.01 if self.published else self.negative_slope
        for layer in self.down:
            h = traced.conv2d(layer, h, slope)
        # Not flatten: it has no second-order gradient, which the gradient penalty needs.
        return {self.output_keys[0]: traced.linear(self.output, h.reshape([h.shape[0], -1])).squeeze(1)}

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        return {"dim": state_dict["down.0.weight"].shape[0]} if "down.0.weight" in state_dict else {}


# --8<-- [end:mnist]


# --8<-- [start:resnet]
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
        return layers.modulate(self.normalize(x), scale, offset)


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


def remove_biases(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Remove biases before a normalisation where that does not change the network.

    Networks for 64 pixels once had them. Batch normalisation cancels them, so they move into its running mean; before
    other normalisations only zero biases are removed, and loading refuses the rest by name.
    """
    kept = dict(state_dict)
    for block in {match.group(1) for name in kept if (match := re.fullmatch(r"(blocks\.\d)\.conv1\.bias", name))}:
        bias = kept[f"{block}.conv1.bias"]
        mean = next((m for m in (f"{block}.norm2._mean", f"{block}.norm2.normalize._mean") if m in kept), None)
        if mean is not None:
            kept[mean] = kept[mean] - bias
        if mean is not None or not (bias != 0).any():
            del kept[f"{block}.conv1.bias"]
    return kept


# Channels in units of dim, from 4x4 up, as in the reference's gan_cifar_resnet.py and gan_64x64.py. These scripts also
# differ in biases, the output's initialisation and whether the generator's last normalisation is conditional.
WIDTHS = {32: (1, 1, 1, 1), 64: (8, 8, 4, 2, 1)}


class WganGpCifar10Generator(Generator):
    """Residual generator of 32x32 or 64x64 images: 4x4, then blocks that double the size.

    Args:
        input_keys: Names of the noise and of the labels, such as ``("noise", "labels")``.
        output_keys: Name of the images, such as ``("fake_data",)``.
        dim: Channels of every block at 32x32; at 64x64 of the last block, the first having eight times as many.
        label_num: Number of classes.
        use_label: Whether the blocks' normalisation has a scale and an offset per class.
        normalize: Whether there is batch normalisation.
        resolution: Height and width of the images, 32 or 64.
        channels: Image channels, 1 or 3.

    Raises:
        InputError: Labels without the normalisation through which they act.

    Examples:
        >>> import paddle
        >>> generator = WganGpCifar10Generator(("noise", "labels"), ("fake_data",), dim=4, use_label=True)
        >>> inputs = {"noise": paddle.zeros([5, 128]), "labels": paddle.zeros([5], "int64")}
        >>> tuple(generator(inputs)["fake_data"].shape)
        (5, 3072)
    """

    published_names = (
        (r"^generator\.", ""),
        (r"^linear1\.", "input."),
        (r"^ResidualBlocks\.", "blocks."),
        (r"\.conv_shortcut\.conv2D\.", ".shortcut."),
        (r"\.conv_1\.conv2D\.", ".conv1."),
        (r"\.conv_2\.", ".conv2."),
        (r"\.normalize(\d)\.normalize\.mean$", r".norm\1.normalize._mean"),
        (r"\.normalize(\d)\.normalize\.var$", r".norm\1.normalize._variance"),
        (r"\.normalize(\d)\.normalize\.", r".norm\1."),
        (r"^Normalize\.normalize\.", "norm."),
        (r"^conv\.", "output."),
    )
    names_to_publish = (
        (r"^input\.", "linear1."),
        (r"^blocks\.", "ResidualBlocks."),
        (r"\.shortcut\.", ".conv_shortcut.conv2D."),
        (r"\.conv1\.", ".conv_1.conv2D."),
        (r"\.conv2\.", ".conv_2."),
        (r"\.norm(\d)\.normalize\._mean$", r".normalize\1.normalize.mean"),
        (r"\.norm(\d)\.normalize\._variance$", r".normalize\1.normalize.var"),
        (r"\.norm(\d)\.", r".normalize\1.normalize."),
        (r"^norm\.", "Normalize.normalize."),
        (r"^output\.", "conv."),
    )
    parts = {
        "image": r"output\.",
        "output": r"output\.",
        "classes": r"blocks\.\d\.norm\d\.(scale|offset|weight|bias)$",
        "statistics": r".*\._(mean|variance)$",
    }
    class_axes = {r"(blocks\.\d\.)?norm\d?\.(scale|offset)$": 0}

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        dim: int = 128,
        label_num: int = 10,
        use_label: bool = False,
        normalize: bool = True,
        resolution: int = 32,
        channels: int = 3,
    ):
        super().__init__(input_keys if use_label else input_keys[:1], output_keys)
        if use_label and not normalize:
            raise InputError("MODEL.gen_net.use_label=true needs normalize=true: labels act through it.")
        widths = [dim * width for width in WIDTHS[resolution]]
        self.image_shape = (channels, resolution, resolution)
        self.label_num = label_num if use_label else 0
        wide = resolution == 64
        norm = (lambda n: ConditionalBatchNorm2D(n, label_num)) if use_label else layers.BatchNorm2D
        last_norm = norm if wide else layers.BatchNorm2D
        self.input = glorot_uniform(layers.Linear(LATENT_DIM, 4 * 4 * widths[0]))
        self.blocks = nn.LayerList(
            [
                ResidualBlock(width, following, "up", norm if normalize else None, bias=not wide)
                for width, following in zip(widths, widths[1:])
            ]
        )
        self.norm = last_norm(dim) if normalize else None
        self.output = (he_uniform if wide else glorot_uniform)(layers.Conv2D(dim, channels, 3, padding=1))
        if wide:
            self.parts = {**self.parts, "classes": r"(blocks\.\d\.)?norm\d?\.(scale|offset|weight|bias)$"}
        self.remember_arithmetic()

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        labels = x[self.input_keys[1]] if self.label_num else None
        upsample = upsample_shuffle if self.published else upsample_nearest
        h = self.input(x[self.input_keys[0]])
        h = h.reshape([-1, h.shape[1] // 16, 4, 4])
        for block in self.blocks:
            h = block(h, labels, upsample)
        h = ResidualBlock.activate(self.norm, h, labels)
        return {self.output_keys[0]: F.tanh(self.output(h)).reshape([-1, prod(self.image_shape)])}

    def rename_published(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        state_dict = super().rename_published(state_dict)
        return state_dict if self.image_shape[1] == 32 else remove_biases(state_dict)

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        if not {"input.weight", "blocks.0.conv1.weight", "output.weight"} <= state_dict.keys():
            return {}
        if len(state_dict["output.weight"].shape) != 4:  # a critic's
            return {}
        channels, dim = state_dict["output.weight"].shape[:2]
        settings = {"dim": dim, "use_label": "blocks.0.norm1.scale" in state_dict}
        if settings["use_label"]:
            settings["label_num"] = state_dict["blocks.0.norm1.scale"].shape[0]
        settings["normalize"] = "norm.weight" in state_dict or "norm.scale" in state_dict
        return {**settings, "resolution": 64 if "blocks.3.conv1.weight" in state_dict else 32, "channels": channels}


class WganGpCifar10Discriminator(Player):
    """Residual critic of 32x32 or 64x64 images; labels act through a classifier (ACGAN) or the normalisation.

    Args:
        input_keys: Names of the images [N, C * H * W] or [N, C, H, W] in [-1, 1] and of the labels, such as
            ``("data", "labels")``.
        output_keys: Names of the scores [N] and of the class logits [N, label_num], such as
            ``("score", "class_logits")``.
        dim: Channels of every block at 32x32; at 64x64 of the first block, the last having eight times as many.
        label_num: Number of classes.
        use_label: Whether labels are used.
        normalize: Whether there is layer normalisation (batch normalisation would make the penalty's per-sample
            gradients depend on the other samples).
        resolution: Height and width of the images, 32 or 64.
        channels: Image channels, 1 or 3.
        acgan: Whether labels train an auxiliary classifier; else the normalisation has a scale and an offset per
            class, so that the score depends on the label.

    Raises:
        InputError: ``acgan=False`` with labels but without normalisation.

    Examples:
        >>> import paddle
        >>> critic = WganGpCifar10Discriminator(("data",), ("score", "class_logits"), dim=4, use_label=True)
        >>> {key: tuple(value.shape) for key, value in critic({"data": paddle.zeros([5, 3072])}).items()}
        {'score': (5,), 'class_logits': (5, 10)}
    """

    class_axes = {r"classify\.weight$": 1, r"classify\.bias$": 0}

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        dim: int = 128,
        label_num: int = 10,
        use_label: bool = False,
        normalize: bool = False,
        resolution: int = 32,
        channels: int = 3,
        acgan: bool = True,
    ):
        sees, classifies = use_label and not acgan, use_label and acgan
        super().__init__(input_keys if sees else input_keys[:1], output_keys if classifies else output_keys[:1])
        if sees and not normalize:
            raise InputError("MODEL.dis_net.acgan=false needs normalize=true: labels act through it.")
        self.image_shape = (channels, resolution, resolution)
        self.sees_labels = sees
        norm = layers.LayerNorm2D if normalize else None
        if sees:
            norm = lambda n: ConditionalLayerNorm2D(n, label_num)  # noqa: E731
        self.input = None
        if resolution == 32:
            first = ResidualBlock(channels, dim, "down", preactivate=False)  # never normalised, as the reference's
            others = [ResidualBlock(dim, dim, resample, norm) for resample in ("down", None, None)]
            self.blocks, features = nn.LayerList([first, *others]), dim
        else:
            self.input = glorot_uniform(layers.Conv2D(channels, dim, 3, padding=1))
            widths = [dim * width for width in reversed(WIDTHS[resolution])]
            pairs = zip(widths, widths[1:])
            self.blocks = nn.LayerList([ResidualBlock(*pair, "down", norm, bias=False) for pair in pairs])
            features = 4 * 4 * widths[-1]
        self.output = glorot_uniform(layers.Linear(features, 1))
        self.classify = glorot_uniform(layers.Linear(features, label_num)) if classifies else None
        self.parts = {
            "image": r"input\." if self.input else r"blocks\.0\.(conv1|shortcut)\.",
            "output": r"(output|classify)\.",
            "classes": r"blocks\.\d\.norm\d\.(scale|offset)$" if sees else r"classify\.",
        }
        self.class_axes = {r"blocks\.\d\.norm\d\.(scale|offset)$": 0} if sees else self.class_axes

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = x[self.input_keys[0]].reshape([-1, *self.image_shape])
        labels = x[self.input_keys[1]] if self.sees_labels else None
        if self.input:
            h = traced.conv2d(self.input, h)
        for block in self.blocks:
            h = block(h, labels)
        # As in the reference, spatial means at 32x32 and all values at 64x64.
        h = h if self.input else traced.avg_pool2d(traced.relu(h), h.shape[2])
        h = h.reshape([h.shape[0], -1])
        outputs = [traced.linear(self.output, h).squeeze(1)]
        if self.classify:
            outputs.append(traced.linear(self.classify, h))
        return dict(zip(self.output_keys, outputs))

    def rename_published(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        state_dict = super().rename_published(state_dict)
        return state_dict if self.image_shape[1] == 32 else remove_biases(state_dict)

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        if not {"blocks.0.conv1.weight", "output.weight"} <= state_dict.keys():
            return {}
        if len(state_dict["output.weight"].shape) != 2:  # a generator's
            return {}
        first = state_dict.get("input.weight", state_dict["blocks.0.conv1.weight"])
        scale, classify = state_dict.get("blocks.1.norm1.scale"), state_dict.get("classify.weight")
        sees = scale is not None and len(scale.shape) == 2
        settings = {"dim": first.shape[0], "use_label": sees or classify is not None}
        if settings["use_label"]:
            settings |= {"label_num": scale.shape[0] if sees else classify.shape[1], "acgan": not sees}
        settings["normalize"] = scale is not None
        return {**settings, "resolution": 64 if "input.weight" in state_dict else 32, "channels": first.shape[1]}


# --8<-- [end:resnet]


# --8<-- [start:dcgan]
def refuse_labels(use_label: bool):
    """Raise an InputError for labels, which the reference's DCGAN-shaped networks do not take."""
    if use_label:
        raise InputError("MODEL.architecture=dcgan takes no labels: set MODEL.gen_net.use_label=false.")


class WganGpCifar10DcganGenerator(Generator):
    """DCGAN-shaped generator of 32x32 colour images: three transposed 5x5 convolutions with batch normalisation.

    Args:
        input_keys: Name of the noise, such as ``("noise",)``.
        output_keys: Name of the images, such as ``("fake_data",)``.
        dim: Channels before the last layer; earlier layers have twice and four times as many.
        label_num: Unused; both architectures take the same settings.
        use_label: Must be false.
        normalize: Whether there is batch normalisation.

    Raises:
        InputError: ``use_label`` is set.

    Examples:
        >>> import paddle
        >>> generator = WganGpCifar10DcganGenerator(("noise",), ("fake_data",), dim=4)
        >>> tuple(generator({"noise": paddle.zeros([5, 128])})["fake_data"].shape)
        (5, 3072)
    """

    image_shape = (3, 32, 32)

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        dim: int = 128,
        label_num: int = 10,
        use_label: bool = False,
        normalize: bool = True,
    ):
        super().__init__(input_keys[:1], output_keys)
        refuse_labels(use_label)
        self.dim = dim
        self.input = glorot_uniform(layers.Linear(LATENT_DIM, 4 * 4 * 4 * dim))
        self.input_norm = nn.BatchNorm1D(4 * 4 * 4 * dim) if normalize else nn.Identity()
        widths = [4 * dim, 2 * dim, dim, 3]
        self.up = nn.LayerList(
            [
                he_uniform(layers.Conv2DTranspose(width, following, 5, stride=2, padding="same"))
                for width, following in zip(widths, widths[1:])
            ]
        )
        self.norms = nn.LayerList([layers.BatchNorm2D(n) if normalize else nn.Identity() for n in widths[1:3]])

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = layers.relu(self.input_norm(self.input(x[self.input_keys[0]]))).reshape([-1, 4 * self.dim, 4, 4])
        for layer, norm in zip(self.up, self.norms):
            h = layers.relu(norm(layer(h)))
        return {self.output_keys[0]: F.tanh(self.up[2](h)).reshape([-1, 3072])}

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        if "up.2.weight" not in state_dict:
            return {}
        return {"dim": state_dict["up.2.weight"].shape[0], "normalize": "input_norm.weight" in state_dict}


class WganGpCifar10DcganDiscriminator(Player):
    """DCGAN-shaped critic of 32x32 colour images: three 5x5 convolutions of stride 2, no normalisation.

    Args:
        input_keys: Name of the images [N, 3072] or [N, 3, 32, 32] in [-1, 1], such as ``("data",)``.
        output_keys: Name of the scores, such as ``("score",)``.
        dim: Channels of the first layer; later layers have twice and four times as many.
        label_num: Unused; both architectures take the same settings.
        use_label: Must be false.
        normalize: Whether there is layer normalisation.
        acgan: Unused, as well.

    Raises:
        InputError: ``use_label`` is set.

    Examples:
        >>> import paddle
        >>> critic = WganGpCifar10DcganDiscriminator(("data",), ("score",), dim=4)
        >>> tuple(critic({"data": paddle.zeros([5, 3072])})["score"].shape)
        (5,)
    """

    def __init__(
        self,
        input_keys: Sequence[str],
        output_keys: Sequence[str],
        dim: int = 128,
        label_num: int = 10,
        use_label: bool = False,
        normalize: bool = False,
        acgan: bool = True,
    ):
        super().__init__(input_keys, output_keys[:1])
        refuse_labels(use_label)
        widths = [3, dim, 2 * dim, 4 * dim]
        self.down = nn.LayerList(
            [
                he_uniform(layers.Conv2D(width, following, 5, stride=2, padding="same"))
                for width, following in zip(widths, widths[1:])
            ]
        )
        # As in DCGAN, the first layer has none.
        norms = [None, layers.LayerNorm2D(2 * dim), layers.LayerNorm2D(4 * dim)] if normalize else [None] * 3
        self.norms = nn.LayerList([norm or nn.Identity() for norm in norms])
        self.output = glorot_uniform(layers.Linear(4 * 4 * 4 * dim, 1))

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        h = x[self.input_keys[0]].reshape([-1, 3, 32, 32])
        for layer, norm in zip(self.down, self.norms):
            if isinstance(norm, nn.Identity):
                h = traced.conv2d(layer, h, slope=0.2)
            else:
                h = traced.leaky_relu(traced.layer_norm2d(norm, traced.conv2d(layer, h)), 0.2)
        return {self.output_keys[0]: traced.linear(self.output, h.reshape([h.shape[0], -1])).squeeze(1)}

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        if "down.0.weight" not in state_dict:
            return {}
        return {"dim": state_dict["down.0.weight"].shape[0], "normalize": "norms.1.scale" in state_dict}


# --8<-- [end:dcgan]
