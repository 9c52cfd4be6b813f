"""Sharing weights: a run's players alone, without what only going on needs."""

from __future__ import annotations

from ppsci_gan.weights.checkpoint import Checkpoint


def publish(checkpoint: str, path: str, half: bool = False) -> None:
    """Write the weights of a checkpoint's players alone, as a small checkpoint to share.

    The generator is the averaged one where the checkpoint says so. ``python -m ppsci_gan.commands.publish`` does this
    from the command line.

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
    source = Checkpoint.read(checkpoint)
    use, state = source.state.get("use", {}), source.state
    shared = Checkpoint({"iteration": state["iteration"], "seed": state["seed"]})
    for player in source.players:
        arrays = source.weights(player)
        if half:
            arrays = {n: value.astype("float16") if value.dtype.kind == "f" else value for n, value in arrays.items()}
        shared.put(player, arrays)
    shared.state["published"] = {player: use.get(player, player) for player in source.players}
    if "networks" in state:
        shared.state["networks"] = state["networks"]
    shared.write(path)
