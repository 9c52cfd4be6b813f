"""Sliced Wasserstein distance of Laplacian pyramids against PGAN's algorithm restated, and what it sees."""

import numpy as np
import pytest
from scipy import ndimage

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import laplacian
from ppsci_gan.metrics import laplacian_swd

_FILTER = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def _images(number=24, size=(64, 64), channels=3, seed=0):
    """Blurred noise at several scales, which is what photographs have."""
    noise = np.random.default_rng(seed).normal(size=[number, channels, *size])
    layers = [ndimage.gaussian_filter(noise, (0, 0, sigma, sigma), mode="wrap") * sigma for sigma in (0.5, 1, 2, 4)]
    return (128 + 60 * sum(layers)).clip(0, 255).astype(np.uint8)


def _blurred(images, sigma):
    return ndimage.gaussian_filter(images.astype(float), (0, 0, sigma, sigma)).round().astype(np.uint8)


def _down(image):
    return ndimage.convolve(image, _FILTER, mode="mirror")[::2, ::2]


def _up(image):
    spread = np.zeros([2 * side for side in image.shape])
    spread[::2, ::2] = image
    return ndimage.convolve(spread, 4 * _FILTER, mode="mirror")


def _pyramid(image, levels):
    """Burt and Adelson's pyramid of one channel in float64."""
    gaussian = [image.astype(np.float64)]
    for _ in range(levels - 1):
        gaussian.append(_down(gaussian[-1]))
    return [fine - _up(coarse) for fine, coarse in zip(gaussian, gaussian[1:])] + gaussian[-1:]


def _pyramids(images, levels):
    bands = zip(*[_pyramid(channel, levels) for image in images for channel in image])
    return [np.reshape(band, [*images.shape[:2], *band[0].shape]) for band in map(np.stack, bands)]


def _score(real, fake, level, levels, seed):
    """One level's distance as PGAN describes it, patch by patch; places and directions are those of the seed."""
    sets = []
    for index, images in enumerate((real, fake)):
        band = _pyramids(images, levels)[level]
        random = np.random.default_rng([seed + index, level])
        rows = random.integers(0, band.shape[2] - 6, [len(images), 128])
        columns = random.integers(0, band.shape[3] - 6, [len(images), 128])
        patches = np.array(
            [
                band[i, :, row : row + 7, column : column + 7]
                for i in range(len(images))
                for row, column in zip(rows[i], columns[i])
            ]
        )
        patches -= patches.mean(axis=(0, 2, 3), keepdims=True)
        sets.append((patches / patches.std(axis=(0, 2, 3), keepdims=True)).reshape(len(patches), -1))
    directions = np.random.default_rng(seed).standard_normal([512, sets[0].shape[1]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    a, b = (np.sort(directions @ patches.T, axis=1) for patches in sets)
    return 1000 * np.abs(a - b).mean()


@pytest.mark.parametrize(("size", "levels"), [((28, 28), 1), ((32, 32), 2), ((64, 64), 3), ((64, 32), 2)])
def test_bands_equal_the_pyramid_by_two_dimensional_convolution(size, levels):
    images = _images(2, size)
    for level, expected in enumerate(_pyramids(images, levels)):
        band = laplacian._laplacian_level(images.astype(np.float32), level)
        np.testing.assert_allclose(band, expected, atol=1e-4)  # float32, values up to 255


def test_bands_add_up_to_the_image():
    images = _images(2).astype(np.float32)
    fine, middle, coarse = (laplacian._laplacian_level(images, level) for level in range(3))
    again = fine + laplacian._upsample(middle + laplacian._upsample(coarse))
    np.testing.assert_allclose(again, images, atol=1e-3)


def test_bands_of_a_flat_image():
    images = np.full([1, 1, 64, 64], 200, np.float32)
    for level, value in enumerate([0, 0, 200]):
        np.testing.assert_allclose(laplacian._laplacian_level(images, level), value, atol=1e-3)


@pytest.mark.parametrize("size", [(32, 32), (32, 48)])
def test_equals_the_published_algorithm(size):
    real, fake = _images(6, size), _blurred(_images(6, size, seed=1), 0.7)
    distances = laplacian_swd(real, fake, seed=5)
    # float32 pyramids and patches against float64.
    assert distances == {
        32: pytest.approx(_score(real, fake, 0, 2, seed=5), rel=1e-4),
        16: pytest.approx(_score(real, fake, 1, 2, seed=5), rel=1e-4),
    }


def test_places_cover_the_whole_band_and_no_more():
    # A ramp: the first pixel of a patch says where it was taken; 22 x 22 places, 6400 patches.
    ramp = (np.arange(28)[:, None] * 5 + np.arange(28) * 140 / 28).astype(np.uint8)
    images = np.broadcast_to(ramp, [50, 1, 28, 28])
    patches = laplacian._sample_patches(images, 0, seed=0)
    assert patches.shape == (50 * 128, 49)
    firsts = np.unique(patches[:, 0])
    expected = np.unique(ramp[:22, :22])
    assert len(firsts) == len(expected)
    np.testing.assert_allclose(np.diff(firsts) / np.ptp(firsts), np.diff(expected) / np.ptp(expected), atol=1e-5)


def test_patches_are_normalised_by_channel():
    images = _images(8, (32, 32))
    images[:, 1] //= 4
    patches = laplacian._sample_patches(images, 1, seed=0).reshape(-1, 3, 49)
    np.testing.assert_allclose(patches.mean(axis=(0, 2), dtype=float), 0, atol=1e-5)
    np.testing.assert_allclose(patches.std(axis=(0, 2), dtype=float), 1, atol=1e-5)
    assert patches.dtype == np.float32


def test_more_images_than_one_batch():
    # All alike but one in the second batch, whose patches must be its own.
    images = np.zeros([515, 1, 16, 16], np.uint8)
    images[513] = 255
    patches = laplacian._sample_patches(images, 0, seed=0).reshape(515, 128, 49)
    assert (patches[513] > 0).all()
    assert (np.delete(patches, 513, axis=0) < 0).all()


@pytest.mark.parametrize(
    ("size", "heights"),
    [
        ((28, 28), [28]),
        ((32, 32), [32, 16]),
        ((64, 64), [64, 32, 16]),
        ((48, 64), [48, 24]),
        ((7, 7), [7]),
        ((34, 34), [34, 17]),
        ((33, 64), [33]),
    ],
)
def test_levels(size, heights):
    distances = laplacian_swd(_images(4, size, 1), _images(4, size, 1, seed=1))
    assert list(distances) == heights
    assert all(value > 0 for value in distances.values())


@pytest.fixture(scope="module")
def sets():
    return {seed: _images(60, seed=seed) for seed in range(2)}


@pytest.fixture(scope="module")
def between_real(sets):
    return laplacian_swd(sets[0], sets[1])


def test_equal_sets_are_near_but_not_at_zero(sets):
    # Each set's patches are taken at places of their own.
    assert all(0 < distance < 40 for distance in laplacian_swd(sets[0], sets[0]).values())


def test_noise_is_seen_at_every_level(sets):
    smooth, other = _blurred(sets[0], 3), _blurred(sets[1], 3)
    noise = np.random.default_rng(0).integers(0, 256, other.shape, np.uint8)
    between_smooth, to_noise = laplacian_swd(smooth, other), laplacian_swd(smooth, noise)
    # The coarsest level's few large structures differ between 60 images and 60 others as well.
    assert all(to_noise[height] > factor * between_smooth[height] for height, factor in {64: 5, 32: 3, 16: 1.3}.items())


def test_blur_is_seen_at_the_finest_level_most(sets, between_real):
    distances = laplacian_swd(sets[0], _blurred(sets[1], 1))
    fine, middle, coarse = (distances[height] / between_real[height] for height in (64, 32, 16))
    assert fine > 2
    assert fine > 1.5 * middle > 1.5 * coarse
    assert coarse < 1.1


def test_a_large_structure_is_seen_at_the_coarsest_level_alone(sets):
    shade = np.linspace(-60, 60, 64)[:, None]
    real, fake = sets[0] // 2 + 64, sets[1] // 2 + 64
    # The finer bands of a ramp are 0, but for borders and rounding.
    plain, distances = laplacian_swd(real, fake), laplacian_swd(real, np.clip(fake + shade, 0, 255).astype(np.uint8))
    assert distances[16] > 2 * plain[16]
    assert distances[64] < 1.3 * plain[64]


def test_brightness_and_contrast_do_not_matter(sets, between_real):
    # Each set is normalised; halving rounds, which the finest level shows.
    distances = laplacian_swd(sets[0], sets[1] // 2 + 20)
    assert all(distances[height] == pytest.approx(between_real[height], rel=0.3) for height in (64, 32, 16))


@pytest.mark.parametrize("value", [0, 255])
def test_flat_images_give_numbers(value):
    flat = np.full([4, 3, 32, 32], value, np.uint8)
    assert all(np.isfinite(list(laplacian_swd(flat, _images(4, (32, 32))).values())))
    assert all(np.isfinite(list(laplacian_swd(flat, flat).values())))


def test_deterministic_by_seed():
    real, fake = _images(4, (28, 28), 1), _images(4, (28, 28), 1, seed=1)
    assert laplacian_swd(real, fake) == laplacian_swd(real, fake)
    assert laplacian_swd(real, fake) != laplacian_swd(real, fake, seed=1)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.zeros([2, 1, 32, 32]), np.zeros([2, 1, 32, 32], np.uint8), r"must be uint8 .* float64 \[2, 1, 32, 32\]"),
        (
            np.zeros([2, 1, 32, 32], np.uint8),
            np.zeros([2, 1, 32, 32]),
            "real and generated images must agree .* float64",
        ),
        (
            np.zeros([2, 1, 32, 32], np.uint8),
            np.zeros([3, 1, 32, 32], np.uint8),
            "real and generated images must agree",
        ),
        (np.zeros([2, 1, 32, 32], np.uint8), np.zeros([2, 1, 28, 28], np.uint8), "agree in number and size"),
        (np.zeros([2, 1, 6, 32], np.uint8), np.zeros([2, 1, 6, 32], np.uint8), "at least 7 x 7"),
        (np.zeros([2, 32, 32], np.uint8), np.zeros([2, 32, 32], np.uint8), r"\[N, C, H, W\]"),
    ],
)
def test_refuses(real, fake, message):
    with pytest.raises(InputError, match=message):
        laplacian_swd(real, fake)


def test_no_images_are_refused():
    with pytest.raises(InputError, match="images must be uint8"):
        laplacian_swd(np.zeros([0, 1, 32, 32], np.uint8), np.zeros([0, 1, 32, 32], np.uint8))
