"""Generators outside of training: Paddle's inference files and ONNX."""
