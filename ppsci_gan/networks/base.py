"""Base classes of generators and critics: keys, settings, and weights of other layouts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import paddle
from paddle.utils import unique_name
from ppsci import arch

from ppsci_gan import plots
from ppsci_gan.errors import InputError


def _as_plain(value: Any) -> Any:
    """Return a setting as a JSON-compatible value."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


class Player(arch.Arch):
    """Base of both networks: keys, settings, and the translation of published weights.

    Attributes:
        settings: The constructor's arguments, as plain values by name.

    Args:
        input_keys: Names of the inputs; only conditional networks use a second one, for labels.
        output_keys: Names of the outputs.
    """

    # (pattern, replacement) pairs from PaddleScience's published names to ours, applied in order.
    published_names: Sequence[tuple] = ()
    names_to_publish: Sequence[tuple] = ()  # the other way round
    # For ppsci_gan.weights.transfer: patterns of the parameters to reinitialise, by their keyword in a configuration,
    # and the class axis of the parameters that have one.
    parts: Mapping[str, str] = {}
    class_axes: Mapping[str, int] = {}

    def __new__(cls, *args: Any, **kwargs: Any):
        network = super().__new__(cls)
        # Saved in checkpoints, so that a file suffices to rebuild the network.
        given = inspect.signature(cls.__init__).bind(network, *args, **kwargs)
        given.apply_defaults()
        settings = {name: _as_plain(value) for name, value in list(given.arguments.items())[1:]}
        object.__setattr__(network, "settings", settings)  # a Layer accepts attributes only after its __init__
        return network

    @property
    def recipe(self) -> dict[str, Any]:
        """Class and settings, as files keep them; ``weights.build`` makes the network again."""
        return {"class": type(self).__name__, "settings": self.settings}

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
        """Rename published weights and mark their arithmetic; return others unchanged."""
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
        """Rename weights of PaddleScience's layout; return others unchanged."""
        if not all(re.match(r"generator\.|discriminator\.", name) for name in state_dict):
            return state_dict
        renamed = {}
        for name, value in state_dict.items():
            for pattern, replacement in cls.published_names:
                name = re.sub(pattern, replacement, name)
            renamed[name] = value
        return renamed

    def remember_arithmetic(self):
        """Register a buffer that marks weights trained with the published network's arithmetic, where it differs.

        As a buffer, the mark survives fine-tuning and saving.
        """
        self.register_buffer("published_arithmetic", paddle.zeros([], "int32"))

    def adapt_parameter(self, name: str, theirs: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
        """Convert a parameter of another shape to ours, keeping what matches; return None if nothing does.

        Args:
            name: Name of the parameter.
            theirs: Its values in the source network.
            arrays: All weights of the source network.
        """
        return None

    @staticmethod
    def infer_settings(state_dict: dict[str, Any]) -> dict[str, Any]:
        """Infer config keys, such as ``{"dim": 64}``, from weights under our names."""
        return {}


def outline(network_class: type[Player], settings: Mapping[str, Any], key: str) -> Player:
    """Build a network without the values of its weights, which takes neither memory nor time, whatever its size.

    Args:
        network_class: Its class.
        settings: Arguments of the constructor.
        key: Where they come from, for the error.

    Raises:
        InputError: It is larger than Paddle can count, or the settings are refused.

    Examples:
        >>> from ppsci_gan.networks import base
        >>> from ppsci_gan.networks.wgangp import WganGpToyGenerator
        >>> settings = {"input_keys": ["noise"], "output_keys": ["points"], "dim": 10**9}
        >>> base.count_weights(base.outline(WganGpToyGenerator, settings, "MODEL.gen_net"))
        2000000007000000002
    """
    try:
        # Names of parameters go on counting where they were, as if this network had never been.
        with paddle.LazyGuard(), unique_name.guard():
            return network_class(**settings)
    except (IndexError, OverflowError, SystemError) as error:
        raise InputError(f"{key}: a network of these sizes has layers larger than Paddle can count.") from error


def count_weights(network: paddle.nn.Layer) -> int:
    """Return the number of a network's weights, also of an ``outline``.

    Args:
        network: The network.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import base
        >>> base.count_weights(paddle.nn.Linear(2, 3))
        9
    """
    return sum(prod(parameter.shape) for parameter in network.parameters())


class Generator(Player):
    """Network from ``noise`` [N, latent_dim] and, if conditional, ``labels`` [N] to its first output key."""

    latent_dim: int
    label_num = 0  # number of classes of a conditional generator, otherwise 0


class ImageGenerator(Generator):
    """Generator of images, flat or not, and the range of their values.

    Attributes:
        image_shape: (C, H, W).
        black: The value of black; white is 1.
        is_bounded: Whether all values lie between the two; a linear last layer may slightly exceed them.
    """

    image_shape: tuple[int, int, int]
    black = -1.0
    is_bounded = True

    def to_images(self, samples: np.ndarray) -> np.ndarray:
        """Convert generated values to images.

        Args:
            samples: Floats [N, C * H * W] or [N, C, H, W].

        Returns:
            uint8 [N, C, H, W].
        """
        return plots.to_uint8(samples if samples.ndim == 4 else samples.reshape([-1, *self.image_shape]), self.black)
