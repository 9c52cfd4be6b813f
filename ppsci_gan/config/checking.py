"""Refusing a configuration, in words: each offending key, its value, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any
from typing import get_args

from hydra.utils import get_class
from omegaconf import DictConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel
from pydantic import ValidationError

from ppsci_gan.errors import InputError

REFUSED = "This configuration cannot be run:"


def check(cfg: DictConfig | dict[str, Any]) -> None:
    """Refuse a configuration with unknown keys or impossible values.

    Args:
        cfg: The composed configuration, without Hydra's own group. Its key ``schema`` names the class to check with.

    Raises:
        InputError: Names each offending key, its value and what is allowed.

    Examples:
        >>> from ppsci_gan import config
        >>> config.check({"schema": "ppsci_gan.config.WganGpToy", "mode": "evaluate"})
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: This configuration cannot be run:
          mode=evaluate: Input should be 'train', 'eval', 'export' or 'infer'
        ...
    """
    try:
        values = dict(OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, DictConfig) else cfg)
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        raise InputError(f"{REFUSED}\n  {error.full_key}: {error.msg.splitlines()[0]}") from None
    schema = find_schema(values.pop("schema", None))
    try:
        schema(**values)
    except ValidationError as error:
        raise InputError("\n  ".join([REFUSED, *(_line(schema, one) for one in error.errors())])) from None


def find_schema(name: str | None) -> type[BaseModel]:
    """Return the class that a configuration is checked with.

    Args:
        name: Its dotted path, the configuration's key ``schema``.

    Raises:
        InputError: There is no such class.

    Examples:
        >>> from ppsci_gan.config.checking import find_schema
        >>> find_schema("ppsci_gan.config.WganGpToy").__name__
        'WganGpToy'
    """
    if name is None:
        raise InputError("schema is not set: name a class like ppsci_gan.config.WganGpToy in the experiment's YAML.")
    try:
        return get_class(name)
    except Exception as error:  # whatever an import can raise
        raise InputError(f"schema={name}: no such class ({str(error).splitlines()[-1]}).") from error


def explain_unknown(cfg: DictConfig, key: str) -> str | None:
    """Explain a key that is not in the composed configuration; None if the schema knows it.

    Args:
        cfg: The composed configuration.
        key: With its groups, such as ``TRAIN.epoch``.

    Examples:
        >>> from omegaconf import OmegaConf
        >>> from ppsci_gan import config
        >>> config.explain_unknown(OmegaConf.create({"schema": "ppsci_gan.config.WganGpToy"}), "TRAIN.epoch")
        'TRAIN.epoch: unknown key. Did you mean TRAIN.epochs?'
    """
    schema, path = find_schema(cfg.get("schema")), key.split(".")
    for depth, name in enumerate(path):
        group = _group_at(schema, path[:depth])
        if not _is_group(group) or "[" in name:  # such as wandb_config, whose keys are free; or a row of a list
            return None
        if name not in group.model_fields:
            return f"{'.'.join(path[: depth + 1])}: unknown key. {_advice(schema, path[: depth + 1])}"
    return None


def _line(schema: type[BaseModel], error: dict[str, Any]) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key. {_advice(schema, error['loc'])}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{key}={error['input']}: {message}" if key else message


def _advice(schema: type[BaseModel], path: Sequence[str | int]) -> str:
    """Return the keys that resemble an unknown one, or all keys if none does."""
    *groups, name = path
    group = _group_at(schema, groups)
    instead = getattr(group, "instead", {})
    if name in instead:
        return instead[name]
    known = [*group.model_fields, *([] if groups else ["preset"])]  # the last is chosen like a key
    by_lower = {one.lower(): one for one in known}
    close = [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower)]
    prefix = "".join(f"{part}." for part in groups)
    meant = " or ".join(f"{prefix}{one}" for one in close)
    return f"Did you mean {meant}?" if close else f"There are {', '.join(known)}."


def _group_at(schema: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    for name in path:
        # A number is an entry of a list, whose only argument is the entries' class.
        schema = get_args(schema)[0] if isinstance(name, int) else schema.model_fields[name].annotation
    return schema


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
