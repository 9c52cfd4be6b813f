"""How many modes of a Gaussian mixture the samples reach, and how many samples hit one."""

import numpy as np
from scipy.spatial import cKDTree

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension


def mode_scores(
    samples: np.ndarray, centres: np.ndarray, sigma: float, num_sigmas: float = 3.0
) -> dict[str, int | float]:
    """Modes captured and share of high-quality samples.

    A sample is of high quality when it lies within ``num_sigmas`` standard deviations of its nearest centre; a mode is
    captured when it has at least one such sample. This is the protocol of VEEGAN (Srivastava et al. 2017,
    https://arxiv.org/abs/1705.07761). Real samples of a two-dimensional mixture do not reach 1 either: within three
    sigma lie 1 - exp(-4.5) = 98.9 % of them.

    Args:
        samples: Points [N, D], in the unit of the centres.
        centres: Means of the mixture's components [K, D].
        sigma: Standard deviation of each component along each axis, positive.
        num_sigmas: Radius of a mode in standard deviations, positive.

    Returns:
        ``modes``, the number of modes captured, from 0 to K; ``high_quality``, the share of high-quality samples, from
        0 to 1; ``least_mode_share``, the number of high-quality samples of the rarest mode over the number it would
        have if all modes had the same, from 0 (a mode is missing) to 1 (perfect balance).

    Raises:
        InputError: Shapes that do not fit, values that are not finite, a radius that is not positive.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import mode_scores
        >>> centres = np.array([[0.0, 0.0], [1.0, 0.0]])
        >>> samples = np.array([[0.0, 0.1], [0.1, 0.0], [1.1, 0.0], [0.5, 0.5]])
        >>> mode_scores(samples, centres, sigma=0.05)
        {'modes': 2, 'high_quality': 0.75, 'least_mode_share': 0.6666666666666666}
    """
    samples = check_points("samples", samples)
    centres = check_points("centres", centres)
    check_same_dimension(samples, centres, "samples and centres")
    if not (sigma > 0 and num_sigmas > 0):
        raise InputError(f"sigma and num_sigmas must be positive; they are {sigma} and {num_sigmas}.")

    distance, nearest = cKDTree(centres).query(samples)
    per_mode = np.bincount(nearest[distance <= num_sigmas * sigma], minlength=len(centres))
    high_quality = per_mode.sum()
    return {
        "modes": int(np.count_nonzero(per_mode)),
        "high_quality": float(high_quality / len(samples)),
        "least_mode_share": float(per_mode.min() * len(centres) / max(high_quality, 1)),
    }
