"""Inception Score: are samples recognisable, and of many kinds?"""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points

_TOLERANCE = 1e-3  # of the probabilities' sum: half precision is as good


def inception_score(probabilities: np.ndarray, splits: int = 10, seed: int | None = 2020) -> tuple[float, float]:
    """Exponential of the mean divergence of the classes of one sample from the classes of all.

    exp(E KL(p(y|x) || p(y))), per split, in float64 (Salimans et al. 2016, https://arxiv.org/abs/1606.03498). From 1
    (all samples alike, or none recognisable) to the number of classes. The marginal p(y) is that of the split, so that
    small splits give a lower score: figures with other numbers of samples or splits do not compare.

    Args:
        probabilities: Of each class, [N, K], from 0 to 1, each row's sum 1.
        splits: The score's standard deviation is over so many equal parts.
        seed: Of the order before splitting, which matters where the samples are sorted by class; None keeps the order.
            The same seed gives the same splits as torch-fidelity.

    Returns:
        Mean and standard deviation over the splits.

    Raises:
        InputError: Fewer samples than splits, or values that are no probabilities.

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
