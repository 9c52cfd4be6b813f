"""Distance between two sets of points, averaged over one-dimensional projections."""

import numpy as np

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension

_VALUES_PER_BLOCK = 2**20  # converted at a time: at most 8 MB


def sliced_wasserstein(
    a: np.ndarray, b: np.ndarray, num_projections: int = 256, seed: int = 0, chunk: int = 32
) -> float:
    """Sliced Wasserstein-1 distance: the distance between one-dimensional projections, averaged over directions.

    In one dimension, optimal transport between two sets of N points pairs them in sorted order, so the distance is the
    mean absolute difference of the sorted projections (Rabin et al. 2011,
    https://doi.org/10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, https://doi.org/10.1007/s10851-014-0506-3). Sets
    of different size pair fractions of points, with equal weights within a set.

    Two finite samples of one distribution are not at distance 0: compare with two sets of real points of the same N.

    Args:
        a: Points [N, D]; flatten images first. If both sets are float32, so is the arithmetic.
        b: Points [M, D], in the same unit.
        num_projections: Number of directions, uniform on the unit sphere.
        seed: Seed of the directions, which depend on nothing but the seed and D.
        chunk: Directions projected at a time. It bounds memory and changes the result only by rounding.

    Returns:
        The distance in the unit of the points, at least 0.

    Raises:
        InputError: Dimensions that differ, values that are not finite, or a number that is not positive.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import sliced_wasserstein
        >>> points = np.random.default_rng(0).normal(size=[1000, 1])
        >>> round(sliced_wasserstein(points, points + 0.5), 6)
        0.5
    """
    a = check_points("a", a)
    b = check_points("b", b)
    check_same_dimension(a, b, "a and b")
    if num_projections < 1 or chunk < 1:
        raise InputError(f"num_projections and chunk must be at least 1; they are {num_projections} and {chunk}.")

    directions = np.random.default_rng(seed).standard_normal([num_projections, a.shape[1]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # Where the paired fractions end, in units of 1 / (N M): integers, so that coinciding ends compare equal.
    ends = None if len(a) == len(b) else np.union1d(*(np.arange(n, len(a) * len(b) + 1, n) for n in (len(b), len(a))))
    total = 0.0
    for start in range(0, num_projections, chunk):
        some = directions[start : start + chunk]
        difference, other = _project(a, some), _project(b, some)
        difference.sort(axis=1)
        other.sort(axis=1)
        if ends is None:
            difference -= other
            total += np.abs(difference, out=difference).mean(axis=1, dtype=np.float64).sum()
        else:
            pairs = difference[:, (ends - 1) // len(b)] - other[:, (ends - 1) // len(a)]
            total += (np.abs(pairs) @ np.diff(ends, prepend=0)).sum() / (len(a) * len(b))
    return float(total / num_projections)


def _project(points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Project points [N, D] onto directions [P, D], giving [P, N], without converting all points at once.

    float32 stays float32: it sorts five times faster, and its rounding is far below the sampling noise.
    """
    precision = np.float32 if points.dtype == np.float32 else np.float64
    directions = directions.astype(precision)
    blocks = np.array_split(points, -(-points.size // _VALUES_PER_BLOCK))
    return np.concatenate([directions @ block.T.astype(precision, copy=False) for block in blocks], axis=1)
