"""Scoring generators: which scores, on how many samples, and how they are reported."""

from ppsci_gan.evaluation.generator import GeneratorEvaluation
from ppsci_gan.evaluation.points import PointEvaluation

__all__ = ["GeneratorEvaluation", "PointEvaluation"]
