"""Random images in the data sets' own files and numbers: what an iteration costs does not depend on what they show."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np


def write_mnist(folder: Path, count: int = 60_000) -> Path:
    """Write the training half of MNIST's IDX files.

    Args:
        folder: Exists.
        count: Number of images.

    Returns:
        What ``DATA.data_path`` takes.
    """
    random = np.random.default_rng(0)
    arrays = {"images-idx3": random.integers(0, 256, [count, 28, 28]), "labels-idx1": random.integers(0, 10, [count])}
    for name, values in arrays.items():
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        (folder / f"train-{name}-ubyte").write_bytes(header + values.astype(np.uint8).tobytes())
    return folder


def write_cifar10(folder: Path, count: int = 50_000) -> Path:
    """Write the training half of CIFAR-10's extracted folder.

    Args:
        folder: Exists.
        count: Number of images, a multiple of 5.

    Returns:
        What ``DATA.data_path`` takes.
    """
    random = np.random.default_rng(0)
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    for number in range(1, 6):
        content = {
            b"data": random.integers(0, 256, [count // 5, 3072], np.uint8),
            b"labels": random.integers(0, 10, count // 5).tolist(),
        }
        (batches / f"data_batch_{number}").write_bytes(pickle.dumps(content, 2))
    return batches


WRITERS = {"mnist": write_mnist, "cifar10": write_cifar10}


class DataSets:
    """Data sets by name, written when they are first asked for, and a place for what runs write.

    Args:
        folder: Where; exists.
        sizes: Numbers of images by name, other than the real ones'.
    """

    def __init__(self, folder: Path, sizes: dict[str, int] | None = None):
        self.folder, self.sizes = folder, sizes or {}
        self.written: dict[str, Path] = {}
        self.outputs = 0

    def path(self, name: str) -> Path:
        """Return what ``DATA.data_path`` takes."""
        if name not in self.written:
            folder = self.folder / name
            folder.mkdir()
            sizes = {"count": self.sizes[name]} if name in self.sizes else {}
            self.written[name] = WRITERS[name](folder, **sizes)
        return self.written[name]

    def new_folder(self) -> Path:
        """Return a folder that no other run has; it does not exist."""
        self.outputs += 1
        return self.folder / f"output_{self.outputs}"
