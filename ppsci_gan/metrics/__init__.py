"""Scores of generated samples: arithmetic on NumPy arrays, one file per score."""

from ppsci_gan.metrics.frechet import frechet_distance
from ppsci_gan.metrics.inception_score import inception_score
from ppsci_gan.metrics.kernel_distance import kernel_distance
from ppsci_gan.metrics.laplacian import laplacian_swd
from ppsci_gan.metrics.mode_distance import mode_distance
from ppsci_gan.metrics.modes import mode_scores
from ppsci_gan.metrics.modes import mode_shapes
from ppsci_gan.metrics.ms_ssim import ms_ssim
from ppsci_gan.metrics.neighbours import coverage
from ppsci_gan.metrics.neighbours import density
from ppsci_gan.metrics.neighbours import precision_recall
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein

__all__ = [
    "coverage",
    "density",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "laplacian_swd",
    "mode_distance",
    "mode_scores",
    "mode_shapes",
    "ms_ssim",
    "precision_recall",
    "sliced_wasserstein",
]
