"""Inception Score: are samples recognisable and diverse?"""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points

_TOLERANCE = 1e-3  # of the probabilities' sum: allows half precision


def inception_score(probabilities: np.ndarray, splits: int = 10, seed: int | None = 2020) -> tuple[float, float]:
    """Inception Score exp(E KL(p(y|x) || p(y))), in float64, as mean and standard deviation over splits.

    Salimans et al. 2016 (https://arxiv.org/abs/1606.03498). It ranges from 1 (all samples alike, or none recognisable)
    to the number of classes K. Each split has its own marginal p(y), so small splits lower the score: compare only
    scores with the same numbers of samples and splits.

    Args:
        probabilities: Class probabilities [N, K], from 0 to 1; each row sums to 1.
        splits: Number of equal parts.
        seed: Seed of the shuffle before splitting, which matters for samples sorted by class; None keeps the order.
            The same seed gives the same splits as torch-fidelity.

    Returns:
        Mean and standard deviation over the splits.

    Raises:
        InputError: Fewer samples than splits, or values that are not probabilities.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import inception_score
        >>> sure_and_diverse = np.tile(np.eye(10), [100, 1])
        >>> mean, std = inception_score(sure_and_diverse, splits=1)
        >>> round(mean, 6), std
        (10.0, 0.0)
    """
    probabilities = check_points("probabilities", probabilities)
    number = len(probabilities)
    if not 1 <= splits <= number:
        raise InputError(f"splits={splits} must be from 1 to the number of samples, {number}.")
    order = np.arange(number) if seed is None else np.random.RandomState(seed).permutation(number)
    scores = []
    for split in range(splits):
        part = probabilities[order[split * number // splits : (split + 1) * number // splits]].astype(np.float64)
        if part.min() < 0 or np.abs(part.sum(axis=1) - 1).max() > _TOLERANCE:
            raise InputError("probabilities must be at least 0 and each row's sum 1; apply a softmax to logits first.")
        divergence = rel_entr(part, part.mean(axis=0, keepdims=True)).sum(axis=1)
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores)), float(np.std(scores))
