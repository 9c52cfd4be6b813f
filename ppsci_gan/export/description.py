"""What an exported generator is: its network, latent, classes and images, and the weights that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

import ppsci_gan
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.files import locate
from ppsci_gan.files import sha256
from ppsci_gan.networks.base import ImageGenerator
from ppsci_gan.networks.base import Player
from ppsci_gan.networks.pgan import Growing

# Suffix of the file that says which network was exported. Not .json: paddle.jit.load would take it for the program.
DESCRIPTION = ".network.yaml"
EXPORT_FIRST = "Export the generator first, with mode=export and the same INFER.export_path."


def describe(generator: Player, source: str | None = None) -> dict[str, Any]:
    """Return what there is to know of an exported generator, as plain values.

    Args:
        generator: The network.
        source: Where its weights were read, as ``ppsci_gan.weights.read`` takes it.

    Returns:
        ``class`` and ``settings`` of the network, ``scale`` of one that grows, ``latent_dim``, ``label_num`` (0 without
        classes), ``image_shape`` and ``black`` of one that makes images, and ``source``.

    Examples:
        >>> from ppsci_gan.export.description import describe
        >>> from ppsci_gan.networks.wgangp import WganGpToyGenerator
        >>> found = describe(WganGpToyGenerator(("noise",), ("points",), dim=8))
        >>> found["class"], found["latent_dim"], found["label_num"]
        ('WganGpToyGenerator', 2, 0)
    """
    found = {
        **generator.recipe,
        "latent_dim": generator.latent_dim,
        "label_num": generator.label_num,
        "ppsci_gan": ppsci_gan.__version__,
    }
    if isinstance(generator, Growing):
        found["scale"] = generator.scale
    if isinstance(generator, ImageGenerator):
        found.update(image_shape=list(generator.image_shape), black=generator.black)
    if source is not None:
        kind = weights.describe(source, "generator")
        found["source"] = {"weights": str(source), "kind": kind, "sha256": sha256(weights.find(source))}
    return found


def save(description: dict[str, Any], export_path: str) -> None:
    """Write a description beside the files that it is of.

    Args:
        description: From ``describe``.
        export_path: As ``INFER.export_path``, without suffix.
    """
    with atomic(f"{export_path}{DESCRIPTION}") as temporary:
        temporary.write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")


def restore(export_path: str, classes: Sequence[type[Player]]) -> Player:
    """Build a network like the one that was exported, with random weights: it knows the shapes of inputs and outputs.

    Args:
        export_path: As ``INFER.export_path``, without suffix.
        classes: What it may be.

    Raises:
        InputError: There is no description, or it is damaged or of another class.
    """
    path = locate(f"{export_path}{DESCRIPTION}")
    if not path.is_file():
        raise InputError(f"{path}: no such file. {EXPORT_FIRST}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        name, settings, scale = content["class"], dict(content["settings"]), content.get("scale")
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: damaged ({error!r}). {EXPORT_FIRST}") from error
    try:
        generator = weights.build(name, settings, classes, path)
        if scale is not None:
            generator.grow(scale)
    except (InputError, AttributeError, TypeError) as error:
        raise InputError(f"{error} {EXPORT_FIRST}") from error
    return generator
