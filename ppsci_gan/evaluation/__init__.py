"""Scoring generators: which scores, on how many samples, and how they are reported."""

from ppsci_gan.evaluation.generator import GeneratorEvaluation

__all__ = ["GeneratorEvaluation"]
