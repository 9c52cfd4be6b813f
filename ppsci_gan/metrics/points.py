"""Checks on sets of points, shared by the scores."""

import numpy as np

from ppsci_gan.errors import InputError


def check_points(name: str, points: np.ndarray) -> np.ndarray:
    """Check that points are a non-empty, finite array.

    Args:
        name: Name of the points in the message.
        points: Array-like [N, D], one point per row.

    Returns:
        The points as an array [N, D] of unchanged type.

    Raises:
        InputError: Not two-dimensional, empty, or not finite.

    Examples:
        >>> from ppsci_gan.metrics.points import check_points
        >>> check_points("samples", [[0, 1], [2, 3]]).shape
        (2, 2)
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.size == 0:
        raise InputError(f"{name} must be a non-empty array [N, D], one point per row; its shape is {points.shape}.")
    if not np.isfinite(points).all():
        raise InputError(
            f"{name} contain NaN or infinity, so they have no score. If they come from a generator, "
            "its training has diverged: go back to an earlier checkpoint or lower the learning rate."
        )
    return points


def check_same_dimension(first: np.ndarray, second: np.ndarray, names: str) -> None:
    """Check that two sets of points have the same dimension.

    Args:
        first: Points [N, D].
        second: Points [M, D].
        names: Names of both in the message.

    Raises:
        InputError: The two D differ.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics.points import check_same_dimension
        >>> check_same_dimension(np.zeros([4, 2]), np.ones([8, 2]), "real and fake")
    """
    if first.shape[1] != second.shape[1]:
        raise InputError(f"{names} must have the same dimension D; their shapes are {first.shape} and {second.shape}.")
