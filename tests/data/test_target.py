"""Small targets: which images, in which colours, and the way to the network's shape and back."""

import numpy as np
import pytest

from ppsci_gan.data import target
from ppsci_gan.data.images import Images
from ppsci_gan.data.pyramid import Level
from ppsci_gan.data.target import Fit
from ppsci_gan.errors import InputError


@pytest.fixture
def digits():
    """Images of one grey level each, which is their number."""
    data = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones([1, 1, 28, 28], np.uint8)
    return Images("digits", data, np.arange(40) % 10)


def test_classes_are_numbered_in_the_order_given(digits):
    found = target.select_classes(digits, [7, 5])
    np.testing.assert_array_equal(found.data[:, 0, 0, 0], [5, 7, 15, 17, 25, 27, 35, 37])
    np.testing.assert_array_equal(found.labels, [1, 0] * 4)
    assert found.name == "digits, classes [7, 5]"


@pytest.mark.parametrize(
    ("classes", "labels", "expected"),
    [
        ([3, 11], True, "DATA.classes=[3, 11]: digits has no class 11, only [0, 1"),
        ([3, 3], True, "a class is named twice"),
        ([3], False, "has no classes"),
    ],
)
def test_classes_that_are_not_there(digits, classes, labels, expected):
    with pytest.raises(InputError) as refusal:
        target.select_classes(digits if labels else digits._replace(labels=None), classes)
    assert expected in str(refusal.value)


def test_fewer_images_are_among_more_of_the_same_seed(digits):
    few, more = target.choose_images(digits, 5, seed=1), target.choose_images(digits, 20, seed=1)
    assert set(few.data[:, 0, 0, 0]) < set(more.data[:, 0, 0, 0])
    np.testing.assert_array_equal(few.labels, few.data[:, 0, 0, 0] % 10)
    assert set(few.data[:, 0, 0, 0]) != set(target.choose_images(digits, 5, seed=2).data[:, 0, 0, 0])
    assert target.choose_images(digits, None, seed=1) is digits


def test_more_images_than_there_are(digits):
    with pytest.raises(InputError, match="DATA.num_images=41: digits has 40 images"):
        target.choose_images(digits, 41, seed=1)


def test_ink_and_paper_have_colours_that_differ(digits):
    grey = np.zeros([40, 1, 4, 4], np.uint8)
    grey[:, :, :2] = 255
    data = target.colour_images(Images("halves", grey), seed=0).data.astype(int)
    ink, paper = data[:, :, :2], data[:, :, 2:]
    assert (np.ptp(ink, axis=(2, 3)) == 0).all()
    assert (np.ptp(paper, axis=(2, 3)) == 0).all()
    assert (np.abs(ink - paper) >= 64).all()
    light = ink.mean(axis=(1, 2, 3)) > paper.mean(axis=(1, 2, 3))
    assert 5 < light.sum() < 35  # inverted or not
    with pytest.raises(InputError, match="has colours already"):
        target.colour_images(Images("halves", data.astype(np.uint8)), seed=0)


def test_mapped_images_are_coloured_and_fitted_as_arrays_are():
    grey = np.random.default_rng(0).integers(0, 256, [6, 1, 16, 16], np.uint8)
    mapped, array = (target.colour_images(Images("x", data), seed=0).data for data in (Level(grey), grey))
    np.testing.assert_array_equal(mapped, array)
    fit = Fit((1, 16, 16), (3, 32, 32))
    np.testing.assert_array_equal(fit(Level(grey)), fit(grey))


def test_halfway_between_ink_and_paper_is_their_mean():
    grey = np.array([0, 255, 128], np.uint8).reshape([1, 1, 1, 3])
    paper, ink, middle = target.colour_images(Images("dots", grey), seed=3).data[0, :, 0].T.astype(float)
    np.testing.assert_allclose(middle, paper + (ink - paper) * 128 / 255, atol=0.5)


@pytest.mark.parametrize(
    ("own", "network"),
    [
        ((1, 28, 28), (1, 32, 32)),
        ((1, 28, 28), (3, 32, 32)),
        ((1, 28, 28), (3, 64, 64)),
        ((3, 32, 32), (3, 64, 64)),
        ((3, 32, 32), (3, 32, 32)),
        ((3, 30, 21), (3, 64, 64)),
    ],
)
def test_there_and_back_nothing_is_lost(own, network):
    fit = Fit(own, network)
    fit.check("images")
    images = np.random.default_rng(0).integers(0, 256, [4, *own], np.uint8)
    fitted = fit(images)
    assert fitted.shape == (4, *network)
    assert fitted.dtype == np.uint8
    back = fit.invert(fitted.astype("float32").reshape([4, -1]))
    np.testing.assert_allclose(back, images, atol=1e-4)


def test_small_images_are_continued_beyond_their_edges():
    fitted = Fit((1, 28, 28), (1, 32, 32))(np.full([1, 1, 28, 28], 7, np.uint8))
    assert (fitted == 7).all()


@pytest.mark.parametrize(
    ("own", "network", "expected"),
    [
        ((3, 64, 64), (3, 32, 32), "pictures has images of 64 x 64 pixels, the networks' have 32 x 32"),
        ((3, 32, 32), (1, 32, 32), "pictures has colours: set MODEL.gen_net.channels=3"),
    ],
)
def test_images_that_do_not_fit(own, network, expected):
    with pytest.raises(InputError, match=expected):
        Fit(own, network).check("pictures")
