"""Drawn faces: their factors can be read off the pixels, and nothing else changes them."""

import numpy as np
import pytest

from ppsci_gan.data import faces


@pytest.fixture(scope="module")
def factors():
    return faces.draw_factors(200, seed=3)


def test_a_seed_gives_the_same_faces_and_another_gives_others(factors):
    again = faces.draw_factors(200, seed=3)
    np.testing.assert_array_equal(faces.draw(factors, 16), faces.draw(again, 16))
    assert (faces.draw(faces.draw_factors(200, seed=4), 16) != faces.draw(again, 16)).mean() > 0.5


def test_batches_do_not_matter(factors):
    np.testing.assert_array_equal(faces.draw(factors, 8, batch_size=7), faces.draw(factors, 8))
    drawn = faces.Faces(factors, 8)
    np.testing.assert_array_equal(drawn[[5, 2]], np.asarray(drawn)[[5, 2]])


@pytest.mark.parametrize("resolution", [4, 8])
def test_a_face_alone_is_the_same(factors, resolution):
    """Also where a nose is so small that no sample falls on it."""
    together = faces.draw(factors, resolution)
    for index in range(200):
        alone = faces.draw({name: value[[index]] for name, value in factors.items()}, resolution)
        np.testing.assert_array_equal(alone[0], together[index])


def test_colours_are_those_of_the_factors(factors):
    images = faces.draw(factors, 64).astype(int)
    corner = images[:, :, 62, 1]
    np.testing.assert_allclose(corner, factors["background"], atol=1)
    # Half-way from the centre down to the chin's edge, beside the mouth: skin. Cheeks, relative to the position.
    column = np.rint(31.5 * (1 + factors["x"] + 0.33)).astype(int)
    row = np.rint(31.5 * (1 + factors["y"] + 0.12)).astype(int)
    cheek = images[np.arange(200), :, row, column]
    np.testing.assert_allclose(cheek, faces.SKIN[factors["skin"]], atol=1)
    row = np.rint(31.5 * (1 + factors["y"] - 0.78)).astype(int)
    column = np.rint(31.5 * (1 + factors["x"])).astype(int)
    top = images[np.arange(200), :, row, column]
    np.testing.assert_allclose(top, faces.HAIR[factors["hair"]], atol=1)


def test_an_open_mouth_is_redder(factors):
    shut, open_ = ({**factors, "mouth": np.full(200, value)} for value in (0.0, 1.0))
    red = [
        (np.abs(faces.draw(f, 32).transpose(0, 2, 3, 1).astype(int) - [170, 40, 50]).max(-1) < 30).sum((1, 2))
        for f in (shut, open_)
    ]
    assert (red[1] > red[0]).all()


def test_coarse_faces_are_means_of_fine_ones(factors):
    fine, coarse = faces.draw(factors, 32).astype(float), faces.draw(factors, 8).astype(float)
    means = fine.reshape([200, 3, 8, 4, 8, 4]).mean(axis=(3, 5))
    assert np.abs(means - coarse).mean() < 3
