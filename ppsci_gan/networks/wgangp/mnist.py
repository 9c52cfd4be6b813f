"""Networks of MNIST digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.networks import layers
from ppsci_gan.networks import traced
from ppsci_gan.networks.base import Player
from ppsci_gan.networks.wgangp.reference import LATENT_DIM
from ppsci_gan.networks.wgangp.reference import Generator
from ppsci_gan.networks.wgangp.reference import glorot_uniform
from ppsci_gan.networks.wgangp.reference import he_uniform


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
