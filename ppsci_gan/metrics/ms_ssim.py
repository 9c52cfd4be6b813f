"""Multi-scale structural similarity: how alike images look to a person."""

from __future__ import annotations

import numpy as np
from scipy.linalg import convolution_matrix

from ppsci_gan.errors import InputError

# Exponents of the scales, finest first (Wang et al. 2003, section 3.2).
_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
_WINDOW, _SIGMA = 11, 1.5
# Constants that stabilise the divisions, for pixels up to 255.
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_PAIRS_PER_BATCH = 256


def ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multi-scale structural similarity of each pair of images (Wang et al. 2003).

    Five scales, a Gaussian window of 11 pixels with a standard deviation of 1.5
    (https://doi.org/10.1109/ACSSC.2003.1292216). As in PGAN's evaluation (https://arxiv.org/abs/1710.10196), the window
    shrinks with images smaller than it, and negative similarities count as 0. Channels are averaged.

    Args:
        a: uint8 [N, C, H, W].
        b: uint8 [N, C, H, W].

    Returns:
        float64 [N], from 0 to 1 (equal).

    Raises:
        InputError: Other types or shapes.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import ms_ssim
        >>> images = np.random.default_rng(0).integers(0, 256, [2, 3, 32, 32], np.uint8)
        >>> ms_ssim(images, images)
        array([1., 1.])
    """
    for images in (a, b):
        if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
            raise InputError(f"images must be uint8 [N, C, H, W]; they are {images.dtype} {list(images.shape)}.")
    if a.shape != b.shape:
        raise InputError(f"pairs of images must have the same shape; they are {list(a.shape)} and {list(b.shape)}.")
    starts = range(0, len(a), _PAIRS_PER_BATCH)
    return np.concatenate([_compare_batch(a[i : i + _PAIRS_PER_BATCH], b[i : i + _PAIRS_PER_BATCH]) for i in starts])


def similarity_within(
    images: np.ndarray, labels: np.ndarray | None = None, num_pairs: int = 10_000, seed: int = 2020
) -> float:
    """Mean MS-SSIM of random pairs of images, within a class if labels are given: lower is more diverse.

    Odena et al. 2017 (https://arxiv.org/abs/1610.09585) detect collapse with it; PGAN takes 10,000 pairs. It does not
    measure quality (noise is very diverse): compare with the value of real images.

    Args:
        images: uint8 [N, C, H, W], N at least 2.
        labels: Class of each image, [N].
        num_pairs: Number of pairs, at least 1.
        seed: Seed of the pairs.

    Raises:
        InputError: Other types or shapes, or a class with a single image.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics.ms_ssim import similarity_within
        >>> similarity_within(np.full([10, 1, 28, 28], 7, np.uint8))
        1.0
    """
    labels = np.zeros(len(images), np.int64) if labels is None else np.asarray(labels)
    if labels.shape != (len(images),) or num_pairs < 1:
        raise InputError(
            f"{len(images)} images need as many labels, not {list(labels.shape)}, and num_pairs={num_pairs} must be at "
            "least 1."
        )
    random = np.random.default_rng(seed)
    order = np.argsort(labels, kind="stable")  # each class side by side
    _, start, inverse, size = np.unique(labels[order], return_index=True, return_inverse=True, return_counts=True)
    if not len(images) or size.min() < 2:
        raise InputError("MS-SSIM within a class needs at least 2 images of each class: score more images.")
    first = random.integers(0, len(images), num_pairs)
    start, size = start[inverse[first]], size[inverse[first]]
    # Any other image of the class: a step of 1 to size - 1 around it.
    second = start + (first - start + random.integers(1, size)) % size
    values = [
        ms_ssim(images[order[first[i : i + _PAIRS_PER_BATCH]]], images[order[second[i : i + _PAIRS_PER_BATCH]]])
        for i in range(0, num_pairs, _PAIRS_PER_BATCH)
    ]
    return float(np.concatenate(values).mean())


def _compare_batch(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    product = np.ones(len(a))
    for scale, weight in enumerate(_WEIGHTS):
        luminance, structure = _compare(a, b)
        coarsest = scale == len(_WEIGHTS) - 1
        similarity = luminance * structure if coarsest else structure
        product *= similarity.mean(axis=(1, 2, 3)).clip(min=0) ** weight
        a, b = _halve(a), _halve(b)
    return product


def _compare(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return luminance, and contrast times structure, at every position of the window."""
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a, variance_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return luminance, structure


def _blur(images: np.ndarray) -> np.ndarray:
    """Apply the Gaussian window wherever it fits into the image."""
    height, width = images.shape[2:]
    size = min(_WINDOW, height, width)
    window = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / (_SIGMA * size / _WINDOW)) ** 2)
    window /= window.sum()
    rows, columns = (convolution_matrix(window, length, "valid") for length in (height, width))
    return rows @ images @ columns.T


def _halve(images: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels; an odd last row or column counts twice."""
    padded = np.pad(images, [(0, 0), (0, 0), (0, images.shape[2] % 2), (0, images.shape[3] % 2)], mode="edge")
    number, channels, height, width = padded.shape
    return padded.reshape([number, channels, height // 2, 2, width // 2, 2]).mean(axis=(3, 5))
