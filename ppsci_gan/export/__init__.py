"""Generators outside of training: Paddle's inference files and ONNX."""

from ppsci_gan.export.inference import GeneratorPredictor

__all__ = ["GeneratorPredictor"]
