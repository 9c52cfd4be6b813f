"""Generative adversarial networks for PaddleScience: what every example shares.

Modules are imported by name (``from ppsci_gan.losses.wasserstein import wasserstein``), so that reading a data
file or drawing a picture does not load everything else.
"""

__version__ = "0.1.0"
