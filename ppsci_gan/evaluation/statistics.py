"""Mean and covariance of real images' features in a file, which Fréchet distances need in place of the images."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ppsci.utils import logger

from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.features.extractor import Extractor
from ppsci_gan.files import atomic
from ppsci_gan.metrics.frechet import Gaussian

MEAN, COVARIANCE = "mu", "sigma"  # their names in the files of pytorch-fid and its kin
INCEPTION = "inception"  # whose features theirs are


class Statistics(NamedTuple):
    """What a file of statistics holds.

    Attributes:
        name: Of the real images, and the file.
        gaussian: Mean and covariance; ``num_samples`` is 0 where the file does not say how many images there were.
        network: SHA-256 of the network's parameters; None where the file does not say it.
    """

    name: str
    gaussian: Gaussian
    network: str | None

    def check(self, extractor: Extractor) -> None:
        """Refuse statistics of another network's features.

        Args:
            extractor: The network that generated images are compared in.

        Raises:
            InputError: They are of another one.
        """
        own = extractor.protocol["network_sha256"]
        if self.network is None and extractor.name == INCEPTION and len(self.gaussian.mean) == 2048:
            logger.warning(f"{self.name}: does not say of which network it is; taken for Inception's of 2015-12-05.")
        elif self.network != own:
            of = f"a network {self.network[:8]}..." if self.network else f"{len(self.gaussian.mean)} features"
            raise InputError(
                f"{self.name}: statistics of {of}, not of this {extractor.name} ({own[:8]}...). Write them anew by "
                "ppsci-gan score --real IMAGES --write-statistics FILE with the same weights."
            )


def write(path: str | os.PathLike, extractor: Extractor, real: Images) -> None:
    """Write the statistics of real images, as pytorch-fid does, and of which network they are.

    Args:
        path: An ``.npz`` file.
        extractor: The network.
        real: The images, at least two.

    Raises:
        InputError: The name has another suffix, or the images do not fit the network.
    """
    if Path(path).suffix != ".npz":
        raise InputError(f"--write-statistics {path}: name an .npz file.")
    gaussian = extractor.cached_gaussian(real.data)
    with atomic(path) as temporary:
        np.savez_compressed(
            temporary,
            **{MEAN: gaussian.mean, COVARIANCE: gaussian.covariance},
            samples=gaussian.num_samples,
            name=real.name,
            network=extractor.protocol["network_sha256"],
        )


def holds(path: str | os.PathLike) -> bool:
    """Whether a file holds statistics, and not images.

    Args:
        path: Any path.

    Examples:
        >>> from ppsci_gan.evaluation import statistics
        >>> statistics.holds("no/such/file.npz")
        False
    """
    if Path(path).suffix != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {f"{MEAN}.npy", f"{COVARIANCE}.npy"} <= set(archive.namelist())


def read(path: str | os.PathLike) -> Statistics:
    """Read a file of statistics, of this suite or of pytorch-fid, without running anything that it contains.

    Args:
        path: An ``.npz`` file.

    Raises:
        InputError: It is damaged, or its numbers are no mean and covariance.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            mean, covariance = (np.asarray(content[name], np.float64) for name in (MEAN, COVARIANCE))
            samples = int(content["samples"]) if "samples" in content else 0
            name = f"{content['name']} ({path})" if "name" in content else str(path)
            network = str(content["network"]) if "network" in content else None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise InputError(f"{path}: damaged, or no statistics ({error}). Write the file anew.") from error
    fits = mean.ndim == 1 and covariance.shape == (len(mean), len(mean)) and len(mean)
    if not fits or not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(
            f"{path}: {MEAN} {list(mean.shape)} and {COVARIANCE} {list(covariance.shape)} are no finite mean [D] and "
            "covariance [D, D]. Write the file anew."
        )
    return Statistics(name, Gaussian(mean, covariance, samples), network)
