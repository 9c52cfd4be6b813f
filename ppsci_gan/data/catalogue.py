"""Open a data set by its name in ``DATA.name``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ppsci_gan.data import faces
from ppsci_gan.data import images
from ppsci_gan.data import public
from ppsci_gan.data import pyramid
from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError


def open_images(
    name: str,
    split: str,
    data_path: str | None = None,
    *,
    height: int = 64,
    num_samples: int = 10_000,
    seed: int = 0,
    max_bytes: int | None = None,
) -> Images:
    """Open the images of a split.

    Args:
        name: ``mnist``, ``cifar10``, ``faces`` (drawn) or ``pictures`` (prepared by ``ppsci_gan.data.prepare``).
        split: ``train`` or ``test``.
        data_path: Files of the data set, ``auto`` to find or fetch them, or the folder of prepared pictures; faces need
            none.
        height: Height of faces and pictures in pixels; other data sets have a fixed one.
        num_samples: Number of faces.
        seed: Seed of the faces; test faces use ``seed + 1``.
        max_bytes: What a file may unpack to; by default twice the published one's bytes.

    Raises:
        InputError: Files are missing or damaged, or pictures were not prepared at this height.

    Examples:
        >>> from ppsci_gan.data.catalogue import open_images
        >>> open_images("faces", "train", height=16, num_samples=5).data[:2].shape
        (2, 3, 16, 16)
    """
    if name not in ("faces", "pictures"):
        return images.read_data_set(name, data_path, split, max_bytes)
    levels = open_levels(name, split, data_path, heights=[height], num_samples=num_samples, seed=seed)
    if height not in levels:
        raise InputError(
            f"{data_path} has heights {list(levels)}, not the {height} pixels of MODEL.gen_net: choose networks, or "
            f"weights, of such a height, or another folder. {pyramid.SOURCE}"
        )
    return levels[height]


def open_levels(
    name: str,
    split: str,
    data_path: str | None = None,
    *,
    heights: Sequence[int] = (),
    num_samples: int = 10_000,
    seed: int = 0,
    max_bytes: int | None = None,
) -> dict[int, Images]:
    """Open the images of a split at several resolutions.

    Args:
        name: As for ``open_images``.
        split: As for ``open_images``.
        data_path: As for ``open_images``.
        heights: Heights at which to draw faces. Pictures come at all heights they were prepared at, other data sets at
            their own and its halves, down to 4.
        num_samples: As for ``open_images``.
        seed: As for ``open_images``.
        max_bytes: As for ``open_images``.

    Returns:
        The images, keyed by height.

    Raises:
        InputError: Files are missing or damaged, or images are not squares of 4, 8, 16, ... pixels.

    Examples:
        >>> from ppsci_gan.data.catalogue import open_levels
        >>> list(open_levels("faces", "test", heights=[4, 8], num_samples=5))
        [4, 8]
    """
    if name == "faces":
        drawn = faces.draw_factors(num_samples, seed + (split == "test"))
        found = Images(f"drawn faces {split}", None, drawn["hair"])
        levels = {height: faces.Faces(drawn, height) for height in heights}
    elif name == "pictures":
        levels, labels = pyramid.read(None if data_path == public.AUTO else data_path, split)
        found = Images(f"{data_path} {split}", None, labels)
    else:
        found = images.read_data_set(name, data_path, split, max_bytes)
        levels = pyramid.build_levels(found.data)
    return {height: found._replace(data=level) for height, level in levels.items()}


def is_available(name: str, data_path: str | None) -> bool:
    """Whether a data set can be opened as it is: nothing is fetched, and the log says how what is missing could be.

    Args:
        name: As for ``open_images``.
        data_path: As for ``open_images``.

    Examples:
        >>> from ppsci_gan.data import catalogue
        >>> catalogue.is_available("faces", None), catalogue.is_available("mnist", None)
        (True, False)
    """
    if data_path == public.AUTO and name in public.SOURCES:
        found = public.find(name) is not None
        if not found:
            # PaddleScience's logger by name: importing ppsci would take seconds.
            logging.getLogger("ppsci").info(public.explain_missing(name))
        return found
    return name == "faces" or data_path not in (None, public.AUTO)
