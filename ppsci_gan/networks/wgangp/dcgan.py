"""DCGAN-shaped networks of CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.networks import layers
from ppsci_gan.networks import traced
from ppsci_gan.networks.base import Player
from ppsci_gan.networks.wgangp.reference import LATENT_DIM
from ppsci_gan.networks.wgangp.reference import Generator
from ppsci_gan.networks.wgangp.reference import glorot_uniform
from ppsci_gan.networks.wgangp.reference import he_uniform


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
