"""What is scored, with how many samples, and how scores are reported."""

from ppsci_gan.evaluation.generator import GeneratorEvaluation

__all__ = ["GeneratorEvaluation"]
