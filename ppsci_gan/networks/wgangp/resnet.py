"""Residual networks of 32x32 and 64x64 images, such as CIFAR-10's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.networks import layers
from ppsci_gan.networks import traced
from ppsci_gan.networks.base import Player
from ppsci_gan.networks.wgangp.blocks import ConditionalBatchNorm2D
from ppsci_gan.networks.wgangp.blocks import ConditionalLayerNorm2D
from ppsci_gan.networks.wgangp.blocks import ResidualBlock
from ppsci_gan.networks.wgangp.blocks import upsample_nearest
from ppsci_gan.networks.wgangp.blocks import upsample_shuffle
from ppsci_gan.networks.wgangp.reference import LATENT_DIM
from ppsci_gan.networks.wgangp.reference import Generator
from ppsci_gan.networks.wgangp.reference import glorot_uniform
from ppsci_gan.networks.wgangp.reference import he_uniform


# --8<-- [start:resnet]
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
