"""CIFAR-10 (Krizhevsky 2009): colour images of ten classes, from cifar-10-python.tar.gz or its extracted folder."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ppsci_gan import pickles
from ppsci_gan.data import files
from ppsci_gan.errors import InputError
from ppsci_gan.files import open_regular

BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
FOLDER = "cifar-10-batches-py"
# Bytes that the unpacked archive may have, where DATA.max_bytes does not say: twice the published one's.
MOST_BYTES = 2 * 186_225_664
MOST_MEMBERS, MOST_OF_HEADERS = 1000, 1 << 20  # of an archive; bytes of a member's, with its long name and attributes
MD5 = "c58f30108f718f92721af3b95e74349a"
ARCHIVE = "cifar-10-python.tar.gz"
ADDRESS = "https://dataset.bj.bcebos.com/cifar/"  # Paddle's copy
SOURCE = (
    f"Give auto, to have it fetched, {ARCHIVE} ({ADDRESS}{ARCHIVE} or https://www.cs.toronto.edu/~kriz/{ARCHIVE}, md5 "
    f"{MD5}) or the folder {FOLDER} that it holds."
)


def read(path: str | Path | None, split: str = "train", max_bytes: int | None = None) -> dict[str, np.ndarray]:
    """Read one split of CIFAR-10.

    Besides the result (154 MB for the 50,000 training images), only one batch at a time is in memory. Images come in
    the order of the batch numbers, whatever their order in the archive.

    Args:
        path: cifar-10-python.tar.gz, or the folder cifar-10-batches-py or its parent.
        split: ``train`` (50,000 images) or ``test`` (10,000).
        max_bytes: Bytes that the archive may have, unpacked; by default twice the published one's.

    Returns:
        ``data``, uint8 [N, 3, 32, 32], channels red, green, blue, and ``labels``, int64 [N], from 0 to 9.

    Raises:
        InputError: A file is missing, damaged, or holds something else; the message names it.

    Examples:
        >>> from ppsci_gan.data import cifar10
        >>> images = cifar10.read("data/cifar-10-python.tar.gz")["data"]  # doctest: +SKIP
        >>> images.shape, images.dtype  # doctest: +SKIP
        ((50000, 3, 32, 32), dtype('uint8'))
    """
    files.check_split(split, tuple(BATCHES))
    with files.append_source(SOURCE):
        return _read(files.find_data(path, SOURCE), BATCHES[split], max_bytes or MOST_BYTES)


def _read(found: Path, names: list[str], most: int) -> dict[str, np.ndarray]:
    images = labels = None
    for name, batch in (_read_folder_batches if found.is_dir() else _read_tar_batches)(found, names, most):
        pixels, classes = _check_batch(batch, f"{found}: {name}")
        if images is None:
            images = np.empty((len(names), len(pixels), 3, 32, 32), np.uint8)
            labels = np.empty((len(names), len(pixels)), np.int64)
        if len(pixels) != images.shape[1]:
            raise InputError(f"{found}: {name} holds {len(pixels)} images, another batch {images.shape[1]}.")
        images[names.index(name)] = pixels.reshape(-1, 3, 32, 32)
        labels[names.index(name)] = classes
        del batch, pixels  # frees them before the next batch is read
    return {"data": images.reshape(-1, 3, 32, 32), "labels": labels.reshape(-1)}


def _read_folder_batches(folder: Path, names: list[str], most: int) -> Iterator[tuple[str, Any]]:
    """Yield name and content of each batch in a folder."""
    if (folder / FOLDER).is_dir():
        folder = folder / FOLDER
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(f"DATA.data_path={folder}: lacks {', '.join(missing)}. {SOURCE}")
    for name in names:
        with open_regular(folder / name, most // 3) as stream:  # of six batches
            yield name, pickles.load(stream, str(folder / name))


def _read_tar_batches(path: Path, names: list[str], most: int) -> Iterator[tuple[str, Any]]:
    """Yield name and content of each batch in the archive, decompressing it once, to its checksum."""
    missing = list(names)
    try:
        with open_regular(path, most) as file:
            files.compare_md5(path, MD5)
            unpacked = files.Unpacked(file, str(path), most)
            for archive, member in _read_members(unpacked):
                name = PurePosixPath(member.name).name
                if member.isfile() and name in missing:
                    if member.size > most // 3:  # of six batches
                        raise InputError(f"{path}: its {name} has {member.size:,} bytes; it is another archive.")
                    missing.remove(name)
                    yield name, pickles.load(archive.extractfile(member), f"{path}: {name}")
                if not missing:
                    files.finish(unpacked)
                    return
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: truncated, or not a tar.gz file ({error}). {SOURCE}") from error
    raise InputError(f"{path}: lacks {', '.join(missing)}; it is truncated or another archive. {SOURCE}")


def _read_members(unpacked: files.Unpacked) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the archive with each of its members, of whose headers only so much is read."""
    most, unpacked.most = unpacked.most, min(unpacked.most, MOST_OF_HEADERS)
    with tarfile.open(fileobj=io.BufferedReader(unpacked), mode="r:") as archive:
        for _ in range(MOST_MEMBERS):
            unpacked.most = min(most, archive.offset + MOST_OF_HEADERS)
            member = archive.next()
            if member is None:
                return
            unpacked.most = most
            yield archive, member
    raise InputError(f"{unpacked.name}: more than {MOST_MEMBERS:,} files are in it; this is another archive.")


def _check_batch(batch: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels, uint8 [N, 3072], and the labels, int64 [N], of a batch."""
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= set(batch):
        raise InputError(f"{where}: not a batch of CIFAR-10, which is a dict with the keys b'data' and b'labels'.")
    pixels = batch[b"data"]
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"{where}: the images are a {type(pixels).__name__}, not an array.")
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != 3072 or not len(pixels):
        raise InputError(f"{where}: the images are {pixels.dtype} {list(pixels.shape)}, not uint8 [N, 3072].")
    return pixels, files.check_labels(batch[b"labels"], len(pixels), where)
