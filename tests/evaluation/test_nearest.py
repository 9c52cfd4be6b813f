"""Nearest images against brute force."""

import numpy as np
import pytest

from ppsci_gan.data.pyramid import Level
from ppsci_gan.evaluation.nearest import nearest


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_agrees_with_brute_force(batch_size):
    rng = np.random.default_rng(0)
    real, samples = rng.integers(0, 256, (60, 3, 5, 4), np.uint8), rng.integers(0, 256, (9, 3, 5, 4), np.uint8)
    differences = samples[:, None].astype(np.int64) - real[None].astype(np.int64)
    expected = np.argsort((differences**2).sum(axis=(2, 3, 4)), axis=1)[:, :6]
    np.testing.assert_array_equal(nearest(samples, real, 6, batch_size), expected)
    np.testing.assert_array_equal(nearest(samples, Level(real), 6, batch_size), expected)


def test_copies_are_found():
    real = np.random.default_rng(1).integers(0, 256, (50, 1, 6, 6), np.uint8)
    assert nearest(real[[31, 4]], real, 1).tolist() == [[31], [4]]
