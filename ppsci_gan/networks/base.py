"""What generators and critics have in common: their keys, and reading weights of other layouts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from ppsci import arch

from ppsci_gan import plots
from ppsci_gan.errors import InputError


def _as_plain(value: Any) -> Any:
    """Return a setting as JSON holds it."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


class Player(arch.Arch):
    """One of the two networks: its keys, its settings, and what it needs to read published weights.

    Attributes:
        settings: The constructor's arguments, as plain values by name.

    Args:
        input_keys: Names of the inputs; a second one, for labels, is used only by a conditional generator.
        output_keys: Names of the outputs.
    """

    # (pattern, replacement) pairs from the names that PaddleScience publishes to ours, applied in order.
    published_names: Sequence[tuple] = ()
    names_to_publish: Sequence[tuple] = ()  # the other way round
    # Patterns of the parameters that ppsci_gan.weights.transfer may start afresh, by the word for them in a
    # configuration, and the axis of the classes of those that have one.
    parts: Mapping[str, str] = {}
    class_axes: Mapping[str, int] = {}

    def __new__(cls, *args: Any, **kwargs: Any):
        network = super().__new__(cls)
        # Kept for checkpoints, so that a file is enough to build the network again.
        given = inspect.signature(cls.__init__).bind(network, *args, **kwargs)
        given.apply_defaults()
        settings = {name: _as_plain(value) for name, value in list(given.arguments.items())[1:]}
        object.__setattr__(network, "settings", settings)  # a Layer takes attributes only after its __init__
        return network

    def __init__(self, input_keys: Sequence[str], output_keys: Sequence[str]):
        super().__init__()
        self.input_keys = tuple(input_keys)
        self.output_keys = tuple(output_keys)
        self.published = False

    def set_state_dict(self, state_dict: dict[str, Any], use_structured_name: bool = True):
        """Load weights by name, in this suite's layout or in PaddleScience's published one."""
        result = super().set_state_dict(self.rename_published(state_dict), use_structured_name)
        self.published = "published_arithmetic" in self._buffers and bool(self.published_arithmetic.item())
        return result

    set_dict = load_dict = set_state_dict

    def rename_published(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return the weights under our names; those that have them already are left alone."""
        renamed = self.translate_names(state_dict)
        if renamed is not state_dict and "published_arithmetic" in self._buffers:
            renamed.setdefault("published_arithmetic", paddle.ones([], "int32"))
        return renamed

    @classmethod
    def to_published_names(cls, state_dict: dict[str, Any], part: str) -> dict[str, Any]:
        """Return weights under the names that PaddleScience publishes them by.

        Args:
            state_dict: Weights under our names.
            part: ``generator`` or ``discriminator``, the prefix of their names.

        Raises:
            InputError: PaddleScience has no such network.
        """
        if not cls.names_to_publish:
            raise InputError(f"PaddleScience publishes no network like {cls.__name__}: write a .safetensors file.")
        renamed = {}
        for name, value in state_dict.items():
            for pattern, replacement in cls.names_to_publish:
                name = re.sub(pattern, replacement, name)
            renamed[f"{part}.{name}"] = value
        return renamed

    @classmethod
    def translate_names(cls, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return weights of PaddleScience's layout by our names, and others as they are."""
        if not all(re.match(r"generator\.|discriminator\.", name) for name in state_dict):
            return state_dict
        renamed = {}
        for name, value in state_dict.items():
            for pattern, replacement in cls.published_names:
                name = re.sub(pattern, replacement, name)
            renamed[name] = value
        return renamed

    def remember_arithmetic(self):
        """Let the weights carry which arithmetic they were trained with, where the published network's differs.

        It travels as a buffer, so that a checkpoint or a file saved after fine-tuning still knows.
        """
        self.register_buffer("published_arithmetic", paddle.zeros([], "int32"))

    def adapt_parameter(self, name: str, theirs: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
        """Return a parameter in our shape that keeps what it can of one in another shape, or None if nothing.

        Args:
            name: Of the parameter.
            theirs: Its values in the network that the weights are of.
            arrays: All of these weights.
        """
        return None

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return the config keys that weights (under our names) show, such as ``{"dim": 64}``."""
        return {}


class Generator(Player):
    """A network from ``noise`` [N, latent_dim] and perhaps ``labels`` [N] to its first output key."""

    latent_dim: int
    label_num = 0  # number of classes of a conditional generator, 0 of any other


class ImageGenerator(Generator):
    """A generator of images, flat or not: what their values mean.

    Attributes:
        image_shape: (C, H, W).
        black: The value of black; white is 1.
        is_bounded: Whether all values lie between the two. Those of a linear last layer may lie slightly beyond.
    """

    image_shape: tuple[int, int, int]
    black = -1.0
    is_bounded = True

    def to_images(self, samples: np.ndarray) -> np.ndarray:
        """Return generated values as pictures of them would be saved.

        Args:
            samples: Floats [N, C * H * W] or [N, C, H, W].

        Returns:
            uint8 [N, C, H, W].
        """
        return plots.to_uint8(samples if samples.ndim == 4 else samples.reshape([-1, *self.image_shape]), self.black)
