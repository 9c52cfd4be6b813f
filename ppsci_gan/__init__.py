"""Generative adversarial networks for PaddleScience: what every example shares.

Import what you need from its room, such as ``from ppsci_gan.losses import Objective``: reading a data file or drawing a
picture then does not load everything else.
"""

from __future__ import annotations

import logging
import os
import typing
import warnings

if typing.TYPE_CHECKING:
    from ppsci_gan.trained import TrainedGenerator

# Before they are imported: notices of Paddle and Matplotlib about themselves, on which nobody can act.
os.environ.setdefault("GLOG_minloglevel", "2")
warnings.filterwarnings("ignore", message="No ccache found")
logging.getLogger("matplotlib").setLevel(logging.WARNING)

__version__ = "0.1.0"


def load(weights: str) -> TrainedGenerator:
    """Return a trained generator, ready to draw samples, on Paddle's current device.

    Args:
        weights: Name of pretrained weights (``ppsci-gan weights`` lists them), a file, a checkpoint of a run, such as
            ``<run>/checkpoints/best``, or a URL. ``URL#sha256=<hex>`` is verified.

    Raises:
        InputError: There are no such weights, they are damaged or of something else, or Paddle is not installed.

    Examples:
        >>> import ppsci_gan
        >>> generator = ppsci_gan.load("dcgan_mnist")
        >>> images = generator.sample(16, labels=3, seed=0)
        >>> images.shape, images.dtype
        ((16, 1, 28, 28), dtype('uint8'))
    """
    from ppsci_gan import installation  # here, as in a function: importing the package alone takes no time

    installation.require_paddle()
    from ppsci_gan import trained

    return trained.load(weights)
