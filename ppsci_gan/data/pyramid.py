"""Images at every resolution of a growing network, in memory or memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppsci_gan.errors import InputError

SMALLEST = 4
DESCRIPTION = "pyramid.json"
HELD_OUT = 10  # the last tenth is held out for testing; prepared images are in random order
SOURCE = "python -m ppsci_gan.commands.prepare PICTURES FOLDER makes such a folder of pictures."


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
    count, channels = description["images"], description["channels"]
    held_out = count // HELD_OUT
    part = slice(count - held_out, count) if split == "test" else slice(0, count - held_out)
    mapped = {
        level[0]: _map_array(path / level_file(level), (count, channels, *level)) for level in description["levels"]
    }
    labels = _map_array(path / "labels.npy", (count,), np.int64)[part] if description["classes"] else None
    return {size: Level(array[part]) for size, array in mapped.items()}, labels


def read_description(folder: Path) -> dict:
    """Read the description of a folder of prepared images.

    Args:
        folder: Folder with a ``pyramid.json``.

    Raises:
        InputError: The description is damaged.
    """
    path = folder / DESCRIPTION
    try:
        content = json.loads(path.read_text())
        return {key: content[key] for key in ("images", "channels", "classes", "levels", "source", "crc32")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error!r}). Remove {folder} and prepare it again. {SOURCE}") from error


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
        raise InputError(f"{path}: missing or damaged ({error}). Remove {path.parent} and prepare it again.") from error
    if array.shape != tuple(shape) or array.dtype != dtype:
        raise InputError(
            f"{path}: {array.dtype} of shape {list(array.shape)}, not {np.dtype(dtype)} of {list(shape)} as "
            f"{DESCRIPTION} says. Remove {path.parent} and prepare it again."
        )
    return array
