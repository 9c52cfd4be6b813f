"""Sliced Wasserstein distance between the patches of real and generated images, scale by scale."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein

PATCH = 7
PATCHES_PER_IMAGE = 128
NUM_PROJECTIONS = 4 * 128
SMALLEST_LEVEL = 16
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
_IMAGES_PER_BATCH = 512


def laplacian_swd(real: np.ndarray, fake: np.ndarray, seed: int = 2020) -> dict[int, float]:
    """Sliced Wasserstein distance of local patches at every level of a Laplacian pyramid, times 1000.

    The protocol of PGAN (Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 5): 128 patches of 7 x 7 pixels
    from each image, normalised to mean 0 and standard deviation 1 per channel and set, projected onto 4 x 128 random
    directions. The finest level compares edges and noise, the coarsest the large structure. The paper compares 16,384
    real with 16,384 generated images.

    Each level halves the size, down to 16 pixels or an odd size. Only one level's patches are in memory at a time: 128
    * 49 * C floats per image.

    Args:
        real: uint8 [N, C, H, W], H and W at least 7.
        fake: uint8 [N, C, H, W].
        seed: Seed of the patches' positions and of the directions.

    Returns:
        Distances times 1000, keyed by the level's height, finest first; at least 0, lower is better.

    Raises:
        InputError: Other types or shapes, or images smaller than a patch.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import laplacian_swd
        >>> images = np.random.default_rng(0).integers(0, 256, [8, 3, 32, 32], np.uint8)
        >>> list(laplacian_swd(images, images))
        [32, 16]
    """
    if real.dtype != np.uint8 or real.ndim != 4 or min(real.shape[2:]) < PATCH or not real.size:
        raise InputError(
            f"images must be uint8 [N, C, H, W] of at least {PATCH} x {PATCH} pixels; they are {real.dtype} "
            f"{list(real.shape)}."
        )
    if fake.dtype != np.uint8 or real.shape != fake.shape:
        raise InputError(
            f"real and generated images must agree in number and size; they are {real.dtype} {list(real.shape)} and "
            f"{fake.dtype} {list(fake.shape)}."
        )
    distances = {}
    for level in range(_num_levels(*real.shape[2:])):
        a, b = (_sample_patches(images, level, seed + index) for index, images in enumerate((real, fake)))
        distances[real.shape[2] >> level] = 1000 * sliced_wasserstein(a, b, NUM_PROJECTIONS, seed)
    return distances


def _num_levels(height: int, width: int) -> int:
    levels = 1
    while height % 2 == width % 2 == 0 and min(height, width) // 2 >= SMALLEST_LEVEL:
        height, width, levels = height // 2, width // 2, levels + 1
    return levels


def _sample_patches(images: np.ndarray, level: int, seed: int) -> np.ndarray:
    """Return normalised random patches of one level of all images, float32 [N * 128, C * 49]."""
    random = np.random.default_rng([seed, level])
    number, channels = images.shape[:2]
    patches = np.empty([number, PATCHES_PER_IMAGE, channels, PATCH, PATCH], np.float32)
    for start in range(0, number, _IMAGES_PER_BATCH):
        band = _laplacian_level(images[start : start + _IMAGES_PER_BATCH].astype(np.float32), level)
        windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH), axis=(2, 3))
        rows, columns = (random.integers(0, size, [len(band), PATCHES_PER_IMAGE]) for size in windows.shape[2:4])
        patches[start : start + len(band)] = windows[np.arange(len(band))[:, None], :, rows, columns]
    patches -= patches.mean(axis=(0, 1, 3, 4), keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.mean(np.square(patches), axis=(0, 1, 3, 4), keepdims=True, dtype=np.float64))
    patches /= np.maximum(deviation, np.finfo(np.float32).tiny).astype(np.float32)  # a flat set stays zero
    return patches.reshape([number * PATCHES_PER_IMAGE, -1])


def _laplacian_level(images: np.ndarray, level: int) -> np.ndarray:
    """Return a level of the Laplacian pyramid: the detail that the next level lacks; at the last one, the image."""
    last = _num_levels(*images.shape[2:]) - 1
    for _ in range(level):
        images = _downsample(images)
    return images if level == last else images - _upsample(_downsample(images))


def _downsample(images: np.ndarray) -> np.ndarray:
    return _blur(images)[:, :, ::2, ::2]


def _upsample(images: np.ndarray) -> np.ndarray:
    number, channels, height, width = images.shape
    spread = np.zeros([number, channels, 2 * height, 2 * width], np.float32)
    spread[:, :, ::2, ::2] = images
    return 4 * _blur(spread)


def _blur(images: np.ndarray) -> np.ndarray:
    return correlate1d(correlate1d(images, _BINOMIAL, axis=2, mode="mirror"), _BINOMIAL, axis=3, mode="mirror")
