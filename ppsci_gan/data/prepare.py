"""Prepare pictures for training: crop them, halve them down to 4 x 4 pixels, and write arrays that can be mapped.

Usage:
    python -m ppsci_gan.commands.prepare img_align_celeba.zip data/celeba --crop celeba
    python -m ppsci_gan.commands.prepare pictures/ data/pictures --size 64

A second call resumes an interrupted one, and checks finished images.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
import zlib
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import prod
from pathlib import Path
from pathlib import PurePosixPath
from typing import Any
from typing import NamedTuple

import joblib
import numpy as np
from PIL import Image
from PIL import ImageOps
from tqdm import tqdm

from ppsci_gan.data import images
from ppsci_gan.data import pyramid
from ppsci_gan.data.images import SUFFIXES
from ppsci_gan.errors import InputError
from ppsci_gan.files import open_regular

CELEBA_SIZE, CELEBA_CENTRE, CELEBA_EDGES = (178, 218), (89, 121), (128, 128)  # pixels: picture, and the face in it
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
DATABASE = "data.mdb"  # what an LMDB database is in
CHUNK = 64  # pictures decoded and written at a time
SEED = 0  # of the order of pictures
MOST_NAMED = 10  # pictures that an error names


class Pictures(NamedTuple):
    """Pictures in a folder or archive.

    Attributes:
        name: The folder or archive.
        members: Paths in it, sorted.
        read: Returns a member's bytes.
    """

    name: str
    members: list[str]
    read: Callable[[str], bytes]

    def classes(self) -> list[str]:
        """Return the names of the sub-folders if they are at least two and hold all pictures, else nothing."""
        parents = [PurePosixPath(member).parts[:-1] for member in self.members]
        shared = len(os.path.commonprefix(parents))
        below = {parts[shared] for parts in parents if len(parts) > shared}
        return sorted(below) if len(below) > 1 and all(len(parts) > shared for parts in parents) else []


class Crop(NamedTuple):
    """Rectangle to cut out of a picture.

    Attributes:
        kind: ``centre``, the largest one in the middle; ``celeba``, the face; ``edge``, one of ``edges`` in the middle.
        edges: Height and width in pixels, for ``edge``.
    """

    kind: str
    edges: tuple[int, int] = (0, 0)

    def box(self, picture: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the rectangle's left, upper, right and lower edge in pixels.

        Args:
            picture: Width and height of the picture.
            size: Height and width to which the rectangle will be resized.

        Raises:
            InputError: The picture is too small.
        """
        centre, edges = (picture[0] // 2, picture[1] // 2), self.edges
        if self.kind == "celeba":
            if picture != CELEBA_SIZE:
                raise InputError(f"{_format_pixels(picture)}, and not CelebA's aligned {_format_pixels(CELEBA_SIZE)}")
            centre, edges = CELEBA_CENTRE, CELEBA_EDGES
        elif self.kind == "centre":
            scale = min(picture[0] / size[1], picture[1] / size[0])
            edges = (int(size[0] * scale), int(size[1] * scale))
        height, width = edges
        if height < size[0] or width < size[1] or height > picture[1] or width > picture[0]:
            least = (max(width, size[1]), max(height, size[0]))
            raise InputError(f"{_format_pixels(picture)}, too small for {_format_pixels(least)}")
        left, upper = centre[0] - width // 2, centre[1] - height // 2
        return left, upper, left + width, upper + height


def prepare(
    source: str, output: str, size: str = "128", crop: str = "centre", grey: bool = False, number: int | None = None
) -> Path:
    """Write pictures as arrays for ``ppsci_gan.data.pyramid.read``.

    Args:
        source: Folder (searched recursively) or zip archive of pictures. Sub-folders become classes if they hold all.
            Or the folder of an LMDB database of pictures, as LSUN's are.
        output: Folder to create.
        size: Edge in pixels, or height and width: ``128``, ``64x48``. For 4, 8, 16, ... all coarser levels are written.
        crop: ``centre``: the largest rectangle in the middle; ``celeba``: 128 pixels around (89, 121), as in
            pytorch_GAN_zoo; or the size of a rectangle in the middle, written like ``size``.
        grey: Whether to write one channel instead of three.
        number: Take the first so many, in the order of their names; None takes all.

    Returns:
        The folder.

    Raises:
        InputError: No pictures, or some that are broken, too small or animated (the first ones are named), or too
            little disk space. ``output`` is not created.

    Examples:
        >>> from ppsci_gan.commands.prepare import prepare
        >>> prepare("img_align_celeba.zip", "data/celeba", crop="celeba")  # doctest: +SKIP
        PosixPath('data/celeba')
    """
    finest = _parse_edges(size, "--size")
    rectangle = Crop(crop) if crop in ("centre", "celeba") else Crop("edge", _parse_edges(crop, "--crop"))
    levels = pyramid.ladder(*finest)
    pictures = _find(source)
    if number is not None:
        if not 0 < number <= len(pictures.members):
            raise InputError(f"--number {number}: {source} holds {len(pictures.members)} pictures.")
        pictures = pictures._replace(members=pictures.members[:number])
    names = pictures.classes()
    wanted = {
        "images": len(pictures.members),
        "channels": 1 if grey else 3,
        "classes": names,
        "levels": levels,
        "source": {"name": pictures.name, "crop": crop, "sha256_of_names": _digest(pictures.members)},
    }
    folder = Path(output).expanduser()
    if (folder / pyramid.DESCRIPTION).is_file():
        _check(folder, wanted)
        return folder
    if folder.exists():
        raise InputError(f"{folder}: exists already, with something else. Name a new folder.")
    # Shuffled here, so that the last tenth is a representative held-out set.
    order = np.random.default_rng(SEED).permutation(len(pictures.members))
    try:
        partial = _begin(folder, wanted)
        if names:
            parts = [PurePosixPath(pictures.members[index]).parts for index in order]
            depth = next(i for i in range(len(parts[0])) if len({p[i] for p in parts}) > 1)
            np.save(partial / "labels.npy", np.array([names.index(p[depth]) for p in parts], np.int64))
        _write(partial, wanted, pictures, order, rectangle)
        written = [pyramid.level_file(level) for level in levels] + ["labels.npy"] * bool(names)
        wanted["crc32"] = [pyramid.checksum(partial / name) for name in written]
        (partial / pyramid.DESCRIPTION).write_text(json.dumps(wanted, indent=1))
        partial.rename(folder)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: {error.strerror or error}. Finished parts are kept in "
            f"{pyramid.partial_folder(folder)}: free some space and run it again, or remove them."
        ) from error
    return folder


def count_pictures(source: str) -> int:
    """Return how many pictures there are.

    Args:
        source: As for ``prepare``.

    Raises:
        InputError: There are none.
    """
    return len(_find(source).members)


def _find(source: str) -> Pictures:
    path = Path(source).expanduser()
    if (path / DATABASE).is_file():
        found = _find_in_database(path)
    elif path.is_dir():
        members = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        found = Pictures(source, members, lambda member: _read_file(path / member))
    elif path.is_file() and zipfile.is_zipfile(path):
        archive = _open_zip(path)
        members = sorted(
            name
            for name in archive.namelist()
            if PurePosixPath(name).suffix.lower() in SUFFIXES and "__MACOSX" not in name
        )
        found = Pictures(source, members, lambda member: _read_member(archive, member))
    else:
        raise InputError(f"{source}: neither a folder nor a zip archive of pictures.")
    if not found.members:
        raise InputError(f"{source}: no pictures there ({', '.join(SUFFIXES)}).")
    return found


def _read_file(path: Path) -> bytes:
    with open_regular(path, images.MOST_BYTES) as stream:
        return stream.read()


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(open_regular(path))
    except (ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: damaged, or not a zip archive ({error}). Get it again.") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    images.check_member(member, images.MOST_BYTES)
    with archive.open(member) as stream:
        content = stream.read(member.file_size)  # and not all that it unpacks to, which may be more
    if len(content) < member.file_size:
        raise EOFError(f"{len(content):,} bytes of {member.file_size:,}")
    return content


def _find_in_database(folder: Path) -> Pictures:
    """Return the pictures of an LMDB database: each an encoded picture, by a key of letters and digits."""
    try:
        import lmdb  # an extra
    except ModuleNotFoundError as error:
        raise InputError(
            f"{folder}: a database, which the package lmdb reads: pip install 'ppsci-gan[lsun]'."
        ) from error
    try:
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        with environment.begin() as transaction:
            members = [bytes(key).decode() for key in transaction.cursor().iternext(values=False)]
    except (lmdb.Error, UnicodeDecodeError) as error:
        raise InputError(f"{folder}: damaged, or not a database of pictures ({error}). Download it again.") from error

    def read(member: str) -> bytes:
        with environment.begin() as transaction:
            return transaction.get(member.encode())

    return Pictures(str(folder), members, read)


def _begin(folder: Path, wanted: dict[str, Any]) -> Path:
    """Create the folder of unfinished images, or keep it if its plan is the same."""
    partial = pyramid.partial_folder(folder)
    plan = partial / "plan.json"
    if not (plan.is_file() and plan.read_text() == json.dumps(wanted)):
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        plan.write_text(json.dumps(wanted))
    done = sum(path.stat().st_size for path in partial.iterdir())
    needed = wanted["images"] * wanted["channels"] * sum(map(prod, wanted["levels"])) - done
    free = shutil.disk_usage(partial).free
    if needed > free:
        raise InputError(f"{folder}: {needed / 1e9:.2f} GB to write, but its disk has {free / 1e9:.2f} GB left.")
    return partial


def _write(partial: Path, wanted: dict[str, Any], pictures: Pictures, order: np.ndarray, crop: Crop) -> None:
    """Write the arrays, resuming where the shortest one ends."""
    bad: list[str] = []
    with ExitStack() as stack:
        files = [
            stack.enter_context(_Array(partial / pyramid.level_file(level), len(order), [wanted["channels"], *level]))
            for level in wanted["levels"]
        ]
        done = min(file.count_written() for file in files)
        for file in files:
            file.truncate_to(done)
        chunks = [order[i : i + CHUNK] for i in range(done, len(order), CHUNK)]
        pool = stack.enter_context(ThreadPoolExecutor(joblib.cpu_count()))  # each has a picture in memory
        progress = stack.enter_context(tqdm(total=len(order), initial=done, desc="preparing", unit="img"))
        for decoded, complaints in _map_ahead(pool, lambda chunk: _decode_all(pictures, chunk, crop, wanted), chunks):
            progress.update(len(decoded))
            bad += complaints
            if not bad:
                for number, file in enumerate(files):  # finest first
                    decoded = pyramid.halve(decoded) if number else decoded
                    file.write(decoded)
    if bad:
        more = [f"... and {len(bad) - MOST_NAMED} more"] if len(bad) > MOST_NAMED else []
        raise InputError(
            "\n".join(
                [
                    f"{pictures.name}: {len(bad)} pictures cannot be used. Remove or replace them:",
                    *bad[:MOST_NAMED],
                    *more,
                ]
            )
        )


class _Array:
    """Array file, written sequentially and resumable."""

    def __init__(self, path: Path, count: int, shape: list[int]):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)})
        self.begin, self.bytes_per_image = header.tell(), prod(shape)
        path.touch()
        self.file = path.open("r+b")
        if path.stat().st_size < self.begin:
            self.file.write(header.getvalue())
            self.file.flush()

    def __enter__(self) -> _Array:
        return self

    def __exit__(self, *exception) -> None:
        self.file.close()

    def count_written(self) -> int:
        """Return the number of whole images."""
        return (os.fstat(self.file.fileno()).st_size - self.begin) // self.bytes_per_image

    def truncate_to(self, count: int) -> None:
        """Keep the first ``count`` images."""
        self.file.truncate(self.begin + count * self.bytes_per_image)
        self.file.seek(0, os.SEEK_END)

    def write(self, images: np.ndarray) -> None:
        self.file.write(images.tobytes())


def _map_ahead(pool: ThreadPoolExecutor, function: Callable, items: list) -> Iterator:
    """Map in parallel and in order, only a few items ahead of the consumer, to bound memory."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > 2 * (os.cpu_count() or 1):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode_all(pictures: Pictures, indices: np.ndarray, crop: Crop, wanted: dict[str, Any]):
    """Return uint8 [N, C, H, W], and a complaint for each unusable picture."""
    size, bad = tuple(wanted["levels"][0]), []
    decoded = np.zeros([len(indices), wanted["channels"], *size], np.uint8)
    for image, member in zip(decoded, (pictures.members[index] for index in indices)):
        try:
            image[:] = _decode(pictures.read(member), size, crop, wanted["channels"])
        except InputError as error:
            bad.append(f"{member}: {error}")
        except (OSError, EOFError, SyntaxError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            bad.append(f"{member}: broken ({error})")
        except Image.DecompressionBombError as error:
            bad.append(f"{member}: {error}")
    return decoded, bad


def _decode(content: bytes, size: tuple[int, int], crop: Crop, channels: int) -> np.ndarray:
    with images.open_picture(io.BytesIO(content)) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise InputError(f"animated, {picture.n_frames} frames")
        if picture.mode not in MODES:
            raise InputError(f"pixels of type {picture.mode}, and not of 8 bits")
        upright = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
        taken = upright.crop(crop.box(upright.size, size))
        if taken.size != size[::-1]:
            taken = taken.resize(size[::-1], Image.Resampling.LANCZOS)
        return np.asarray(taken).reshape([*size, channels]).transpose(2, 0, 1)


def _check(folder: Path, wanted: dict[str, Any]) -> None:
    """Check finished images against the request and their checksums."""
    found = pyramid.read_description(folder)
    differing = [key for key, value in wanted.items() if found[key] != value]
    if differing:
        raise InputError(
            f"{folder}: prepared from other pictures or with other settings ({', '.join(differing)}). Name a new one, "
            "or remove it."
        )
    pyramid.check_files(folder, found)


def _digest(members: list[str]) -> str:
    return hashlib.sha256("\0".join(members).encode()).hexdigest()


def _parse_edges(given: str, option: str) -> tuple[int, int]:
    """Parse ``64`` or ``64x48`` into height and width."""
    edges = given.split("x") if "x" in given else [given, given]
    if len(edges) != 2 or not all(edge.isdecimal() and int(edge) for edge in edges):
        raise InputError(f"{option} {given}: give an edge in pixels, such as 64, or height and width, such as 64x48.")
    return int(edges[0]), int(edges[1])


def _format_pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"
