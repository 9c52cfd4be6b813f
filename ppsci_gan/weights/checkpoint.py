"""The one file format of this suite: named arrays and a state of plain values in a ``.safetensors`` file.

It holds no code, is renamed into place in one step, and carries a digest of its content. A checkpoint has groups of
arrays: each player's parameters under the player's name, its optimizer's state under ``optimizer/<player>``, and the
generator's moving average under ``averaged``. A published file has the players alone. This module is the only one that
knows.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import safetensors
import safetensors.numpy
from pydantic import BaseModel
from pydantic import Field
from pydantic import NonNegativeInt
from pydantic import ValidationError

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.weights.finding import find

AVERAGE = "averaged"
OPTIMIZER = "optimizer"

LARGEST = 1e12  # that a weight may be: far more than any that learns, far less than one with a flipped exponent
CHUNK = 1 << 20  # bytes that are compared at a time


class _Network(BaseModel, strict=True):
    name: str = Field(alias="class")
    settings: dict[str, Any]


class _State(BaseModel, strict=True, extra="allow"):
    """What the state of any file has, where it has it; what a run goes on from is checked by the solver."""

    iteration: NonNegativeInt = 0
    networks: dict[str, _Network] = {}
    use: dict[str, str] = {}
    published: dict[str, str] = {}


def save_checkpoint(
    path: os.PathLike | str,
    tensors: Mapping[str, np.ndarray],
    state: dict[str, Any],
    before_replacing: Callable[[], None] = lambda: None,
) -> None:
    """Write arrays and a state in one step, and wait until they are on the disk.

    Args:
        path: The file; ``.safetensors`` by convention.
        tensors: Arrays by name.
        state: Anything that JSON can hold.
        before_replacing: Called when the new file is written and verified, before it takes the old one's place.

    Raises:
        OSError: It cannot be written, or what is read back differs. The old file is still there.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    text = json.dumps(state)
    content = safetensors.numpy.save(arrays, metadata={"state": text, "sha256": _digest(arrays, text)})
    with atomic(path) as temporary:
        # Not save_file, which lets nobody else read the file, whatever the user's umask.
        with temporary.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        _verify(temporary, content)
        before_replacing()
    synchronise_folder(Path(path).parent)


def synchronise_folder(folder: Path) -> None:
    """Wait until a folder's new names are on the disk; Windows has nothing of the kind.

    Args:
        folder: The folder.
    """
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _verify(file: Path, content: bytes) -> None:
    expected = memoryview(content)
    with file.open("rb") as stream:
        for start in range(0, len(content) + 1, CHUNK):  # at the end there must be nothing more
            if stream.read(CHUNK) != expected[start : start + CHUNK]:
                raise OSError(errno.EIO, "what was written cannot be read back", str(file))


def _digest(arrays: Mapping[str, np.ndarray], state: str) -> str:
    """Return the SHA-256 of a state and of arrays with their names, types and shapes."""
    total = hashlib.sha256(state.encode())
    for name, value in sorted(arrays.items()):
        total.update(json.dumps([name, value.dtype.str, value.shape]).encode())
        total.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    return total.hexdigest()


def read_checkpoint(path: os.PathLike | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what ``save_checkpoint`` wrote, and check that it is that.

    Files of earlier versions have no digest: of these only the numbers are checked.

    Args:
        path: The file; the suffix ``.safetensors`` may be left out.

    Returns:
        The arrays and the state.

    Raises:
        InputError: The file is missing, truncated, changed or of another kind, or has numbers that are none.
    """
    return _read(path)[:2]


def _read(path: os.PathLike | str) -> tuple[dict[str, np.ndarray], dict[str, Any], bool]:
    """Return arrays, state, and whether the file has a digest."""
    file = find(path)
    if file.stat().st_size > psutil.virtual_memory().available:
        raise InputError(f"{file}: {file.stat().st_size / 1e9:.1f} GB are more than this machine's memory has free.")
    try:
        with safetensors.safe_open(file, framework="numpy") as handle:
            metadata = handle.metadata() or {}
            state = _rename_discriminator(json.loads(metadata["state"]))
            _State.model_validate(state)
            arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - no dict
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not a checkpoint of this suite, or damaged ({_first_line(error)}).") from error
    digest = metadata.get("sha256")
    if digest is not None and digest != _digest(arrays, metadata["state"]):
        raise InputError(f"{file}: damaged, its content is not what its digest is of. Take another checkpoint.")
    problem = find_unusable(arrays)
    if problem is not None:
        raise InputError(f"{file}: {problem}. Take another checkpoint.")
    return _rename_discriminator(arrays), state, digest is not None


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"its state: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"its state has no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]


def find_unusable(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Say which array has numbers that no training can have left: NaN, infinity, or weights beyond any scale.

    Args:
        arrays: As in a checkpoint; an optimizer's moments may be as large as they like.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.weights import checkpoint
        >>> checkpoint.find_unusable({"generator/w": np.array([1.0, np.nan])})
        'generator/w has a value that is nan'
        >>> checkpoint.find_unusable({"generator/w": np.ones(2)})
    """
    for name, value in arrays.items():
        if value.dtype.kind == "f" and value.size:
            largest = max(abs(float(value.min())), abs(float(value.max())))  # NaN, where there is one
            if not largest <= (LARGEST if not name.startswith(OPTIMIZER) else np.finfo(np.float32).max):
                return f"{name} has a value that is {largest:.3g}"
    return None


class Checkpoint:
    """The arrays of a run's players, by group, and its state.

    Args:
        state: Plain values. ``networks`` has each player's class and settings, ``use`` the group that a player's
            weights are read from, which for the generator may be its average.
        path: Where it was read, for messages.

    Attributes:
        has_digest: Whether what was read is known to be whole; files of earlier versions have no digest.

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
        self.has_digest = True
        self.tensors: dict[str, np.ndarray] = {}

    @classmethod
    def read(cls, path: os.PathLike | str) -> Checkpoint:
        """Read a file.

        Args:
            path: As for ``read_checkpoint``.

        Raises:
            InputError: As for ``read_checkpoint``.
        """
        tensors, state, has_digest = _read(path)
        checkpoint = cls(state, path)
        checkpoint.tensors, checkpoint.has_digest = tensors, has_digest
        return checkpoint

    def write(self, path: os.PathLike | str, before_replacing: Callable[[], None] = lambda: None) -> None:
        """Write the file in one step.

        Args:
            path: Ends in ``.safetensors``.
            before_replacing: As for ``save_checkpoint``.

        Raises:
            OSError: As for ``save_checkpoint``.
        """
        save_checkpoint(path, self.tensors, self.state, before_replacing)

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
