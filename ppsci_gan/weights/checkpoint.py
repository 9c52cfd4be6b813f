"""The one file format of this suite: named arrays and a state of plain values in a ``.safetensors`` file.

It holds no code and is renamed into place in one step. A checkpoint has groups of arrays: each player's parameters
under the player's name, its optimizer's state under ``optimizer/<player>``, and the generator's moving average under
``averaged``. A published file has the players alone. This module is the only one that knows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.weights.finding import find

AVERAGE = "averaged"
OPTIMIZER = "optimizer"


def save_checkpoint(path: os.PathLike | str, tensors: Mapping[str, np.ndarray], state: dict[str, Any]) -> None:
    """Write arrays and a state in one step.

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
    """Read what ``save_checkpoint`` wrote.

    Args:
        path: The file; the suffix ``.safetensors`` may be left out.

    Returns:
        The arrays and the state.

    Raises:
        InputError: The file is missing, truncated or of another kind.
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


class Checkpoint:
    """The arrays of a run's players, by group, and its state.

    Args:
        state: Plain values. ``networks`` has each player's class and settings, ``use`` the group that a player's
            weights are read from, which for the generator may be its average.
        path: Where it was read, for messages.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.weights import Checkpoint
        >>> checkpoint = Checkpoint({"use": {"generator": "averaged"}})
        >>> checkpoint.put("generator", {"w": np.zeros(2)})
        >>> checkpoint.put("averaged", {"w": np.ones(2)})
        >>> checkpoint.players, checkpoint.weights("generator")["w"].tolist()
        (['generator'], [1.0, 1.0])
    """

    def __init__(self, state: dict[str, Any], path: os.PathLike | str = "checkpoint"):
        self.state = state
        self.path = path
        self.tensors: dict[str, np.ndarray] = {}

    @classmethod
    def read(cls, path: os.PathLike | str) -> Checkpoint:
        """Read a file.

        Args:
            path: As for ``read_checkpoint``.

        Raises:
            InputError: As for ``read_checkpoint``.
        """
        tensors, state = read_checkpoint(path)
        checkpoint = cls(_rename_discriminator(state), path)
        checkpoint.tensors = _rename_discriminator(tensors)
        return checkpoint

    def write(self, path: os.PathLike | str) -> None:
        """Write the file in one step.

        Args:
            path: Ends in ``.safetensors``.
        """
        save_checkpoint(path, self.tensors, self.state)

    def put(self, group: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Add arrays to a group.

        Args:
            group: A player's name, ``averaged`` or ``optimizer/<player>``.
            arrays: By name.
        """
        self.tensors.update({f"{group}/{name}": value for name, value in arrays.items()})

    def group(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of a group by name; empty if there is no such group.

        Args:
            name: As for ``put``.
        """
        prefix = f"{name}/"
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}

    @property
    def players(self) -> list[str]:
        """The players' names."""
        return sorted({name.split("/")[0] for name in self.tensors} - {OPTIMIZER, AVERAGE})

    def weights(self, part: str, raw: bool = False) -> dict[str, np.ndarray]:
        """Return the weights that a player is used with.

        Args:
            part: A player's name, or ``averaged``.
            raw: Whether to take the player's own weights even where the average is to be used.

        Raises:
            InputError: It is not in the file.
        """
        arrays = self.group(part if raw else self.state.get("use", {}).get(part, part))
        if not arrays:
            parts = sorted({name.split("/")[0] for name in self.tensors})
            raise InputError(f"{self.path}: holds no {part or 'weights'}, only {', '.join(parts)}.")
        return arrays

    def network(self, part: str) -> tuple[str, dict[str, Any]] | None:
        """Return the class name and the settings of a player's network; None in files of earlier versions.

        Args:
            part: A player's name.
        """
        found = self.state.get("networks", {}).get(part)
        return None if found is None else (found["class"], found["settings"])

    def is_averaged(self, part: str) -> bool:
        """Whether the weights that a player is used with are a moving average."""
        return AVERAGE in (self.state.get("use", {}).get(part), self.state.get("published", {}).get(part))


def _rename_discriminator(values: dict[str, Any]) -> dict[str, Any]:
    """Rename the groups of old DCGAN checkpoints, in which the critic is called discriminator."""
    if not isinstance(values, dict):
        return values
    renamed = {}
    for name, value in values.items():
        parts = ["critic" if part == "discriminator" else part for part in name.split("/")]
        renamed["/".join(parts)] = _rename_discriminator(value)
    return renamed
