"""The training images that are nearest to generated ones, to see whether a generator only remembers."""

from __future__ import annotations

import numpy as np


def nearest(samples: np.ndarray, real: np.ndarray, count: int, batch_size: int = 1024) -> np.ndarray:
    """Find each sample's nearest images, by the sum of squared differences of their pixels.

    Args:
        samples: uint8 [N, C, H, W].
        real: uint8 [M, C, H, W]; anything that takes slices, such as a mapped array.
        count: Neighbours of each sample, at most M.
        batch_size: Real images that are compared at a time.

    Returns:
        Indices of real images, int64 [N, count], the nearest first.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.evaluation.nearest import nearest
        >>> real = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * 10
        >>> nearest(real[2:3] + np.uint8(1), real, 3).tolist()
        [[2, 3, 1]]
    """
    rows = samples.reshape([len(samples), -1]).astype(np.float32)
    distances = np.empty([len(samples), len(real)], np.float32)
    for start in range(0, len(real), batch_size):
        part = np.asarray(real[start : start + batch_size])
        part = part.reshape([len(part), -1]).astype(np.float32)
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab; the first does not change the order.
        distances[:, start : start + len(part)] = (part * part).sum(axis=1) - 2 * rows @ part.T
    return np.argsort(distances, axis=1, kind="stable")[:, :count]


def beside_nearest(samples: np.ndarray, real: np.ndarray, count: int) -> np.ndarray:
    """Return each sample followed by its nearest images: a picture with a row of ``1 + count`` for each.

    Args:
        samples: As for ``nearest``.
        real: As for ``nearest``.
        count: As for ``nearest``.

    Returns:
        uint8 [N * (1 + count), C, H, W].

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.evaluation.nearest import beside_nearest
        >>> real = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * 10
        >>> beside_nearest(real[2:3] + np.uint8(1), real, 3).flatten().tolist()
        [21, 20, 30, 10]
    """
    found = nearest(samples, real, count)
    return np.concatenate([np.stack([sample, *real[indices]]) for sample, indices in zip(samples, found)])
