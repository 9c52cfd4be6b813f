"""Generative adversarial networks for PaddleScience: what every example shares.

Import what you need from its room, such as ``from ppsci_gan.losses import Objective``: reading a data file or drawing a
picture then does not load everything else.
"""

__version__ = "0.1.0"
