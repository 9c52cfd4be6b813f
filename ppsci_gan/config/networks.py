"""``MODEL``: the arguments of the networks' constructors."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import create_model

from ppsci_gan.config.groups import NonNegativeInt
from ppsci_gan.config.groups import PositiveInt
from ppsci_gan.config.groups import Share
from ppsci_gan.config.groups import Strict

Keys = Annotated[list[str], Field(min_length=1)]

# What an argument may be, by name; of any other, its annotation says.
RANGES = {
    "input_keys": Keys,
    "output_keys": Keys,
    "dim": PositiveInt,
    "image_size": Annotated[list[PositiveInt], Field(min_length=2, max_length=2)],
    "depths": Annotated[list[PositiveInt], Field(min_length=1)],
    "hidden": NonNegativeInt,
    "latent_dim": PositiveInt,
    "channels": Literal[1, 3],
    "label_num": PositiveInt,
    "resolution": Literal[32, 64],
    "negative_slope": Share,
}


def make_network_schema(*networks: type) -> type[Strict]:
    """Return the schema of a group that holds a network's arguments.

    Args:
        *networks: Classes among which another key chooses: the group has the arguments that all of them take.

    Examples:
        >>> from ppsci_gan.config import make_network_schema
        >>> from ppsci_gan.networks.wgangp import WganGpMnistDiscriminator
        >>> list(make_network_schema(WganGpMnistDiscriminator).model_fields)
        ['input_keys', 'output_keys', 'dim', 'negative_slope']
    """
    signatures = [_arguments(network) for network in networks]
    shared = {name: field for name, field in signatures[0].items() if all(name in one for one in signatures)}
    return create_model(networks[0].__name__, __base__=Strict, **shared)


def _arguments(network: type) -> dict[str, tuple[Any, Any]]:
    """Return type and default of every argument, as ``pydantic.create_model`` takes them."""
    hints = typing.get_type_hints(network.__init__)
    arguments = list(inspect.signature(network.__init__).parameters.values())[1:]
    return {
        argument.name: (
            RANGES.get(argument.name, hints.get(argument.name, Any)),
            ... if argument.default is argument.empty else argument.default,
        )
        for argument in arguments
    }


def make_model_schema(generators: type | Sequence[type], critics: type | Sequence[type], **others: Any) -> type[Strict]:
    """Return the schema of ``MODEL``: ``gen_net`` and ``dis_net``.

    Args:
        generators: The generator's class, or those among which another key chooses.
        critics: The same for the critic.
        **others: Types of further keys of ``MODEL``.

    Examples:
        >>> from ppsci_gan.config import make_model_schema
        >>> from ppsci_gan.networks.wgangp import WganGpToyDiscriminator, WganGpToyGenerator
        >>> list(make_model_schema(WganGpToyGenerator, WganGpToyDiscriminator, scale=int).model_fields)
        ['scale', 'gen_net', 'dis_net']
    """
    players = {
        name: classes if isinstance(classes, Sequence) else (classes,)
        for name, classes in {"gen_net": generators, "dis_net": critics}.items()
    }
    settings = {name: make_network_schema(*classes) for name, classes in players.items()}
    model = create_model(
        "Model", __base__=Strict, **{name: (kind, ...) for name, kind in {**others, **settings}.items()}
    )
    model.players = players  # for needs, which builds them to see how large they are
    return model
