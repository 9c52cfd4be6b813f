"""Small target sets for transfer: choose classes or images, and convert them to a network's image shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError


def select_classes(images: Images, classes: Sequence[int]) -> Images:
    """Return the images of some classes, renumbered in the given order.

    Args:
        images: The whole set, with labels.
        classes: Class numbers in the whole set.

    Raises:
        InputError: The set has no classes or lacks one of these, or one is named twice.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import target
        >>> from ppsci_gan.data.images import Images
        >>> digits = Images("digits", np.zeros([4, 1, 28, 28], np.uint8), np.array([7, 3, 5, 7]))
        >>> target.select_classes(digits, [7, 5]).labels.tolist()
        [0, 1, 0]
    """
    known = [] if images.labels is None else np.unique(images.labels).tolist()
    missing = sorted(set(classes) - set(known))
    if missing or len(set(classes)) < len(classes):
        what = f"has no class {missing[0]}, only {known}" if missing else "a class is named twice"
        raise InputError(f"DATA.classes={list(classes)}: {images.name} {what if known else 'has no classes'}.")
    number = np.full(max(known) + 1, -1)
    number[list(classes)] = np.arange(len(classes))
    labels = number[images.labels]
    kept = labels >= 0
    return Images(f"{images.name}, classes {list(classes)}", images.data[kept], labels[kept])


def choose_images(images: Images, number: int | None, seed: int) -> Images:
    """Return a random subset; for the same seed, larger subsets contain smaller ones.

    Args:
        images: The whole set.
        number: Number of images; None for all.
        seed: Seed of the choice.

    Raises:
        InputError: The set has fewer images.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import target
        >>> from ppsci_gan.data.images import Images
        >>> len(target.choose_images(Images("black", np.zeros([9, 1, 8, 8], np.uint8)), 4, seed=0).data)
        4
    """
    if number is None:
        return images
    if number > len(images.data):
        raise InputError(f"DATA.num_images={number}: {images.name} has {len(images.data)} images.")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images.data))[:number])
    labels = None if images.labels is None else images.labels[chosen]
    return Images(f"{number} of {images.name}", images.data[chosen], labels)


def colour_images(images: Images, seed: int) -> Images:
    """Give each grey image random colours: light ink on dark paper, or dark ink on light paper.

    Args:
        images: uint8 [N, 1, H, W], ink 255 and paper 0.
        seed: Seed of the colours.

    Returns:
        uint8 [N, 3, H, W].

    Raises:
        InputError: The images have colours already.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import target
        >>> from ppsci_gan.data.images import Images
        >>> target.colour_images(Images("digits", np.zeros([4, 1, 28, 28], np.uint8)), seed=0).data.shape
        (4, 3, 28, 28)
    """
    _, channels, height, width = images.data[[0]].shape  # a pyramid's Level has no shape attribute
    if channels != 1:
        raise InputError(f"DATA.coloured=true: {images.name} has colours already.")
    rng = np.random.default_rng(seed)
    dark, light = (rng.integers(low, low + 96, [len(images.data), 3]) for low in (0, 160))
    swap = rng.integers(0, 2, [len(images.data), 1]) > 0
    ink, paper = (np.where(swap, first, second)[:, :, None, None] for first, second in ((dark, light), (light, dark)))
    data = np.empty([len(images.data), 3, height, width], np.uint8)
    for start in range(0, len(data), 4096):  # a few megabytes at a time
        part = slice(start, start + 4096)
        share = images.data[part].astype(np.int32)
        data[part] = (share * ink[part] + (255 - share) * paper[part] + 127) // 255
    return Images(f"coloured {images.name}", data, images.labels)


class Fit(NamedTuple):
    """Conversion from a data set's image shape to a network's, and back for comparison.

    Small images are enlarged by an integer factor and padded with edge pixels; grey ones get three equal channels.

    Attributes:
        own: (C, H, W) of the data.
        network: (C, H, W) of the network's images.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data.target import Fit
        >>> fit = Fit((1, 28, 28), (3, 64, 64))
        >>> fit(np.zeros([2, 1, 28, 28], np.uint8)).shape, fit.invert(np.zeros([2, 3, 64, 64])).shape
        ((2, 3, 64, 64), (2, 1, 28, 28))
    """

    own: tuple[int, int, int]
    network: tuple[int, int, int]

    def check(self, name: str) -> None:
        """Check that the data fit into the network's shape.

        Args:
            name: Name of the data in the message.

        Raises:
            InputError: The data are larger than the network's images, or coloured where those are grey.
        """
        if max(self.own[1:]) > self.network[1]:
            raise InputError(
                f"{name} has images of {self.own[1]} x {self.own[2]} pixels, the networks' have {self.network[1]} x "
                f"{self.network[2]} (MODEL.gen_net.resolution): smaller ones fit, larger ones do not."
            )
        if self.own[0] > self.network[0]:
            raise InputError(f"{name} has colours: set MODEL.gen_net.channels=3.")

    @property
    def _factor(self) -> int:
        return self.network[1] // max(self.own[1:])

    @property
    def _margins(self) -> list[tuple[int, int]]:
        spare = [size - self._factor * own for size, own in zip(self.network[1:], self.own[1:])]
        return [(extra // 2, extra - extra // 2) for extra in spare]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Convert the data to the network's shape.

        Args:
            images: uint8 [N, *own].

        Returns:
            uint8 [N, *network].
        """
        if self.own == self.network:
            return images
        large = np.asarray(images).repeat(self._factor, axis=2).repeat(self._factor, axis=3)
        large = np.pad(large, [(0, 0), (0, 0), *self._margins], mode="edge")
        return large.repeat(self.network[0] // self.own[0], axis=1)

    def invert(self, samples: np.ndarray) -> np.ndarray:
        """Convert a network's images to the shape of the data.

        Args:
            samples: Floats [N, *network], or [N, C * H * W].

        Returns:
            Floats [N, *own].
        """
        samples = samples.reshape([-1, *self.network])
        (top, bottom), (left, right) = self._margins
        samples = samples[:, :, top : samples.shape[2] - bottom, left : samples.shape[3] - right]
        if self._factor > 1:
            height, width = self.own[1:]
            samples = samples.reshape([*samples.shape[:2], height, self._factor, width, self._factor]).mean((3, 5))
        return samples.mean(axis=1, keepdims=True) if self.own[0] < self.network[0] else samples
