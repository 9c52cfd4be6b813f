"""Shuffled batches, reproducible from seed and position, and conversion of image bytes to floats."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor

from ppsci_gan.devices import ranks


def count_iterations(num_samples: int, samples_per_iteration: int) -> int:
    """Return the number of full iterations in one pass over the data, at least 1.

    Args:
        num_samples: Size of the data set.
        samples_per_iteration: Samples per iteration and rank.

    Examples:
        >>> from ppsci_gan.data import batches
        >>> batches.count_iterations(50_000, 64)
        781
    """
    return max(1, num_samples // (samples_per_iteration * ranks.count()))


def to_floats(images: Tensor, dequantize: bool = False) -> Tensor:
    """Convert bytes to floats in [-1, 1]; called per batch, so that the data set stays in bytes.

    Args:
        images: uint8 of any shape.
        dequantize: Whether to add uniform noise of one grey level, so that a critic cannot tell real images by their
            discrete levels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.data.batches import to_floats
        >>> to_floats(paddle.to_tensor([0, 255], "uint8")).tolist()
        [-1.0, 1.0]
    """
    levels = images.astype("float32")
    return (levels + paddle.rand(levels.shape)) / 128 - 1 if dequantize else levels / 127.5 - 1


class ShuffledBatches:
    """Endless iterator over batches of indices.

    Each pass over the data uses a new permutation, of which each rank takes a different part. Samples that do not fill
    a batch on every rank at the end of a pass are dropped.

    Args:
        num_samples: Size of the data set, at least ``batch_size * world_size``.
        batch_size: Batch size per rank.
        seed: Seed of the permutations.
        rank: Rank of this process.
        world_size: Number of processes.

    Attributes:
        position: (index of the pass, number of its samples used by all ranks together). Training can resume from it
            with another number of ranks or batch size without repeating or skipping a sample.

    Examples:
        >>> from ppsci_gan.data.batches import ShuffledBatches
        >>> batches = ShuffledBatches(4, batch_size=2, seed=0)
        >>> sorted([*next(batches), *next(batches)])
        [0, 1, 2, 3]
        >>> batches.position
        (0, 4)
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1):
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.position = (0, 0)
        self._order: tuple[int, np.ndarray] | None = None  # pass and its permutation

    def __iter__(self) -> ShuffledBatches:
        return self

    def __next__(self) -> np.ndarray:
        """Return the next batch of this rank, int64 [batch_size]."""
        data_pass, used = self.position
        step = self.batch_size * self.world_size
        if used + step > self.num_samples:
            data_pass, used = data_pass + 1, 0
        self.position = (data_pass, used + step)
        if self._order is None or self._order[0] != data_pass:
            order = np.random.default_rng([self.seed, data_pass]).permutation(self.num_samples)
            self._order = (data_pass, order)
        begin = used + self.rank * self.batch_size
        return self._order[1][begin : begin + self.batch_size]
