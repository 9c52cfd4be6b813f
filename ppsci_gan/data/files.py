"""Checks shared by the data readers: path, checksum, labels."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ppsci_gan.errors import InputError


def find_data(path: str | Path | None, source: str) -> Path:
    """Return the path of a data set, checked to exist and to be readable.

    Args:
        path: ``DATA.data_path``: a file or a folder. ``~`` is the home directory.
        source: The expected files and where to get them, for the error.

    Raises:
        InputError: The path is not set, does not exist or is not readable.

    Examples:
        >>> from ppsci_gan.data import files
        >>> files.find_data("no/such/file", "Get it from https://example.org.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: DATA.data_path=no/such/file: no such file or folder. Get it from \
https://example.org.
    """
    if path is None or not str(path).strip():
        raise InputError(f"DATA.data_path is not set. {source}")
    found = Path(path).expanduser()
    if not found.exists():
        raise InputError(f"DATA.data_path={path}: no such file or folder. {source}")
    if not os.access(found, os.R_OK):
        raise InputError(f"DATA.data_path={path}: you have no permission to read it.")
    return found


@contextmanager
def append_source(source: str) -> Iterator[None]:
    """Append the expected files and their source to every InputError of the block.

    Args:
        source: As for ``find_data``.

    Raises:
        InputError: The error of the block, with the source.
    """
    try:
        yield
    except InputError as error:
        if source in str(error):
            raise
        raise InputError(f"{error}\n{source}") from error


def check_split(split: str, allowed: Sequence[str]) -> None:
    """Raise an InputError unless the split is one of those allowed."""
    if split not in allowed:
        raise InputError(f"The split {split!r} is not one of {', '.join(allowed)}.")


def compare_md5(path: Path, published: str) -> None:
    """Warn if a file is not the published one. This may be intended, and its contents are checked anyway."""
    found = digest_md5(path)
    if found != published:
        # PaddleScience's logger by name: importing ppsci would take seconds.
        logging.getLogger("ppsci").warning(f"{path}: its md5 is {found}, the published file's {published}")


def digest_md5(path: Path) -> str:
    """Return the md5 of a file in hexadecimal digits, by which data sets are published."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def check_labels(labels: Any, num_images: int, where: str) -> np.ndarray:
    """Check the labels of a data set of ten classes.

    Args:
        labels: Integers from 0 to 9, a list or an array [N].
        num_images: N.
        where: File and part, for the error.

    Returns:
        int64 [N].

    Raises:
        InputError: Wrong shape, type, number or range.

    Examples:
        >>> from ppsci_gan.data import files
        >>> files.check_labels([7, 2], 2, "test_batch")
        array([7, 2])
    """
    try:
        array = np.asarray(labels)
    except ValueError as error:  # nested lists of different lengths
        raise InputError(f"{where}: the labels are not a list of integers ({error}).") from error
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{where}: the labels are {array.dtype} {list(array.shape)}, not integers [N].")
    if len(array) != num_images:
        raise InputError(f"{where}: {len(array)} labels for {num_images} images.")
    if array.min() < 0 or array.max() > 9:
        raise InputError(f"{where}: the labels go from {array.min()} to {array.max()}, not from 0 to 9.")
    return array.astype(np.int64)
