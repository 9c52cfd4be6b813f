"""The order of the data: a pure function of (seed, batch number), so that a run can go on anywhere in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np


def shuffled_batches(
    num_samples: int, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
) -> Iterator[np.ndarray]:
    """Yield endless batches of indices.

    Every pass over the data is a new permutation; ranks take different parts of the same one; the last, smaller batch
    of a pass is left out.

    Args:
        num_samples: Size of the data set, at least ``batch_size * world_size``.
        batch_size: Per rank.
        seed: Of the permutations.
        start: Number of the first batch.
        rank: Of this process.
        world_size: Number of processes.

    Yields:
        int64 [batch_size].

    Examples:
        >>> from ppsci_gan.data.batches import shuffled_batches
        >>> batches = shuffled_batches(4, batch_size=2, seed=0)
        >>> sorted([*next(batches), *next(batches)])
        [0, 1, 2, 3]
    """
    batches_per_pass = num_samples // (batch_size * world_size)
    first_pass, first_batch = divmod(start, batches_per_pass)
    for data_pass in itertools.count(first_pass):
        order = np.random.default_rng([seed, data_pass]).permutation(num_samples)
        for batch in range(first_batch, batches_per_pass):
            begin = (batch * world_size + rank) * batch_size
            yield order[begin : begin + batch_size]
        first_batch = 0
