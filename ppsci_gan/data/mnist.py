"""MNIST (LeCun et al. 1998): handwritten digits, from mnist.pkl.gz or from the four IDX files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ppsci_gan import pickles
from ppsci_gan.data import files
from ppsci_gan.errors import InputError
from ppsci_gan.files import open_regular

# md5 of the gzipped files, by split: images, then labels.
IDX_FILES = {
    "train": {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    },
    "test": {
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
}
# Bytes that a file may have, unpacked, where DATA.max_bytes does not say: twice the largest published one's.
MOST_OF_PICKLE, MOST_OF_IDX = 2 * 220_000_000, 2 * 47_040_016
PICKLE_SPLITS = ("train", "valid", "test")
ADDRESS = "https://dataset.bj.bcebos.com/mnist/"  # Paddle's copy
GZIPPED = {f"{name}.gz": md5 for names in IDX_FILES.values() for name, md5 in names.items()}
SOURCE = f"""Give auto, to have it fetched, or either
  mnist.pkl.gz, with 50,000 training images (no checksum is published), or
  a folder with the IDX files from {ADDRESS}, gzipped or not, with these md5 (gzipped):
""" + "\n".join(f"    {md5}  {name}" for name, md5 in GZIPPED.items())


def read(path: str | Path | None, split: str = "train", max_bytes: int | None = None) -> dict[str, np.ndarray]:
    """Read one split of MNIST.

    Args:
        path: mnist.pkl.gz, or a folder with the IDX files, gzipped or not.
        split: From mnist.pkl.gz ``train`` (50,000 images), ``valid`` or ``test`` (10,000 each); from the IDX files
            ``train`` (60,000) or ``test`` (10,000).
        max_bytes: Bytes that a file may have, unpacked; by default twice the published one's.

    Returns:
        ``data``, uint8 [N, 1, 28, 28], 0 is background, and ``labels``, int64 [N], from 0 to 9.

    Raises:
        InputError: A file is missing, damaged, or holds something else; the message names it.

    Examples:
        >>> from ppsci_gan.data import mnist
        >>> images = mnist.read("data/mnist.pkl.gz")["data"]  # doctest: +SKIP
        >>> images.shape, images.dtype  # doctest: +SKIP
        ((50000, 1, 28, 28), dtype('uint8'))
    """
    with files.append_source(SOURCE):
        found = files.find_data(path, SOURCE)
        pixels, labels = (_read_idx if found.is_dir() else _read_pickle)(found, split, max_bytes)
    return {"data": pixels.reshape(-1, 1, 28, 28), "labels": labels}


def _read_pickle(path: Path, split: str, max_bytes: int | None) -> tuple[np.ndarray, np.ndarray]:
    files.check_split(split, PICKLE_SPLITS)
    with files.open_gzip(path, max_bytes or MOST_OF_PICKLE) as stream:
        content = pickles.load(stream, str(path))
        with pickles.explain_errors(str(path)):
            files.finish(stream)
    if not _is_sequence(content, 3) or not all(_is_sequence(part, 2) for part in content):
        raise InputError(f"{path}: not three pairs (images, labels) for train, valid and test. {SOURCE}")
    values, labels = content[PICKLE_SPLITS.index(split)]
    where = f"{path}: {split}"
    pixels = _to_bytes(values, where)
    return pixels, files.check_labels(labels, len(pixels), where)


def _is_sequence(value: Any, length: int) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == length


def _to_bytes(values: Any, where: str) -> np.ndarray:
    """Convert floats in [0, 1], [N, 784], back to the original bytes."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2 or values.shape[1] != 784:
        kind = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else type(values).__name__
        raise InputError(f"{where}: the images are {kind}, not float32 [N, 784].")
    if not len(values):
        raise InputError(f"{where}: holds no images.")
    for chunk in _split_rows(values):
        if not (chunk.min() >= 0 and chunk.max() <= 1):  # not: so that NaN is caught as well
            raise InputError(f"{where}: pixels go from {chunk.min():g} to {chunk.max():g}, not from 0 to 1.")
    scale = _find_scale(values)
    pixels = np.empty(values.shape, np.uint8)
    for chunk, target in zip(_split_rows(values), _split_rows(pixels)):
        target[...] = np.rint(chunk * scale)
    return pixels


def _find_scale(values: np.ndarray) -> int:
    """Return the divisor of the bytes: 256 in the published file (white is 0.996), 255 in most copies."""
    return 256 if all(chunk.max() < 1 and not (chunk * 256 % 1).any() for chunk in _split_rows(values)) else 255


def _split_rows(array: np.ndarray, size: int = 4096) -> Iterator[np.ndarray]:
    """Iterate over views of a few megabytes, to keep temporary arrays small."""
    return (array[start : start + size] for start in range(0, len(array), size))


def _read_idx(folder: Path, split: str, max_bytes: int | None) -> tuple[np.ndarray, np.ndarray]:
    files.check_split(split, tuple(IDX_FILES))
    names = IDX_FILES[split]
    paths = [next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None) for name in names]
    missing = [name for name, path in zip(names, paths) if path is None]
    if missing:
        raise InputError(f"DATA.data_path={folder}: lacks {' and '.join(missing)}. {SOURCE}")
    for path, md5 in zip(paths, names.values()):
        if path.suffix == ".gz":
            files.compare_md5(path, md5)
    most = max_bytes or MOST_OF_IDX
    pixels = _read_idx_array(paths[0], 3, most)
    if pixels.shape[1:] != (28, 28) or not len(pixels):
        raise InputError(f"{paths[0]}: the images are {list(pixels.shape)}, not [N, 28, 28].")
    return pixels, files.check_labels(_read_idx_array(paths[1], 1, most), len(pixels), str(paths[1]))


def _read_idx_array(path: Path, num_axes: int, most: int) -> np.ndarray:
    """Read an IDX file: two zero bytes, type (8 is uint8), number of axes, sizes as big-endian int32, then the data."""
    try:
        with (files.open_gzip if path.suffix == ".gz" else open_regular)(path, most) as stream:
            content = bytearray(stream.read())  # a bytearray, so that the array over it can be written to
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: truncated or not a gzip file ({error}). Get the file again.") from error
    start = 4 + 4 * num_axes
    magic = bytes([0, 0, 8, num_axes])
    if len(content) < start or content[:4] != magic:
        raise InputError(f"{path}: starts with '{content[:4].hex()}', an IDX file of this kind with '{magic.hex()}'.")
    shape = np.frombuffer(content, ">u4", num_axes, offset=4).astype(np.int64)
    if len(content) - start != np.prod(shape, dtype=object):
        raise InputError(f"{path}: {len(content) - start} bytes for {shape.tolist()} values. Get the file again.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
