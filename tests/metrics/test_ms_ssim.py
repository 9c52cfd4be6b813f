"""MS-SSIM against pytorch-msssim, against a direct computation, and its limits."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import convolve2d

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import ms_ssim
from ppsci_gan.metrics.ms_ssim import similarity_within

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))
SIZES = [(28, 28), (32, 32), (64, 64), (29, 45), (17, 100), (1, 1), (11, 3)]


def _images(shape, seed=0):
    """Smooth at several scales, so that no scale is without structure."""
    random = np.random.default_rng(seed)
    waves = np.zeros(shape)
    for wave_length in (3, 7, 20, 60):
        phase = random.uniform(0, 6, [*shape[:2], 2, 1, 1])
        rows = np.sin(np.arange(shape[2])[:, None] / wave_length + phase[:, :, 0])
        waves += 25 * rows * np.cos(np.arange(shape[3]) / wave_length + phase[:, :, 1])
    return (128 + waves).clip(0, 255).astype(np.uint8)


def _noisy(images, strength, seed=1):
    noise = np.random.default_rng(seed).normal(size=images.shape)
    return (images + strength * noise).clip(0, 255).astype(np.uint8)


def _similarities(a, b):
    """Luminance and contrast-structure of one pair of channels, by two-dimensional convolution."""
    size = min(11, *a.shape)
    offset = np.arange(size) - (size - 1) / 2
    window = np.exp(-(offset[:, None] ** 2 + offset**2) / 2 / (1.5 * size / 11) ** 2)

    def mean(image):
        return convolve2d(image, window / window.sum(), "valid")

    covariance = mean(a * b) - mean(a) * mean(b)
    spread = mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2
    luminance = (2 * mean(a) * mean(b) + 2.55**2) / (mean(a) ** 2 + mean(b) ** 2 + 2.55**2)
    return luminance, (2 * covariance + 7.65**2) / (spread + 7.65**2)


def _by_definition(a, b):
    """Of one pair [C, H, W] with sides that stay even."""
    product = 1
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        pairs = [_similarities(x, y) for x, y in zip(a, b)]
        values = [luminance * structure if scale == 4 else structure for luminance, structure in pairs]
        product *= max(np.mean(values), 0) ** weight
        a, b = ((x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4 for x in (a, b))
    return product


def _assert_equals(scores):
    for shape in REFERENCES["MS_SSIM_SHAPES"]:
        expected = scores["x".join(map(str, shape))]
        np.testing.assert_allclose(ms_ssim(*REFERENCES["image_pairs"](shape)), expected, rtol=1e-9)


def test_equals_what_pytorch_msssim_gave():
    _assert_equals(json.loads((FIXTURES / "scores.json").read_text())["ms_ssim"])


def test_equals_pytorch_msssim():
    pytest.importorskip("torch")
    pytest.importorskip("pytorch_msssim")
    _assert_equals(REFERENCES["msssim_scores"]())


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 1, 64, 48), (2, 3, 16, 16)])
def test_equals_its_definition_on_small_and_colour_images(shape):
    a = _images(shape)
    b = _noisy(a, 20)
    expected = [_by_definition(x.astype(float), y.astype(float)) for x, y in zip(a, b)]
    assert 0.3 < min(expected) < 0.99
    np.testing.assert_allclose(ms_ssim(a, b), expected, rtol=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_equal_images_are_one(size):
    images = _images([3, 3, *size])
    np.testing.assert_allclose(ms_ssim(images, images), 1, rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_symmetric_and_between_zero_and_one(size):
    a, b = _images([4, 2, *size]), _noisy(_images([4, 2, *size], seed=5), 50)
    values = ms_ssim(a, b)
    np.testing.assert_allclose(values, ms_ssim(b, a), rtol=1e-12)
    assert values.shape == (4,)
    assert ((values >= 0) & (values < 1)).all()


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (64, 64), (45, 29)])
def test_falls_with_noise(size):
    images = _images([5, 1, *size])
    values = np.array([ms_ssim(images, _noisy(images, strength)) for strength in (0, 5, 15, 40, 100)])
    assert (np.diff(values, axis=0) < -0.005).all()


def test_flat_images_differ_in_luminance_alone():
    # Contrast and structure are 1; only the coarsest scale compares luminance.
    a, b = np.full([1, 1, 32, 32], 50, np.uint8), np.full([1, 1, 32, 32], 150, np.uint8)
    luminance = (2 * 50 * 150 + 2.55**2) / (50**2 + 150**2 + 2.55**2)
    np.testing.assert_allclose(ms_ssim(a, b), luminance**0.1333, rtol=1e-9)


def test_opposite_images_count_as_zero_not_nan():
    images = _images([2, 1, 32, 32])
    assert (ms_ssim(images, 255 - images) == 0).all()


def test_pairs_are_independent_of_each_other():
    # More than one batch of pairs.
    a, b = np.random.default_rng(0).integers(0, 256, [2, 300, 1, 12, 12], np.uint8)
    b[::2] = _noisy(a[::2], 10)
    np.testing.assert_allclose(ms_ssim(a, b)[[0, 255, 256, 299]], ms_ssim(a[[0, 255, 256, 299]], b[[0, 255, 256, 299]]))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros([2, 1, 32, 32]), np.zeros([2, 1, 32, 32], np.uint8), r"must be uint8 .* float64 \[2, 1, 32, 32\]"),
        (np.zeros([2, 1, 32, 32], np.uint8), np.zeros([2, 1, 32, 32], np.int8), "must be uint8 .* int8"),
        (np.zeros([1, 32, 32], np.uint8), np.zeros([1, 32, 32], np.uint8), r"\[N, C, H, W\]"),
        (np.zeros([0, 1, 32, 32], np.uint8), np.zeros([0, 1, 32, 32], np.uint8), r"\[0, 1, 32, 32\]"),
        (np.zeros([2, 1, 32, 32], np.uint8), np.zeros([2, 3, 32, 32], np.uint8), "same shape"),
        (np.zeros([2, 1, 32, 32], np.uint8), np.zeros([1, 1, 32, 32], np.uint8), "same shape"),
    ],
)
def test_refuses(a, b, message):
    with pytest.raises(InputError, match=message):
        ms_ssim(a, b)


def _flat_classes():
    """Images of one grey value for each class, classes of different size in random order."""
    labels = np.random.default_rng(0).permutation(np.repeat([7, 1, 9], [2, 5, 13]))
    images = np.broadcast_to((labels * 25)[:, None, None, None], [20, 1, 28, 28]).astype(np.uint8)
    return images, labels


def test_pairs_stay_within_a_class():
    images, labels = _flat_classes()
    assert similarity_within(images, labels, 500) == pytest.approx(1, rel=1e-12)
    assert similarity_within(images, None, 500) < 0.99
    assert similarity_within(images, labels[::-1], 500) < 0.99


def test_no_image_is_paired_with_itself():
    images = np.random.default_rng(0).integers(0, 256, [4, 1, 28, 28], np.uint8)
    expected = ms_ssim(images[[0, 2]], images[[1, 3]])
    # Two classes of two: each pair is one of two, in either order.
    value = similarity_within(images, np.array([0, 0, 1, 1]), 300)
    assert expected.min() - 1e-12 <= value <= expected.max() + 1e-12
    assert similarity_within(images[:2], None, 10) == pytest.approx(expected[0], rel=1e-12)


def test_every_pair_of_a_set_is_as_likely():
    # Of 3 images, one unlike the others: the mean over the three pairs. The standard error is 0.005.
    images = _images([3, 1, 28, 28])
    images[1] = images[0]
    unlike = ms_ssim(images[:2], images[[2, 2]])[0]
    expected = (1 + 2 * unlike) / 3
    assert unlike < 0.9
    assert similarity_within(images, None, 8000) == pytest.approx(expected, abs=0.02)


def test_less_diverse_is_more_similar():
    diverse = _images([50, 1, 28, 28])
    collapsed = _noisy(np.repeat(diverse[:1], 50, axis=0), 5)
    assert similarity_within(collapsed, num_pairs=200) > similarity_within(diverse, num_pairs=200) + 0.2


def test_deterministic_by_seed():
    images = _images([20, 1, 28, 28])
    once = similarity_within(images, num_pairs=50, seed=3)
    assert similarity_within(images, num_pairs=50, seed=3) == once
    assert similarity_within(images, num_pairs=50, seed=4) != once


@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 2], [5, 5, 5, 5, 4]])
def test_a_class_of_one_image_is_refused(labels):
    with pytest.raises(InputError, match="at least 2 images of each class"):
        similarity_within(_images([5, 1, 28, 28]), np.array(labels))


@pytest.mark.parametrize("number", [0, 1])
def test_a_set_of_one_image_is_refused(number):
    with pytest.raises(InputError, match="at least 2 images"):
        similarity_within(np.zeros([number, 1, 28, 28], np.uint8))


@pytest.mark.parametrize(
    ("labels", "num_pairs"), [(np.zeros(3), 5), (np.zeros(5), 5), (np.zeros([4, 1]), 5), (np.zeros(4), 0)]
)
def test_labels_and_pairs_that_do_not_fit(labels, num_pairs):
    with pytest.raises(InputError, match="4 images need as many labels"):
        similarity_within(np.zeros([4, 1, 28, 28], np.uint8), labels, num_pairs)
