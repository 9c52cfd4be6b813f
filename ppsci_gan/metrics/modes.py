"""Mode scores of a Gaussian mixture: modes captured, share of high-quality samples, shape of each mode."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import chi2

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension


def mode_scores(
    samples: np.ndarray, centres: np.ndarray, sigma: float, num_sigmas: float = 3.0
) -> dict[str, int | float]:
    """Modes captured, share of high-quality samples, and the modes' shapes compared with the true ones.

    A sample is of high quality when it lies within ``num_sigmas`` standard deviations of its nearest centre; a mode is
    captured when it has at least one such sample. This is the protocol of VEEGAN (Srivastava et al. 2017,
    https://arxiv.org/abs/1705.07761). Only 1 - exp(-4.5) = 98.9 % of the real samples of a two-dimensional mixture lie
    within three sigma, but all samples that sit on the centres: read the share together with the shapes.

    Args:
        samples: Points [N, D], in the unit of the centres.
        centres: Means of the mixture's components [K, D].
        sigma: Standard deviation of each component along each axis, positive.
        num_sigmas: Radius of a mode in standard deviations, positive.

    Returns:
        ``modes``, the number of modes captured, from 0 to K; ``high_quality``, the share of high-quality samples, from
        0 to 1; ``least_mode_share``, the smallest share in ``mode_shapes``, from 0 (a mode is missing) to 1 (perfect
        balance); ``mode_spread`` and ``mode_offset``, means of ``mode_shapes`` over the modes (1 and 0 for the mixture
        itself); with ``_std``, standard deviations over the modes.

    Raises:
        InputError: Shapes that do not match, values that are not finite, or a radius that is not positive.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import mode_scores
        >>> centres = np.array([[0.0, 0.0], [1.0, 0.0]])
        >>> samples = np.array([[0.0, 0.1], [0.1, 0.0], [1.1, 0.0], [0.5, 0.5]])
        >>> scores = mode_scores(samples, centres, sigma=0.05)
        >>> {name: round(value, 3) for name, value in scores.items() if not name.endswith("_std")}
        {'modes': 2, 'high_quality': 0.75, 'least_mode_share': 0.667, 'mode_spread': 0.513, 'mode_offset': 1.707}
    """
    distance, _ = nearest_modes(samples, centres, sigma, num_sigmas)
    shapes = mode_shapes(samples, centres, sigma, num_sigmas)
    return {
        "modes": int(np.count_nonzero(shapes["share"])),
        "high_quality": float(np.mean(distance <= num_sigmas)),
        "least_mode_share": float(shapes["share"].min()),
        "mode_spread": float(shapes["spread"].mean()),
        "mode_spread_std": float(shapes["spread"].std()),
        "mode_offset": float(shapes["offset"].mean()),
        "mode_offset_std": float(shapes["offset"].std()),
    }


def mode_shapes(
    samples: np.ndarray, centres: np.ndarray, sigma: float, num_sigmas: float = 3.0
) -> dict[str, np.ndarray]:
    """Spread, offset and share of the high-quality samples (see ``mode_scores``) of each mode.

    Other samples are excluded: a single one, tens of sigma away, would outweigh a hundred inside.

    Args:
        samples: As for ``mode_scores``.
        centres: As for ``mode_scores``.
        sigma: As for ``mode_scores``.
        num_sigmas: As for ``mode_scores``.

    Returns:
        Three float64 arrays [K]. ``spread``: standard deviation of a mode's samples over that of a Gaussian truncated
        at the same radius; 1 for the mixture itself, 0 with fewer than two samples. ``offset``: distance of their mean
        from the centre in sigma; ``num_sigmas`` without samples. ``share``: number of samples over that of equal
        shares; 1 for perfect balance.

    Raises:
        InputError: As for ``mode_scores``.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics.modes import mode_shapes
        >>> centres = np.array([[0.0, 0.0], [100.0, 0.0]])
        >>> samples = np.random.default_rng(0).normal(size=[30_000, 2])
        >>> samples[20_000:] = 0.25 * samples[20_000:] + [100.5, 0]
        >>> {name: values.round(2).tolist() for name, values in mode_shapes(samples, centres, sigma=1).items()}
        {'spread': [1.0, 0.26], 'offset': [0.01, 0.5], 'share': [1.33, 0.67]}
    """
    distance, nearest = nearest_modes(samples, centres, sigma, num_sigmas)
    within = distance <= num_sigmas
    dimension = centres.shape[1]
    # Per axis the variance of a Gaussian truncated at a radius R is P(chi2_(D + 2) < R^2) / P(chi2_D < R^2).
    expected = np.sqrt(chi2.cdf(num_sigmas**2, dimension + 2) / chi2.cdf(num_sigmas**2, dimension))
    spread, offset = np.zeros(len(centres)), np.full(len(centres), float(num_sigmas))
    for mode in np.unique(nearest[within]):
        own = (np.asarray(samples)[within & (nearest == mode)] - centres[mode]) / sigma
        spread[mode] = np.sqrt(own.var(axis=0).mean()) / expected
        offset[mode] = np.linalg.norm(own.mean(axis=0))
    number = np.bincount(nearest[within], minlength=len(centres))
    return {"spread": spread, "offset": offset, "share": number * len(centres) / max(number.sum(), 1)}


def nearest_modes(
    samples: np.ndarray, centres: np.ndarray, sigma: float, num_sigmas: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return each sample's distance from its nearest centre in sigma, [N], and that centre's index, [N].

    Args:
        samples: As for ``mode_scores``.
        centres: As for ``mode_scores``.
        sigma: As for ``mode_scores``.
        num_sigmas: As for ``mode_scores``.

    Raises:
        InputError: As for ``mode_scores``.
    """
    samples = check_points("samples", samples)
    centres = check_points("centres", centres)
    check_same_dimension(samples, centres, "samples and centres")
    if not (sigma > 0 and num_sigmas > 0):
        raise InputError(f"sigma and num_sigmas must be positive; they are {sigma} and {num_sigmas}.")
    distance, nearest = cKDTree(centres).query(samples)
    return distance / sigma, nearest
