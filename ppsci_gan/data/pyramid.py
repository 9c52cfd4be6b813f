"""Images at every resolution of a growing network, in memory or memory-mapped."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from typing import Literal

import numpy as np
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator
from tqdm import tqdm

from ppsci_gan.errors import InputError
from ppsci_gan.files import open_regular

SMALLEST = 4
MOST_OF_DESCRIPTION = 1 << 26  # bytes; the names of a million classes have fewer
DESCRIPTION = "pyramid.json"
HELD_OUT = 10  # the last tenth is held out for testing; prepared images are in random order
SOURCE = "python -m ppsci_gan.commands.prepare PICTURES FOLDER makes such a folder of pictures."


Edge = Annotated[int, Field(gt=0, lt=2**16)]


class Description(BaseModel):
    """What ``pyramid.json`` says of the other files; anything else is damage."""

    model_config = ConfigDict(extra="forbid", strict=True)

    images: Annotated[int, Field(gt=0, lt=2**40)]
    channels: Literal[1, 3]
    classes: list[str]
    levels: Annotated[list[Annotated[list[Edge], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    source: dict[str, str]
    crc32: list[Annotated[int, Field(ge=0, lt=2**32)]]

    @model_validator(mode="after")
    def parts_fit(self) -> Description:
        """The levels are those that ``prepare`` makes, with a checksum each."""
        if self.levels != ladder(*self.levels[0]):
            raise ValueError(f"levels of {self.levels}")
        if len(self.crc32) not in (len(self.levels), len(self.levels) + bool(self.classes)):
            raise ValueError(f"{len(self.crc32)} checksums")
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            raise ValueError("classes are at least two, each with another name")
        return self


class Level:
    """Images of one resolution, shared when ppsci deep-copies its data sets.

    Args:
        images: uint8 [N, C, R, R], in memory or memory-mapped.

    Examples:
        >>> import copy
        >>> import numpy as np
        >>> from ppsci_gan.data.pyramid import Level
        >>> level = Level(np.zeros([9, 3, 4, 4], np.uint8))
        >>> len(level), level[[0, 5]].shape, copy.deepcopy(level) is level
        (9, (2, 3, 4, 4), True)
    """

    def __init__(self, images: np.ndarray):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices) -> np.ndarray:
        return self.images[indices]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self.images, dtype)

    def __deepcopy__(self, memo) -> Level:
        return self


def build_levels(images: np.ndarray, batch_size: int = 1024) -> dict[int, Level]:
    """Halve images repeatedly, down to 4 x 4 pixels.

    Args:
        images: uint8 [N, C, R, R], R a power of two from 4 on.
        batch_size: Images averaged at a time.

    Returns:
        uint8 [N, C, r, r] keyed by r, finest first: rounded means of 2 x 2 pixels of the next finer level.

    Raises:
        InputError: Images of another shape.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import pyramid
        >>> {size: level[:].shape for size, level in pyramid.build_levels(np.zeros([2, 3, 8, 8], np.uint8)).items()}
        {8: (2, 3, 8, 8), 4: (2, 3, 4, 4)}
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise InputError(f"images of shape {list(images.shape[1:])}: a pyramid takes squares.")
    finest, *coarser = resolutions(images.shape[3])
    found = {finest: images}
    for size in coarser:
        finer = found[2 * size]
        found[size] = np.empty([*finer.shape[:2], size, size], np.uint8)
        for start in range(0, len(finer), batch_size):
            part = slice(start, start + batch_size)
            found[size][part] = halve(finer[part])
    return {size: Level(level) for size, level in found.items()}


def halve(images: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels, rounded.

    Args:
        images: uint8 [..., 2 H, 2 W].

    Returns:
        uint8 [..., H, W].

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data.pyramid import halve
        >>> halve(np.array([[0, 10], [20, 31]], np.uint8))
        array([[15]], dtype=uint8)
    """
    wide = images.astype(np.uint16)
    total = wide[..., ::2, ::2] + wide[..., 1::2, ::2] + wide[..., ::2, 1::2] + wide[..., 1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def resolutions(finest: int) -> list[int]:
    """Return ``finest`` and its halves, down to 4.

    Raises:
        InputError: ``finest`` is not a power of two from 4 on.

    Examples:
        >>> from ppsci_gan.data import pyramid
        >>> pyramid.resolutions(16)
        [16, 8, 4]
    """
    if finest < SMALLEST or finest & (finest - 1):
        raise InputError(f"{finest} pixels: growing networks take squares of 4, 8, 16, ... pixels.")
    return [finest >> halvings for halvings in range(finest.bit_length() - SMALLEST.bit_length() + 1)]


def ladder(height: int, width: int) -> list[list[int]]:
    """Return [height, width] of all levels to prepare: squares of 4, 8, 16, ... are halved, others stay alone.

    Examples:
        >>> from ppsci_gan.data import pyramid
        >>> pyramid.ladder(8, 8), pyramid.ladder(8, 6)
        ([[8, 8], [4, 4]], [[8, 6]])
    """
    if height != width or height < SMALLEST or height & (height - 1):
        return [[height, width]]
    return [[edge, edge] for edge in resolutions(height)]


def read(folder: str | Path | None, split: str) -> tuple[dict[int, Level], np.ndarray | None]:
    """Memory-map the images that ``ppsci_gan.commands.prepare`` wrote.

    Args:
        folder: Folder of prepared images.
        split: ``train``, nine tenths of them, or ``test``.

    Returns:
        uint8 [N, C, H, W] keyed by H; and the class of each image, int64 [N], or None without classes.

    Raises:
        InputError: The folder is missing or unfinished, or a file in it is damaged; the message names it.

    Examples:
        >>> from ppsci_gan.data import pyramid
        >>> levels, labels = pyramid.read("data/celeba", "train")  # doctest: +SKIP
        >>> len(levels[128]), levels[4][[7, 11]].shape  # doctest: +SKIP
        (182339, (2, 3, 4, 4))
    """
    if folder is None:
        raise InputError(f"DATA.data_path is not set. {SOURCE}")
    path = Path(folder).expanduser()
    if not (path / DESCRIPTION).is_file():
        unfinished = partial_folder(path).is_dir()
        what = "its preparation is not finished: run it again to resume." if unfinished else SOURCE
        raise InputError(f"{path}: no prepared images there (no {DESCRIPTION}); {what}")
    description = read_description(path)
    check_files(path, description)
    count, channels = description["images"], description["channels"]
    held_out = count // HELD_OUT
    part = slice(count - held_out, count) if split == "test" else slice(0, count - held_out)
    mapped = {
        level[0]: _map_array(path / level_file(level), (count, channels, *level)) for level in description["levels"]
    }
    labels = _read_labels(path, count, description["classes"])
    return {size: Level(array[part]) for size, array in mapped.items()}, None if labels is None else labels[part]


def read_description(folder: Path) -> dict:
    """Read the description of a folder of prepared images.

    Args:
        folder: Folder with a ``pyramid.json``.

    Raises:
        InputError: The description is damaged.
    """
    path = folder / DESCRIPTION
    try:
        with open_regular(path, MOST_OF_DESCRIPTION) as stream:
            return Description.model_validate_json(stream.read()).model_dump()
    except (OSError, ValueError) as error:  # pydantic's and InputError among the latter
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path}: damaged ({reason}). Remove {folder} and prepare it again. {SOURCE}") from error


def check_files(folder: Path, description: dict) -> None:
    """Compare the checksum of every file of prepared images; a gigabyte takes about a second.

    Args:
        folder: The folder.
        description: Its description.

    Raises:
        InputError: A file has changed or is missing.
    """
    names = [*(level_file(level) for level in description["levels"]), "labels.npy"]
    for name, expected in zip(names, description["crc32"]):  # earlier versions had none of the labels
        try:
            found = checksum(folder / name)
        except OSError as error:
            raise InputError(f"{folder / name}: missing ({error.strerror}). {_again(folder)}") from error
        if found != expected:
            raise InputError(f"{folder / name}: damaged. {_again(folder)}")


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file.

    Args:
        path: A regular file.
    """
    value = 0
    with open_regular(path) as file, tqdm(desc=f"checking {path.name}", unit="B", unit_scale=True, delay=2) as bar:
        while block := file.read(2**24):
            value = zlib.crc32(block, value)
            bar.update(len(block))
    return value


def _again(folder: Path) -> str:
    return f"Remove {folder} and prepare it again."


def describe(folder: Path) -> str:
    """Return what a folder of prepared images holds, and how to train with it.

    Args:
        folder: The folder.

    Raises:
        InputError: Its description is damaged.
    """
    description = read_description(folder)
    sizes = ", ".join("x".join(map(str, level)) for level in description["levels"])
    return (
        f"{folder}: {description['images']} images of {sizes} pixels, checked; train with DATA.name=pictures "
        f"DATA.data_path={folder}"
    )


def level_file(level: Sequence[int]) -> str:
    """Return the file name of a level of a given height and width.

    Examples:
        >>> from ppsci_gan.data import pyramid
        >>> pyramid.level_file([64, 48])
        '64x48.npy'
    """
    return f"{level[0]}x{level[1]}.npy"


def partial_folder(folder: Path) -> Path:
    """Return the folder that holds images during their preparation.

    Examples:
        >>> from pathlib import Path
        >>> from ppsci_gan.data import pyramid
        >>> pyramid.partial_folder(Path("data/celeba")).name
        'celeba.partial'
    """
    return folder.with_name(folder.name + ".partial")


def _map_array(path: Path, shape: Iterable[int], dtype: type = np.uint8) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: missing or damaged ({error}). {_again(path.parent)}") from error
    if array.shape != tuple(shape) or array.dtype != dtype or not array.flags.c_contiguous:
        order = "" if array.flags.c_contiguous else " in another order"
        raise InputError(
            f"{path}: {array.dtype} of shape {list(array.shape)}{order}, not {np.dtype(dtype)} of {list(shape)} as "
            f"{DESCRIPTION} says. {_again(path.parent)}"
        )
    return array


def _read_labels(folder: Path, count: int, classes: Sequence[str]) -> np.ndarray | None:
    """Return the class of each image, int64 [N]; None where there are no classes."""
    path = folder / "labels.npy"
    if not classes:
        if path.exists():
            raise InputError(f"{folder / DESCRIPTION}: has no classes, but {path.name} is there. {_again(folder)}")
        return None
    labels = _map_array(path, (count,), np.int64)
    found = np.unique(labels)
    if not np.array_equal(found, np.arange(len(classes))):  # each is a folder that has pictures
        raise InputError(
            f"{path}: classes from {found[0]} to {found[-1]}, where {DESCRIPTION} has {len(classes)}: 0 to "
            f"{len(classes) - 1}, each with an image. {_again(folder)}"
        )
    return labels
