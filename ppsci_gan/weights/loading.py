"""Reading weights into networks: safe, checked by name and shape, in any layout that users have."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn
from ppsci.utils import logger

from ppsci_gan import pickles
from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.files import check_memory
from ppsci_gan.files import open_regular
from ppsci_gan.networks import base
from ppsci_gan.networks.base import Player
from ppsci_gan.weights import torch_files
from ppsci_gan.weights.checkpoint import Checkpoint
from ppsci_gan.weights.finding import find
from ppsci_gan.weights.finding import shown

LARGEST = 1e18  # of a weight
UNSOUND = "not finite, or far too large"


def save(model: nn.Layer, path: os.PathLike | str) -> None:
    """Write a network's weights as a ``.pdparams`` file, in one step.

    Args:
        model: The network.
        path: The file.

    Examples:
        >>> import tempfile
        >>> import paddle
        >>> from ppsci_gan import weights
        >>> path = tempfile.mkdtemp() + "/linear.pdparams"
        >>> weights.save(paddle.nn.Linear(2, 3), path)
        >>> sorted(weights.read(path))
        ['bias', 'weight']
    """
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    with atomic(path) as temporary:
        paddle.save(arrays, str(temporary))


def read(path: str, part: str = "", raw: bool = False) -> dict[str, np.ndarray]:
    """Read weights from a file or a URL without running anything that it contains.

    Args:
        path: A ``.pdparams`` file, a checkpoint of this suite (``<run>/checkpoints/latest``, the suffix may be left
            out), PyTorch's ``.pth``, or the URL of such a file. ``URL#sha256=<hex>`` is verified.
        part: Name of the network to take from a checkpoint, such as ``generator``.
        raw: Whether to take its own weights also where the checkpoint says to use their average.

    Returns:
        Arrays by parameter name.

    Raises:
        InputError: The file is missing, is no weights file, or its checksum differs.

    Examples:
        >>> from ppsci_gan import weights
        >>> weights.read("no/such/file.pdparams")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: no/such/file.pdparams: no such file of weights; check the path.
    """
    file = find(path)
    if file.suffix == ".safetensors":
        return Checkpoint.read(file).weights(part, raw)
    if file.suffix in (".pth", ".pt"):
        return torch_files.read(file)
    with open_regular(file) as stream:
        content = pickles.load(stream, str(file))
    if not isinstance(content, dict):
        raise InputError(f"{file}: not a weights file, it holds a {type(content).__name__} instead of named arrays.")
    if not content or not all(isinstance(k, str) and isinstance(v, np.ndarray) for k, v in content.items()):
        raise InputError(f"{file}: not a weights file, its entries are not all named arrays.")
    return content


def load(model: nn.Layer, path: str | None, key: str, part: str = "", may_differ: Sequence[str] = ()) -> None:
    """Read weights into a network; every name and shape must fit.

    Args:
        model: The network. Its ``rename_published`` translates other layouts and its ``infer_settings`` tells which
            settings a file was made with, where it has them.
        path: As for ``read``; None leaves the network as it is.
        key: The network's config group, such as ``MODEL.gen_net``: named in the error.
        part: As for ``read``.
        may_differ: Settings, such as ``channels``, that the file may have been made with another value of. Layers that
            do not fit then start afresh, which is said; the network's ``adapt_parameter`` may keep a part of them.

    Raises:
        InputError: Names or shapes differ; the message lists them and the config keys that would fit.

    Examples:
        >>> import tempfile
        >>> import paddle
        >>> from ppsci_gan import weights
        >>> path = tempfile.mkdtemp() + "/linear.pdparams"
        >>> weights.save(paddle.nn.Linear(2, 3), path)
        >>> weights.load(paddle.nn.Linear(2, 3), path, "MODEL.gen_net")
    """
    if path is None:
        return
    _load_arrays(model, read_renamed(model, path, part), path, key, may_differ)


def load_players(
    generator: nn.Layer,
    critic: nn.Layer,
    generator_path: str | None,
    critic_path: str | None,
    may_differ: Sequence[str] = (),
) -> None:
    """Read weights into both players before a training.

    Args:
        generator: The network of ``MODEL.gen_net``.
        critic: The network of ``MODEL.dis_net``.
        generator_path: ``TRAIN.pretrained_gen_model_path``; None leaves the generator as it is.
        critic_path: ``TRAIN.pretrained_dis_model_path``; None leaves the critic as it is.
        may_differ: As for ``load``.

    Raises:
        InputError: As of ``load``.

    Examples:
        See ``train`` in ``examples/wgangp/wgangp_mnist.py``.
    """
    load(generator, generator_path, "MODEL.gen_net", "generator", may_differ)
    load(critic, critic_path, "MODEL.dis_net", "critic", may_differ)


def _load_arrays(
    model: nn.Layer, arrays: dict[str, np.ndarray], path: os.PathLike | str, key: str, may_differ: Sequence[str] = ()
) -> None:
    changes = _changes(model, arrays)
    if changes and set(changes) <= set(may_differ):
        arrays = _adapt(model, arrays, changes)
    check(model, arrays, path, key)
    fill(model, arrays)
    logger.message(f"Loaded weights of {type(model).__name__} from {shown(path)}")


def restore(path: os.PathLike | str, part: str, classes: Sequence[type[Player]], settings: Mapping[str, Any]) -> Player:
    """Build the network that a file holds weights of, and load them.

    A checkpoint or a published file of this suite says which class and settings its networks have. Of other files, such
    as PaddleScience's, the arrays show them; what they do not show is taken from ``settings``.

    Args:
        path: As for ``read``.
        part: Name of the network in a checkpoint, such as ``generator``.
        classes: What it may be.
        settings: Arguments of the constructor.

    Raises:
        InputError: The file is missing, of another kind of network, or does not fit.

    Examples:
        >>> from ppsci_gan import weights
        >>> from ppsci_gan.networks.wgangp import WganGpMnistGenerator
        >>> settings = {"input_keys": ["noise"], "output_keys": ["fake_data"]}
        >>> path = "pretrained/wgangp_mnist_quick.safetensors"
        >>> weights.restore(path, "generator", [WganGpMnistGenerator], settings).dim
        32
    """
    file = find(path)
    checkpoint = Checkpoint.read(file) if file.suffix == ".safetensors" else None
    arrays = read(path, part) if checkpoint is None else checkpoint.weights(part)
    recorded = checkpoint and checkpoint.network(part)
    if recorded is not None:
        network = build(*recorded, classes, path)
    else:
        network_class, shown = _recognise(arrays, classes)
        network = network_class(**{**settings, **shown})
    key = "MODEL.gen_net" if part == "generator" else "MODEL.dis_net"
    _load_arrays(network, _rename(network, arrays), path, key)
    return network


def build(name: str, settings: Mapping[str, Any], classes: Sequence[type[Player]], source: os.PathLike | str) -> Player:
    """Build a network from its class name and settings in a file.

    Args:
        name: Of its class.
        settings: Arguments of the constructor.
        classes: What it may be: nothing else is ever looked up by name.
        source: The file, for messages.

    Raises:
        InputError: The class is none of these, or does not know a setting.

    Examples:
        >>> from ppsci_gan import weights
        >>> from ppsci_gan.networks.wgangp import WganGpToyGenerator
        >>> settings = {"input_keys": ["noise"], "output_keys": ["points"], "dim": 8}
        >>> weights.build("WganGpToyGenerator", settings, [WganGpToyGenerator], "a file").settings["dim"]
        8
    """
    source = shown(source)
    network_class = next((known for known in classes if known.__name__ == name), None)
    if network_class is None:
        raise InputError(f"{source} holds a {name}; this takes {' or '.join(known.__name__ for known in classes)}.")
    unknown = sorted(set(settings) - set(inspect.signature(network_class).parameters))
    if unknown:
        raise InputError(f"{source}: its {name} has settings that this version does not know: {', '.join(unknown)}.")
    try:
        inspect.signature(network_class).bind(**settings)
    except TypeError as error:
        raise InputError(f"{source}: damaged, the settings of its {name} are not whole ({error}).") from error
    try:
        needed = 4 * base.count_weights(base.outline(network_class, settings, str(source)))
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:  # InputError among them
        raise InputError(f"{source}: damaged, its {name} cannot have such settings ({str(error)[:200]}).") from error
    check_memory(needed, f"{source}: its {name}")
    return network_class(**settings)


def _recognise(arrays: dict[str, np.ndarray], classes: Sequence[type[Player]]) -> tuple[type[Player], dict[str, Any]]:
    """Return the class that the weights belong to (the first one if unknown) and the settings that they show."""
    for network_class in classes:
        try:
            shown = network_class.infer_settings(network_class.translate_names(arrays))
        except (IndexError, KeyError):  # an array has fewer axes than any network's of that name, or one is missing
            continue
        if shown:
            known = set(inspect.signature(network_class).parameters)
            return network_class, {name: value for name, value in shown.items() if name in known}
    return classes[0], {}


def read_renamed(model: nn.Layer, path: str, part: str = "", raw: bool = False) -> dict[str, np.ndarray]:
    """Read weights under a network's own names.

    Args:
        model: The network; its ``rename_published``, where it has them, translates other layouts.
        path: As for ``read``.
        part: As for ``read``.
        raw: As for ``read``.
    """
    return _rename(model, read(path, part, raw))


def _rename(model: nn.Layer, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not hasattr(model, "rename_published"):
        return arrays
    return {name: np.asarray(value) for name, value in model.rename_published(arrays).items()}


def fill(model: nn.Layer, arrays: dict[str, np.ndarray]) -> None:
    """Copy arrays that ``check`` has accepted into a network, cast to its own type.

    Args:
        model: The network.
        arrays: Arrays by parameter name.
    """
    own = model.state_dict()
    # A file in double or half precision is as good; Paddle itself takes exactly its own type and byte order.
    arrays = {name: value.astype(own[name].numpy().dtype) for name, value in arrays.items()}
    model.set_state_dict({name: paddle.to_tensor(value) for name, value in arrays.items()})


def _adapt(model: nn.Layer, arrays: dict[str, np.ndarray], changes: dict[str, Any]) -> dict[str, np.ndarray]:
    """Fit weights of a network with other settings to this one, and log which are kept."""
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    adapted, partly, afresh = {}, [], []
    for name, ours in own.items():
        theirs = arrays.get(name)
        if theirs is None or theirs.shape != ours.shape:
            kept = None if theirs is None else model.adapt_parameter(name, theirs, arrays)
            (afresh if kept is None else partly).append(name)
            theirs = ours if kept is None else kept
        adapted[name] = theirs
    for title, names in (("start afresh", afresh), ("keep all but the classes' part", partly)):
        if names:
            made = ", ".join(f"{setting}={value}" for setting, value in changes.items())
            logger.message(f"The weights are of a network with {made}. Of ours, these {title}: {', '.join(names)}")
    return adapted


def digest(model: nn.Layer) -> str:
    """Return the SHA-256 of a network's parameters, whatever file they came in.

    Args:
        model: The network.

    Examples:
        >>> import paddle
        >>> from ppsci_gan import weights
        >>> layer = paddle.nn.Linear(2, 3)
        >>> weights.digest(layer) == weights.digest(paddle.nn.Linear(2, 3))
        False
    """
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        total.update(name.encode())
        total.update(value.numpy().astype("<f4").tobytes())
    return total.hexdigest()


def describe(path: str, part: str) -> str:
    """Describe the weights that ``load`` takes from a file: raw or averaged, and their iteration.

    Args:
        path: As for ``read``.
        part: Name of the player, such as ``generator``.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from ppsci_gan import weights
        >>> path = tempfile.mkdtemp() + "/latest"
        >>> state = {"iteration": 10, "use": {"generator": "averaged"}}
        >>> weights.save_checkpoint(path + ".safetensors", {"averaged/w": np.zeros(2)}, state)
        >>> weights.describe(path, "generator")
        'averaged weights of iteration 10'
    """
    file = find(path)
    if file.suffix != ".safetensors":
        return "weights as in the file, averaged or not"
    checkpoint = Checkpoint.read(file)
    kind = "averaged" if checkpoint.is_averaged(part) else "raw"
    return f"{kind} weights of iteration {checkpoint.state['iteration']}"


def has_part(path: str | None, part: str) -> bool:
    """Whether a path leads to a checkpoint that has a player's weights.

    Args:
        path: As for ``read``; None holds nothing.
        part: Name of the player, such as ``critic``.

    Examples:
        >>> from ppsci_gan import weights
        >>> weights.has_part(None, "critic")
        False
    """
    if path is None:
        return False
    file = find(path)
    return file.suffix == ".safetensors" and bool(Checkpoint.read(file).group(part))


def check(model: nn.Layer, arrays: dict[str, np.ndarray], path: str, key: str, advice: str = "") -> None:
    """Raise an InputError unless names, shapes and kinds of number are exactly the network's.

    Args:
        model: The network.
        arrays: Arrays by parameter name.
        path: Where they come from, for the message.
        key: The network's config group, for the message.
        advice: What else may help, for the message.
    """
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    both = {name: (arrays[name], value) for name, value in own.items() if name in arrays}
    problems = {
        "missing in the file": sorted(own.keys() - arrays.keys()),
        "unknown here": sorted(arrays.keys() - own.keys()),
        "other shape": [
            f"{name} is {theirs.shape} in the file, {ours.shape} here"
            for name, (theirs, ours) in both.items()
            if theirs.shape != ours.shape
        ],
        "other type": [
            f"{name} is {theirs.dtype} in the file, {ours.dtype} here"
            for name, (theirs, ours) in both.items()
            if theirs.dtype.kind != ours.dtype.kind
        ],
        UNSOUND: [name for name, (theirs, _) in both.items() if theirs.dtype.kind == "f" and not _is_sound(theirs)],
    }
    fits_not = any(names for title, names in problems.items() if title != UNSOUND)
    lines = []
    for title, names in problems.items():
        if names:
            more = f", ... ({len(names)} in all)" if len(names) > 4 else ""
            lines.append(f"  {title}: {', '.join(names[:4])}{more}")
    if lines:
        lines = [
            f"{shown(path)} does not fit {type(model).__name__}:",
            *lines,
            *([f"  {_advice(model, arrays, key)}"] if fits_not else ["  It is damaged, or its training has diverged."]),
            *filter(None, [advice]),
        ]
        raise InputError("\n".join(lines))


def _is_sound(values: np.ndarray) -> bool:
    """Whether all values are numbers whose squares are, in single precision."""
    with np.errstate(invalid="ignore"):
        return not values.size or bool(np.abs(values).max() < LARGEST)  # NaN is not


def _advice(model: nn.Layer, arrays: dict[str, np.ndarray], key: str) -> str:
    changes = _changes(model, arrays)
    if changes:
        values = {name: json.dumps(value, separators=(",", ":")) for name, value in changes.items()}  # for a shell
        fitting = " ".join(f"{key}.{name}={value}" for name, value in values.items())
        return f"It was made with other settings; add {fitting}"
    return f"It holds another kind of network than {key} describes: check the path and the example."


def _changes(model: nn.Layer, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the settings of the weights that differ from the network's."""
    infer_settings = getattr(model, "infer_settings", lambda _: {})
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    try:
        current, needed = infer_settings(own), infer_settings(arrays)
    except (IndexError, KeyError):  # an array has fewer axes than any network's of that name, or one is missing
        return {}
    return {name: value for name, value in needed.items() if current.get(name) != value}
