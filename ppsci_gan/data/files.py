"""Checks shared by the data readers: path, size, checksum, labels."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import BinaryIO

import numpy as np

from ppsci_gan.errors import InputError
from ppsci_gan.files import open_regular


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


PIECE = 1 << 20  # bytes


class Unpacked(io.RawIOBase):
    """What a gzip file unpacks to, no more of it than there should be.

    Wrap it in an ``io.BufferedReader``.

    Args:
        file: The open file.
        name: Its name, for the error.
        most: Number of bytes. May be changed between reads.

    Raises:
        InputError: On reading or seeking further.

    Examples:
        >>> import gzip, io
        >>> from ppsci_gan.data.files import Unpacked
        >>> bomb = io.BytesIO(gzip.compress(bytes(10**6)))
        >>> io.BufferedReader(Unpacked(bomb, "bomb.gz", most=1000)).read()
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: bomb.gz: unpacks to more than 1,000 bytes, which is more than there should be. \
Get the file again; if it is right, set DATA.max_bytes.
    """

    def __init__(self, file: BinaryIO, name: str, most: int):
        self.unpacking, self.name, self.most = gzip.GzipFile(fileobj=file), name, most

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True; seeking backwards begins anew."""
        return True

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as there are bytes; returns how many."""
        room = min(len(buffer), PIECE, self.most + 1 - self.unpacking.tell())  # one byte more shows that there is more
        count = self.unpacking.readinto(memoryview(buffer)[: max(1, room)])
        self._check(self.unpacking.tell())
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, and return it."""
        self._check(offset)
        return self.unpacking.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self.unpacking.tell()

    def _check(self, position: int) -> None:
        if position > self.most:
            raise InputError(
                f"{self.name}: unpacks to more than {self.most:,} bytes, which is more than there should be. Get the "
                "file again; if it is right, set DATA.max_bytes."
            )


def finish(stream: io.RawIOBase | io.BufferedReader) -> None:
    """Read what is left of a stream: at its end gzip compares the checksum.

    Args:
        stream: The stream.
    """
    while stream.read(PIECE):
        pass


def open_gzip(path: Path, most: int) -> io.BufferedReader:
    """Open a gzip file to read what it unpacks to.

    Args:
        path: The file.
        most: Bytes that it may unpack to.

    Raises:
        InputError: It is no regular file, or already packed larger. On reading, also as ``Unpacked``.
    """
    return io.BufferedReader(Unpacked(open_regular(path, most), str(path), most))


def compare_md5(path: Path, published: str) -> None:
    """Warn if a file is not the published one. This may be intended, and its contents are checked anyway."""
    found = digest_md5(path)
    if found != published:
        # PaddleScience's logger by name: importing ppsci would take seconds.
        logging.getLogger("ppsci").warning(f"{path}: its md5 is {found}, the published file's {published}")


def digest_md5(path: Path) -> str:
    """Return the md5 of a file in hexadecimal digits, by which data sets are published."""
    digest = hashlib.md5(usedforsecurity=False)
    with open_regular(path) as stream:
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
    # Looked at one by one: NumPy goes down into lists in lists, which may lead to the same list again and again.
    if isinstance(labels, (list, tuple)) and not all(isinstance(label, (int, np.integer)) for label in labels):
        raise InputError(f"{where}: the labels are not a list of integers.")
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{where}: the labels are {array.dtype} {list(array.shape)}, not integers [N].")
    if len(array) != num_images:
        raise InputError(f"{where}: {len(array)} labels for {num_images} images.")
    if array.min() < 0 or array.max() > 9:
        raise InputError(f"{where}: the labels go from {array.min()} to {array.max()}, not from 0 to 9.")
    return array.astype(np.int64)
