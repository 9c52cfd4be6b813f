"""Data sets by name, ``DATA.data_path=auto``: found where they lie, or fetched by Paddle's own downloader."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NamedTuple

from ppsci_gan.data import cifar10
from ppsci_gan.data import files
from ppsci_gan.data import mnist
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

AUTO = "auto"
SECONDS_TO_ANSWER = 15  # after which a server does not


class Source(NamedTuple):
    """Where a public data set is.

    Attributes:
        title: What it is called.
        address: The folder of its files.
        files: Their md5, by name.
        folder: Paddle's name for it.
    """

    title: str
    address: str
    files: dict[str, str]
    folder: str

    def in_folder(self, folder: Path) -> Path:
        """Return what a reader of the data set takes where its files are in a folder: the only one, or the folder.

        Args:
            folder: The folder.
        """
        return folder / next(iter(self.files)) if len(self.files) == 1 else folder


SOURCES = {
    "mnist": Source("MNIST", mnist.ADDRESS, mnist.GZIPPED, "mnist"),
    "cifar10": Source("CIFAR-10", cifar10.ADDRESS, {cifar10.ARCHIVE: cifar10.MD5}, "cifar"),
}


def resolve(name: str, path: str | os.PathLike | None) -> str | os.PathLike | None:
    """Return a path as it is, but for ``auto`` the data set's own, fetched where it is not there yet.

    Args:
        name: Of a data set.
        path: ``DATA.data_path``.

    Raises:
        InputError: It cannot be fetched; says from where, and where it belongs.

    Examples:
        >>> from ppsci_gan.data import public
        >>> public.resolve("mnist", "mnist.pkl.gz")
        'mnist.pkl.gz'
    """
    if path != AUTO:
        return path
    return find(name) or fetch(name)


def find(name: str) -> Path | None:
    """Return where a data set lies on this machine; None if nowhere.

    Args:
        name: ``mnist`` or ``cifar10``.

    Returns:
        What its reader takes, in Paddle's cache, in ``data/`` or in ``data/<name>``. The reader warns of other files
        than the published ones, which may be meant.
    """
    source = SOURCES[name]
    for folder in (cache(name), *(root / "data" / below for root in (Path(), REPOSITORY) for below in ("", name))):
        if all((folder / file).is_file() for file in source.files):
            return source.in_folder(folder)
    return None


def cache(name: str) -> Path:
    """Return Paddle's own folder for a data set.

    Args:
        name: ``mnist`` or ``cifar10``.

    Examples:
        >>> from ppsci_gan.data import public
        >>> public.cache("cifar10").parts[-2:]
        ('dataset', 'cifar')
    """
    from paddle.dataset import common  # here, as importing Paddle takes seconds

    return Path(common.DATA_HOME, SOURCES[name].folder)


def fetch(name: str, folder: str | os.PathLike | None = None) -> Path:
    """Fetch a data set by Paddle's downloader, and check it.

    Args:
        name: ``mnist`` or ``cifar10``.
        folder: Where to; by default Paddle's cache. Files that are there already, and right, are kept.

    Returns:
        What the data set's reader takes.

    Raises:
        InputError: It cannot be fetched; says from where, and where it belongs.
    """
    from paddle.utils import download  # here, as importing Paddle takes seconds

    source, place = SOURCES[name], Path(folder or cache(name)).expanduser()
    missing = [file for file, md5 in source.files.items() if not _is(place / file, md5)]
    for file in missing:
        url = source.address + file
        logging.getLogger("ppsci").info(f"Fetching {url} to {place}")
        try:
            _ask(url)
            download.get_path_from_url(url, str(place), source.files[file], decompress=False)
        except (OSError, RuntimeError) as error:
            if (place / file).is_file() and not _is(place / file, source.files[file]):
                (place / file).unlink()
            raise InputError(
                f"{source.title} is not on this machine, and {url} cannot be fetched ({error}): fetch "
                f"{', '.join(missing)} from {source.address} on one that has a network and put "
                f"{'them' if len(missing) > 1 else 'it'} into {place}, or set DATA.data_path to files that you have."
            ) from error
    return source.in_folder(place)


def explain_missing(name: str) -> str:
    """Return how to get a data set that is not on this machine.

    Args:
        name: ``mnist`` or ``cifar10``.

    Examples:
        >>> from ppsci_gan.data import public
        >>> public.explain_missing("mnist")
        'MNIST is not on this machine (.../mnist, data/): ppsci-gan data mnist fetches it.'
    """
    return f"{SOURCES[name].title} is not on this machine ({cache(name)}, data/): ppsci-gan data {name} fetches it."


def _ask(url: str) -> None:
    """Raise an OSError unless a server has the file: Paddle's downloader waits without end, and does not say why."""
    import httpx  # as Paddle's downloader does

    try:
        with httpx.stream("GET", url, timeout=SECONDS_TO_ANSWER, follow_redirects=True) as answer:
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _is(file: Path, md5: str) -> bool:
    """Whether a file is there and the published one."""
    return file.is_file() and files.digest_md5(file) == md5
