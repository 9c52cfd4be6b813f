"""Small target sets: some classes or some images of a data set, as a given network takes and makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError


def select_classes(images: Images, classes: Sequence[int]) -> Images:
    """Return the images of some classes, which are numbered anew in the order given.

    Args:
        images: The whole set, with labels.
        classes: Their numbers there.

    Raises:
        InputError: The set has no classes, or not these.

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
    """Return so many of the images, at random; fewer are among more of the same seed.

    Args:
        images: The whole set.
        number: How many; None for all.
        seed: Of the choice.

    Raises:
        InputError: There are fewer.

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
    """Return grey images in colours of their own: a light ink on dark paper, or a dark one on light paper.

    Args:
        images: uint8 [N, 1, H, W], ink 255 and paper 0.
        seed: Of the colours.

    Returns:
        uint8 [N, 3, H, W].

    Raises:
        InputError: They have colours.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import target
        >>> from ppsci_gan.data.images import Images
        >>> target.colour_images(Images("digits", np.zeros([4, 1, 28, 28], np.uint8)), seed=0).data.shape
        (4, 3, 28, 28)
    """
    _, channels, height, width = images.data[[0]].shape  # a mapped level has no shape of its own
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
    """The way between a data set's own shape and a network's, and back to compare.

    Small images are enlarged by a whole factor, then continued beyond their edges; grey ones get three equal channels.

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
        """Refuse images that do not fit.

        Args:
            name: What they are, for the message.

        Raises:
            InputError: They are larger than the network's, or coloured where those are grey.
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
        """Return the data as the network's images.

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
        """Return a network's images as the data are.

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
