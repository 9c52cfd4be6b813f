"""Scores of generated samples: arithmetic on NumPy arrays, one file per score."""

from ppsci_gan.metrics.coverage import coverage
from ppsci_gan.metrics.modes import mode_scores
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein

__all__ = ["coverage", "mode_scores", "sliced_wasserstein"]
