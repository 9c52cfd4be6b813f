"""Weights and checkpoints: safe to read, checked against the network, atomic to write.

Weights of one network are ``.pdparams`` files, as PaddleScience publishes them. A checkpoint, which holds all that a
run needs to go on, is one ``.safetensors`` file: it can be renamed into place in one step and holds no code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag
from urllib.parse import urlparse

import numpy as np
import paddle
import requests
import safetensors
import safetensors.numpy
from paddle import nn
from ppsci.utils import logger
from tqdm import tqdm

from ppsci_gan import pickles
from ppsci_gan.weights.files import torch_files
from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.files import cache
from ppsci_gan.files import locate


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
        tensors, state = read_checkpoint(file)
        return _part_of(tensors, part if raw else state.get("use", {}).get(part, part), file)
    if file.suffix in (".pth", ".pt"):
        return torch_files.read(file)
    with file.open("rb") as stream:
        content = pickles.load(stream, str(file))
    if not isinstance(content, dict):
        raise InputError(f"{file}: not a weights file, it holds a {type(content).__name__} instead of named arrays.")
    if not content or not all(isinstance(k, str) and isinstance(v, np.ndarray) for k, v in content.items()):
        raise InputError(f"{file}: not a weights file, its entries are not all named arrays.")
    return content


def find(path: os.PathLike | str) -> Path:
    """Return the file that a path or URL means; a URL is downloaded once, into a cache.

    Args:
        path: The suffix ``.pdparams`` or ``.safetensors`` may be left out.

    Raises:
        InputError: There is none.
    """
    file = _download(str(path)) if str(path).lower().startswith(("http://", "https://")) else Path(path)
    for candidate in (file, Path(f"{file}.pdparams"), Path(f"{file}.safetensors")):
        if locate(candidate).is_file():
            return locate(candidate)
    raise InputError(f"{path}: no such file of weights; check the path.{_neighbours(Path(path))}")


def load(model: nn.Layer, path: str | None, key: str, part: str = "", may_differ: Sequence[str] = ()) -> None:
    """Read weights into a network; every name and shape must fit.

    Args:
        model: The network. Its ``own_names`` translates other layouts and its ``settings_of`` tells which settings a
            file was made with, where it has them.
        path: As for ``read``; None leaves the network as it is.
        key: The network's config group, such as ``MODEL.gen_net``: named in the error.
        part: As for ``read``.
        may_differ: Settings, such as ``channels``, that the file may have been made with another value of. Layers that
            do not fit then start afresh, which is said; the network's ``kept_of`` may keep a part of them.

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
    arrays = read_for(model, path, part)
    changes = _changes(model, arrays)
    if changes and set(changes) <= set(may_differ):
        arrays = _adapted(model, arrays, changes)
    check(model, arrays, path, key)
    fill(model, arrays)
    logger.message(f"Loaded weights of {type(model).__name__} from {path}")


def read_for(model: nn.Layer, path: str, part: str = "", raw: bool = False) -> dict[str, np.ndarray]:
    """Read weights under a network's own names.

    Args:
        model: The network; its ``own_names``, where it has them, translates other layouts.
        path: As for ``read``.
        part: As for ``read``.
        raw: As for ``read``.
    """
    arrays = read(path, part, raw)
    if hasattr(model, "own_names"):
        arrays = {name: np.asarray(value) for name, value in model.own_names(arrays).items()}
    return arrays


def fill(model: nn.Layer, arrays: dict[str, np.ndarray]) -> None:
    """Put arrays that ``check`` accepts into a network, in its own type of number.

    Args:
        model: The network.
        arrays: Arrays by parameter name.
    """
    own = model.state_dict()
    # A file in double or half precision is as good; Paddle itself takes exactly its own type and byte order.
    arrays = {name: value.astype(own[name].numpy().dtype) for name, value in arrays.items()}
    model.set_state_dict({name: paddle.to_tensor(value) for name, value in arrays.items()})


def _adapted(model: nn.Layer, arrays: dict[str, np.ndarray], changes: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return weights of a network with other settings as this one takes them, and say what is left of them."""
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    adapted, partly, afresh = {}, [], []
    for name, ours in own.items():
        theirs = arrays.get(name)
        if theirs is None or theirs.shape != ours.shape:
            kept = None if theirs is None else model.kept_of(name, theirs, arrays)
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
    """Say which weights of a player ``load`` takes from a file: raw or averaged, and of which iteration.

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
    state = read_checkpoint(file)[1]
    averaged = "averaged" in (state.get("use", {}).get(part), state.get("published", {}).get(part))
    return f"{'averaged' if averaged else 'raw'} weights of iteration {state['iteration']}"


def holds(path: str | None, part: str) -> bool:
    """Whether a path leads to a checkpoint that has a player's weights.

    Args:
        path: As for ``read``; None holds nothing.
        part: Name of the player, such as ``critic``.

    Examples:
        >>> from ppsci_gan import weights
        >>> weights.holds(None, "critic")
        False
    """
    if path is None:
        return False
    file = find(path)
    return file.suffix == ".safetensors" and any(name.startswith(f"{part}/") for name in read_checkpoint(file)[0])


def check(model: nn.Layer, arrays: dict[str, np.ndarray], path: str, key: str, advice: str = "") -> None:
    """Raise an InputError unless the arrays are exactly the network's, by name, shape and kind of number.

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
    }
    lines = []
    for title, names in problems.items():
        if names:
            more = f", ... ({len(names)} in all)" if len(names) > 4 else ""
            lines.append(f"  {title}: {', '.join(names[:4])}{more}")
    if lines:
        lines = [
            f"{path} does not fit {type(model).__name__}:",
            *lines,
            f"  {_advice(model, arrays, key)}",
            *filter(None, [advice]),
        ]
        raise InputError("\n".join(lines))


def _advice(model: nn.Layer, arrays: dict[str, np.ndarray], key: str) -> str:
    changes = _changes(model, arrays)
    if changes:
        values = {name: json.dumps(value, separators=(",", ":")) for name, value in changes.items()}  # for a shell
        fitting = " ".join(f"{key}.{name}={value}" for name, value in values.items())
        return f"It was made with other settings; add {fitting}"
    return f"It holds another kind of network than {key} describes: check the path and the example."


def _changes(model: nn.Layer, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the settings that weights were made with, where the network has others."""
    settings_of = getattr(model, "settings_of", lambda _: {})
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    try:
        current, needed = settings_of(own), settings_of(arrays)
    except (IndexError, KeyError):  # an array has fewer axes than any network's of that name, or one is missing
        return {}
    return {name: value for name, value in needed.items() if current.get(name) != value}


def save_checkpoint(path: os.PathLike | str, tensors: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Write a checkpoint in one step: arrays, and a state of plain values.

    Args:
        path: The file; ``.safetensors`` by convention.
        tensors: Arrays by name.
        state: Anything that JSON can hold.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with atomic(path) as temporary:
        # Not save_file, which lets nobody else read the file, whatever the user's umask.
        temporary.write_bytes(safetensors.numpy.save(arrays, metadata={"state": json.dumps(state)}))


def read_checkpoint(path: os.PathLike | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint that ``save_checkpoint`` wrote.

    Args:
        path: The file; the suffix ``.safetensors`` may be left out.

    Returns:
        The arrays and the state.

    Raises:
        InputError: The file is missing, truncated or no checkpoint.
    """
    file = find(path)
    try:
        with safetensors.safe_open(file, framework="numpy") as handle:
            state = json.loads((handle.metadata() or {})["state"])
            if not isinstance(state, dict):
                raise ValueError("its state has no names")
            return {name: handle.get_tensor(name) for name in handle.keys()}, state  # noqa: SIM118 - no dict
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: not a checkpoint of this suite, or damaged ({error}).") from error


def publish(checkpoint: str, path: str, half: bool = False) -> None:
    """Write the weights of a checkpoint's players alone, as a small checkpoint to share.

    The generator is the averaged one where the checkpoint says so. ``python -m ppsci_gan.weights.files CHECKPOINT FILE`` does
    this from the command line.

    Args:
        checkpoint: Such as ``<run>/checkpoints/best``.
        path: The file to write, ``.safetensors``.
        half: Whether to round to float16, which halves the file; ``load`` widens it again.

    Raises:
        InputError: The checkpoint is missing or damaged.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from ppsci_gan import weights
        >>> folder = tempfile.mkdtemp()
        >>> arrays = {"generator/w": np.ones(2), "averaged/w": np.zeros(2), "optimizer/generator/w/m": np.ones(2)}
        >>> state = {"iteration": 10, "seed": 42, "use": {"generator": "averaged"}}
        >>> weights.save_checkpoint(folder + "/run.safetensors", arrays, state)
        >>> weights.publish(folder + "/run", folder + "/shared.safetensors")
        >>> {name: value.tolist() for name, value in weights.read_checkpoint(folder + "/shared")[0].items()}
        {'generator/w': [0.0, 0.0]}
    """
    tensors, state = read_checkpoint(checkpoint)
    use = state.get("use", {})
    players = {name.split("/")[0] for name in tensors} - {"optimizer", "averaged"}
    shared = {
        f"{player}/{name}": value
        for player in sorted(players)
        for name, value in _part_of(tensors, use.get(player, player), Path(checkpoint)).items()
    }
    if half:
        shared = {name: value.astype("float16") if value.dtype.kind == "f" else value for name, value in shared.items()}
    published = {player: use.get(player, player) for player in sorted(players)}
    save_checkpoint(path, shared, {"iteration": state["iteration"], "seed": state["seed"], "published": published})


def optimizer_state(optimizer: paddle.optimizer.Optimizer, model: nn.Layer) -> dict[str, paddle.Tensor]:
    """Return an optimizer's tensors, named after the network's parameters.

    Paddle names them after counters of layers ever built, which differ from process to process.

    Args:
        optimizer: The optimizer.
        model: The network whose parameters it updates.

    Returns:
        Tensors by ``<parameter>/<slot>``, such as ``output.bias/moment1_0``.
    """
    state, named = optimizer.state_dict(), {}
    for name, parameter in model.named_parameters():
        prefix = f"{_updated(parameter, optimizer)}_"
        named.update({f"{name}/{key[len(prefix) :]}": value for key, value in state.items() if key.startswith(prefix)})
    return named


def set_optimizer_state(optimizer: paddle.optimizer.Optimizer, model: nn.Layer, arrays: dict[str, np.ndarray]) -> None:
    """Give an optimizer the state that ``optimizer_state`` returned; its scheduler is left as it is.

    Args:
        optimizer: The optimizer.
        model: The network whose parameters it updates.
        arrays: Arrays by ``<parameter>/<slot>``.
    """
    parameters = dict(model.named_parameters())
    state, known = {}, {}
    for key, value in arrays.items():
        name, slot = key.rsplit("/", 1)
        known[name] = parameters[name]
        state[f"{_updated(parameters[name], optimizer)}_{slot}"] = paddle.to_tensor(value)
    if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
        state["LR_Scheduler"] = optimizer._learning_rate.state_dict()
    optimizer.set_state_dict(state)
    # Paddle would wait for the first step, and then want a state of every parameter. One that had no gradient yet, such
    # as of a layer that comes in later, has none.
    optimizer._create_accumulators(paddle.static.default_main_program().global_block(), list(known.values()))
    optimizer._accumulators_holder = {}


def reset_optimizer(optimizer: paddle.optimizer.Adam, model: nn.Layer) -> None:
    """Let Adam forget its moments.

    Args:
        optimizer: The optimizer.
        model: The network whose parameters it updates.
    """
    state = {name: value.numpy() for name, value in optimizer_state(optimizer, model).items()}
    for name, value in state.items():
        slot = name.rsplit("/", 1)[1]
        if slot.startswith("moment"):
            value[...] = 0
        elif slot.startswith(("beta1_pow", "beta2_pow")):
            value[...] = getattr(optimizer, f"_{slot[:5]}")
    set_optimizer_state(optimizer, model, state)


def _updated(parameter: paddle.Tensor, optimizer: paddle.optimizer.Optimizer) -> str:
    """Return Paddle's name of what the optimizer updates: of a half-precision parameter its float32 master."""
    return optimizer._master_weights.get(parameter.name, parameter).name


def _part_of(tensors: dict[str, np.ndarray], part: str, file: Path) -> dict[str, np.ndarray]:
    prefix = f"{part}/"
    arrays = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    if not arrays:
        parts = sorted({name.split("/")[0] for name in tensors})
        raise InputError(f"{file}: holds no {part or 'weights'}, only {', '.join(parts)}.")
    return arrays


def _neighbours(path: Path) -> str:
    folder = path.expanduser().parent
    if not folder.is_dir():
        return ""
    found = sorted(f.name for f in folder.iterdir() if f.suffix in (".pdparams", ".safetensors"))
    return f" In that folder: {', '.join(found[:8])}." if found else ""


def _download(url: str) -> Path:
    try:
        address, fragment = urldefrag(url)
        name = Path(urlparse(address).path).name
    except ValueError as error:
        raise InputError(f"{url}: not a URL ({error}).") from error
    # The address in the name keeps files of the same name from different places apart.
    file = cache("weights") / hashlib.sha256(address.encode()).hexdigest()[:12] / name
    if not file.is_file():
        _fetch(address, file)
    expected = fragment.removeprefix("sha256=").lower()
    if expected and hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        file.unlink()
        raise InputError(f"{address}: the file's SHA-256 is not {expected}. It was deleted; check the URL.")
    return file


def _fetch(address: str, file: Path) -> None:
    try:
        # Not compressed on the way, so that the announced length is the file's.
        plain = {"Accept-Encoding": "identity"}
        with requests.get(address, headers=plain, stream=True, timeout=30) as response, atomic(file) as temporary:
            response.raise_for_status()
            size = int(response.headers.get("content-length", 0))
            with (
                temporary.open("wb") as out,
                tqdm(total=size or None, unit="B", unit_scale=True, desc=file.name) as bar,
            ):
                for chunk in response.iter_content(1 << 20):
                    bar.update(out.write(chunk))
            if size and temporary.stat().st_size != size:
                raise InputError(f"{address}: {temporary.stat().st_size} of {size} bytes arrived; try again.")
    except requests.RequestException as error:
        raise InputError(
            f"{address}: cannot be downloaded ({error}). Fetch it another way and give its path."
        ) from error


if __name__ == "__main__":
    import argparse

    from ppsci_gan.cli import explain_errors

    parser = argparse.ArgumentParser(description=publish.__doc__.split("\n")[0])
    parser.add_argument("checkpoint", help="such as <run>/checkpoints/best")
    parser.add_argument("path", help="the file to write, .safetensors")
    parser.add_argument("--half", action="store_true", help="round to float16")
    explain_errors(publish)(**vars(parser.parse_args()))
