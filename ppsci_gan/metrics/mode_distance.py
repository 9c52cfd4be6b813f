"""Distance between two samples of a Gaussian mixture that sees which modes there are and how each of them is filled."""

from __future__ import annotations

import numpy as np

from ppsci_gan.metrics.modes import nearest_modes
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein

REACH = 6.0  # standard deviations: in the plane a real sample in 7e7 lies farther off
NUM_PROJECTIONS = 64


def mode_distance(real: np.ndarray, fake: np.ndarray, centres: np.ndarray, sigma: float) -> dict[str, float]:
    """Sliced Wasserstein distance across and within the modes of a mixture, each in units of its own scale.

    Over all points that distance is nearly blind to the shape of a mode: modes lie tens of sigma apart, and by chance
    alone a few percent of the points of two real samples are in different ones. So it has a second part in which each
    mode is compared with itself, its points relative to the centre and in sigma. Their sum cannot be won by samples on
    the centres (0.8 within), nor by perfect ones of some modes only.

    A point farther than ``REACH`` from every centre counts as if it were at that distance, so that a few outliers do
    not hide all else; a mode without samples, as if all of them were there. Two real samples are not at distance 0:
    compare with what they have.

    Args:
        real: Real points [N, D].
        fake: Generated points [M, D], in the same unit.
        centres: Means of the mixture's components [K, D].
        sigma: Standard deviation of each component along each axis, positive.

    Returns:
        ``sliced_wasserstein``: over all points, in their unit. ``sliced_wasserstein_within``: mean over the modes that
        have real points, in sigma. ``mode_distance``: the latter plus the former over the real points' standard
        deviation; lower is better.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, a sigma that is not positive.

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
    """Mean over the modes of the distance between real and generated points of the mode, in sigma."""
    (real, of_real), (fake, of_fake) = (_centre_on_modes(points, centres, sigma) for points in (real, fake))
    missing = REACH * np.eye(1, centres.shape[1])
    distances = []
    for mode in np.unique(of_real):
        own = fake[of_fake == mode]
        distances.append(sliced_wasserstein(real[of_real == mode], own if len(own) else missing, NUM_PROJECTIONS))
    return float(np.mean(distances))


def _centre_on_modes(points: np.ndarray, centres: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Points relative to their nearest centre, in sigma and no farther than ``REACH``, and which mode that is."""
    distance, mode = nearest_modes(points, centres, sigma)
    return (points - centres[mode]) / sigma / np.maximum(distance / REACH, 1)[:, None], mode
