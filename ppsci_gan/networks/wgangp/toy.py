"""Networks of 2-D points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddle import Tensor
from paddle import nn

from ppsci_gan.networks import base
from ppsci_gan.networks import layers
from ppsci_gan.networks import traced
from ppsci_gan.networks.base import Player
from ppsci_gan.networks.wgangp.reference import glorot_uniform


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
