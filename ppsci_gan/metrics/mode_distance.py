"""Distance between two samples of a Gaussian mixture, sensitive to missing modes and to the shape of each mode."""

from __future__ import annotations

import numpy as np

from ppsci_gan.metrics.modes import nearest_modes
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein

REACH = 6.0  # standard deviations; in the plane one real sample in 7e7 lies beyond
NUM_PROJECTIONS = 64


def mode_distance(real: np.ndarray, fake: np.ndarray, centres: np.ndarray, sigma: float) -> dict[str, float]:
    """Sliced Wasserstein distance across and within the modes of a mixture, each in units of its own scale.

    The distance over all points is nearly blind to the shape of a mode: modes lie tens of sigma apart, and by chance
    alone two real samples have a few percent of their points in different modes. A second term therefore compares each
    mode with itself, with points relative to its centre and in units of sigma. Neither samples that sit on the centres
    (0.8 within) nor perfect samples of only some modes minimise the sum.

    Points are clipped to a distance of ``REACH`` from their nearest centre, so that a few outliers do not dominate; a
    mode without samples counts as if all of them were there. Two real samples are not at distance 0: use their distance
    as the reference.

    Args:
        real: Real points [N, D].
        fake: Generated points [M, D], in the same unit.
        centres: Means of the mixture's components [K, D].
        sigma: Standard deviation of each component along each axis, positive.

    Returns:
        ``sliced_wasserstein``: distance over all points, in their unit. ``sliced_wasserstein_within``: mean distance
        over the modes that have real points, in sigma. ``mode_distance``: the latter plus the former over the real
        points' standard deviation; lower is better.

    Raises:
        InputError: Shapes that do not match, values that are not finite, or a sigma that is not positive.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import mode_distance
        >>> centres = np.array([[0.0, 0.0], [100.0, 0.0]])
        >>> real = np.repeat(centres, 1000, axis=0) + np.random.default_rng(0).normal(size=[2000, 2])
        >>> collapsed = np.repeat(centres, 10, axis=0)
        >>> round(mode_distance(real, collapsed, centres, sigma=1)["sliced_wasserstein_within"], 1)
        0.8
    """
    within = _distance_within(real, fake, centres, sigma)
    everywhere = sliced_wasserstein(real, fake)
    scale = np.sqrt(np.var(real, axis=0, dtype=np.float64).mean())
    return {
        "sliced_wasserstein": everywhere,
        "sliced_wasserstein_within": within,
        "mode_distance": float(within + everywhere / scale),
    }


def _distance_within(real: np.ndarray, fake: np.ndarray, centres: np.ndarray, sigma: float) -> float:
    """Return the distance between real and generated points of a mode, in sigma, averaged over the modes."""
    (real, of_real), (fake, of_fake) = (_centre_on_modes(points, centres, sigma) for points in (real, fake))
    missing = REACH * np.eye(1, centres.shape[1])
    distances = []
    for mode in np.unique(of_real):
        own = fake[of_fake == mode]
        distances.append(sliced_wasserstein(real[of_real == mode], own if len(own) else missing, NUM_PROJECTIONS))
    return float(np.mean(distances))


def _centre_on_modes(points: np.ndarray, centres: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points relative to their nearest centre, in sigma and clipped to ``REACH``, and that centre's index."""
    distance, mode = nearest_modes(points, centres, sigma)
    return (points - centres[mode]) / sigma / np.maximum(distance / REACH, 1)[:, None], mode
