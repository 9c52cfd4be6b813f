"""Sharing weights: a run's players alone, without what only going on needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle
from ppsci.utils import logger

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.networks.base import Player
from ppsci_gan.weights.checkpoint import Checkpoint


def publish(
    checkpoint: str, path: str, half: bool = False, part: str = "generator", classes: Sequence[type[Player]] = ()
) -> None:
    """Write the weights of a checkpoint's players alone, to share.

    The generator is the averaged one where the checkpoint says so. ``python -m ppsci_gan.commands.publish`` does this
    from the command line.

    Args:
        checkpoint: Such as ``<run>/checkpoints/best``.
        path: The file to write. ``.safetensors``: all players, their classes and settings; ``.pdparams``: one player in
            the layout that PaddleScience publishes, which its own network and ``paddle.load`` read.
        half: Whether to round to float16, which halves the file; ``load`` widens it again.
        part: The player of a ``.pdparams`` file.
        classes: What it may be.

    Raises:
        InputError: The checkpoint is missing or damaged, the suffix is another one, or PaddleScience has no such
            network.

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
    source, suffix = Checkpoint.read(checkpoint), Path(path).suffix
    if suffix == ".safetensors":
        _write_players(source, path, half)
    elif suffix == ".pdparams":
        _write_published(source, path, half, part, classes)
    else:
        raise InputError(f"{path}: end the name in .safetensors (this suite's) or .pdparams (PaddleScience's layout).")


def _write_players(source: Checkpoint, path: str, half: bool) -> None:
    state = source.state
    shared = Checkpoint({"iteration": state["iteration"], "seed": state["seed"]})
    for player in source.players:
        shared.put(player, _rounded(source.weights(player), half))
    kinds = {**state.get("published", {}), **state.get("use", {})}  # raw or averaged, of a file that was shared before
    shared.state["published"] = {player: kinds.get(player, player) for player in source.players}
    if "networks" in state:
        shared.state["networks"] = state["networks"]
    shared.write(path)


def _write_published(source: Checkpoint, path: str, half: bool, part: str, classes: Sequence[type[Player]]) -> None:
    arrays, network = source.weights(part), source.network(part)
    found = next((known for known in classes if network and known.__name__ == network[0]), None)
    if found is None:
        name = (
            f"a {network[0]}, which PaddleScience does not have" if network else "of a version that does not say which"
        )
        raise InputError(f"{source.path}: its {part} is {name}. Write a .safetensors file.")
    if arrays.get("published_arithmetic", np.ones([])) == 0:
        logger.warning(
            f"PaddleScience's own {found.__name__} computes something else with these weights, as its up-sampling or "
            "its rectifiers differ from the reference's. This suite reads the file and computes what it should."
        )
    prefix = "generator" if part == "generator" else "discriminator"
    with atomic(path) as temporary:
        paddle.save(_rounded(found.to_published_names(arrays, prefix), half), str(temporary))


def _rounded(arrays: dict[str, np.ndarray], half: bool) -> dict[str, np.ndarray]:
    if not half:
        return arrays
    return {name: value.astype("float16") if value.dtype.kind == "f" else value for name, value in arrays.items()}
