"""Sets of images to score: a data set, a folder of pictures, or an array in a file."""

from __future__ import annotations

import math
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO
from typing import NamedTuple

import joblib
import numpy as np
from PIL import Image
from tqdm import tqdm

from ppsci_gan.data import cifar10
from ppsci_gan.data import mnist
from ppsci_gan.data import public
from ppsci_gan.errors import InputError
from ppsci_gan.files import check_memory
from ppsci_gan.files import open_regular

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
# The only formats that Pillow is let try, whatever a file is named: of others, some start programs.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
MOST_PIXELS, MOST_BYTES = 1 << 26, 1 << 28  # of a picture, and of its file
MOST_RATIO = 100  # of an array's size to what it is packed to, beyond MOST_BYTES
# By their names in DATA.name: from a path and a split to "data", uint8 [N, C, H, W], and "labels", int64 [N].
DATA_SETS = {"mnist": mnist.read, "cifar10": cifar10.read}


class Images(NamedTuple):
    """Images with the name that protocols report.

    Attributes:
        name: Such as ``CIFAR-10 train``.
        data: uint8 [N, C, H, W], C 1 or 3.
        labels: Class of each, int64 [N], or None.
    """

    name: str
    data: np.ndarray
    labels: np.ndarray | None = None


def read(source: str) -> Images:
    """Read a set of images.

    Args:
        source: ``mnist`` or ``cifar10`` for the training images of these data sets, ``mnist-test`` or ``cifar10-test``
            for their test images, found on this machine or fetched; or read from a path, as in ``DATA.data_path``, by
            ``mnist:PATH`` and the like; otherwise a folder of pictures or an ``.npz`` file.

    Raises:
        InputError: The source cannot be read, or holds something else; the message names the file.

    Examples:
        >>> from ppsci_gan.data import images
        >>> images.read("cifar10:data/cifar-10-python.tar.gz").data.shape  # doctest: +SKIP
        (50000, 3, 32, 32)
    """
    kind, colon, path = source.partition(":")
    name = kind.removesuffix("-test")
    if name in DATA_SETS:
        return read_data_set(name, path if colon else public.AUTO, "test" if kind.endswith("-test") else "train")
    path = Path(source).expanduser()
    if path.is_dir():
        return Images(source, read_folder(path))
    if path.suffix == ".npz" and path.is_file():
        return Images(source, read_npz(path))
    raise InputError(
        f"{source}: neither a folder of pictures nor an .npz file, nor {' or '.join(DATA_SETS)} with or without :PATH."
    )


def read_data_set(name: str, path: str | None, split: str, max_bytes: int | None = None) -> Images:
    """Read one split of a data set.

    Args:
        name: ``mnist`` or ``cifar10``.
        path: ``DATA.data_path``; ``auto`` takes what is on this machine, or fetches it.
        split: ``train`` or ``test``.
        max_bytes: ``DATA.max_bytes``: what a file may unpack to; by default twice the published one's bytes.

    Raises:
        InputError: A file is missing, damaged, or holds something else; the message names it.

    Examples:
        >>> from ppsci_gan.data import images
        >>> images.read_data_set("mnist", "data/mnist.pkl.gz", "test").data.shape  # doctest: +SKIP
        (10000, 1, 28, 28)
    """
    content = DATA_SETS[name](public.resolve(name, path), split, max_bytes)
    return Images(f"{name} {split}", content["data"], content["labels"])


def check_fit(found: Images, image_shape: tuple[int, int, int], label_num: int = 0) -> None:
    """Check that images have the network's shape and classes.

    Args:
        found: The images.
        image_shape: (C, H, W) of the network.
        label_num: Number of classes of a conditional network, otherwise 0.

    Raises:
        InputError: The images have another shape, or classes that the network lacks.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import images
        >>> images.check_fit(images.Images("two", np.zeros([2, 1, 4, 4], np.uint8), np.array([0, 1])), (1, 4, 4), 2)
    """
    own = tuple(found.data[[0]].shape[1:])
    if own != tuple(image_shape):
        says = "{1} x {2} pixels and {0} channels".format
        raise InputError(
            f"{found.name} has images of {says(*own)}, the network's have {says(*image_shape)}: choose MODEL.gen_net, "
            "or weights, for images like these."
        )
    check_classes(found, label_num)


def check_classes(found: Images, label_num: int) -> None:
    """Refuse images whose classes a conditional network cannot take.

    Args:
        found: The images.
        label_num: Number of classes of a conditional network, 0 of any other.

    Raises:
        InputError: They have no classes, or more.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import images
        >>> images.check_classes(images.Images("two", np.zeros([2, 1, 4, 4], np.uint8), np.array([0, 1])), 2)
    """
    if label_num and (found.labels is None or found.labels.max() >= label_num):
        classes = "no classes" if found.labels is None else f"classes up to {found.labels.max()}"
        raise InputError(
            f"MODEL.gen_net.use_label=true with MODEL.gen_net.label_num={label_num}: {found.name} has {classes}."
        )


def read_folder(folder: Path) -> np.ndarray:
    """Read all pictures below a folder, in the order of their paths.

    Args:
        folder: Folder of ``.png``, ``.jpg``, ``.bmp`` or ``.webp`` files, searched recursively; others are ignored.

    Returns:
        uint8 [N, C, H, W], C 1 or 3.

    Raises:
        InputError: No picture, an unreadable one, or different shapes; the message names the picture.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: no pictures there ({', '.join(SUFFIXES)}).")
    first = _decode(paths[0])
    check_memory(len(paths) * first.nbytes, f"{folder}: its {len(paths):,} pictures")
    images = np.empty([len(paths), *first.shape], np.uint8)

    def decode(index: int) -> None:
        images[index] = _decode(paths[index], (paths[0].name, first.shape))

    with ThreadPoolExecutor(joblib.cpu_count()) as pool:  # each has a picture in memory
        try:
            done = pool.map(decode, range(len(paths)))
            for _ in tqdm(done, "reading pictures", len(paths), unit="img", leave=False, delay=2):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)  # not all the others first
            raise
    return images


def read_npz(path: Path) -> np.ndarray:
    """Read images from an ``.npz`` file, without running pickled code.

    Args:
        path: File with an array named ``images`` or ``arr_0``, or a single one: uint8 [N, C, H, W] or [N, H, W, C],
            C 1 or 3, or [N, H, W].

    Returns:
        uint8 [N, C, H, W].

    Raises:
        InputError: The file is damaged, or its array has another type or shape.
    """
    try:
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as content:
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise InputError(f"{path}: holds a single array without a name; np.savez writes what is read here.")
            names = content.files
            name = next((n for n in ("images", "arr_0") if n in names), names[0] if len(names) == 1 else None)
            if name is None:
                raise InputError(f"{path}: holds {', '.join(names) or 'nothing'}; name the images 'images' or 'arr_0'.")
            array = _read_array(content.zip, name, path)
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: damaged, or not an .npz file of numbers ({error}).") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged, or not an .npz file of numbers ({error}).") from error
    return as_images(array, f"{path}: {name}")


def _read_array(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    """Return an array of the archive, of which neither more is allocated than it unpacks to, nor more unpacked."""
    member = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")
    check_member(member, MOST_RATIO * member.compress_size + MOST_BYTES)
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, _, dtype = read_header(stream)
        size = math.prod(shape) * dtype.itemsize
        if member.file_size - stream.tell() != size:
            raise ValueError(
                f"{member.file_size - stream.tell():,} bytes of {name} for {list(shape)} values of {dtype}"
            )
    check_memory(size, f"{path}: {name}")
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def as_images(array: np.ndarray, where: str) -> np.ndarray:
    """Convert an array of images to this suite's layout.

    Args:
        array: uint8 [N, C, H, W] or [N, H, W, C], C 1 or 3, or [N, H, W].
        where: File and part, for the error.

    Returns:
        uint8 [N, C, H, W].

    Raises:
        InputError: Another type or shape, or no image.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data.images import as_images
        >>> as_images(np.zeros([5, 32, 32, 3], np.uint8), "samples.npz").shape
        (5, 3, 32, 32)
    """
    if array.dtype != np.uint8:
        spread = ""
        if array.dtype.kind in "fiu" and array.size:
            finite = np.isfinite(array).all()
            spread = f" from {array.min():g} to {array.max():g}" if finite else " with NaN or infinity"
        raise InputError(
            f"{where}: the images are {array.dtype}{spread}; scores need uint8 from 0 to 255. "
            "Scale, round and convert them first."
        )
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose([0, 3, 1, 2])
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not array.size:
        raise InputError(f"{where}: the shape is {list(array.shape)}, not [N, C, H, W] or [N, H, W, C] with C 1 or 3.")
    return np.ascontiguousarray(array)


def open_picture(source: BinaryIO) -> Image.Image:
    """Open a picture by Pillow, without decoding it yet.

    Args:
        source: Its bytes.

    Raises:
        InputError: It has more pixels than a picture to learn from or to score has.
        OSError: It is no PNG, JPEG, BMP or WebP.

    Examples:
        >>> import io
        >>> from PIL import Image
        >>> from ppsci_gan.data import images
        >>> file = io.BytesIO()
        >>> Image.new("L", (3, 2)).save(file, "PNG")
        >>> images.open_picture(file).size
        (3, 2)
    """
    picture = Image.open(source, formats=FORMATS)
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(
            f"{picture.width} x {picture.height} pixels, more than {MOST_PIXELS:,}: make it smaller first."
        )
    return picture


def _decode(path: Path, first: tuple[str, tuple[int, int, int]] | None = None) -> np.ndarray:
    """Return a picture as uint8 [C, H, W]; one of another shape than the first one, of that name, is not decoded."""
    try:
        with open_regular(path, MOST_BYTES) as stream, open_picture(stream) as picture:
            if picture.mode not in ("L", "1", "P", "RGB"):
                raise InputError(
                    f"its pixels are of type {picture.mode}; pictures with 8 bits, grey or RGB, can be scored."
                )
            shape = (1 if picture.mode in ("L", "1") else 3, picture.height, picture.width)
            if first is not None and shape != first[1]:
                raise InputError(
                    f"its shape is {_format_size(shape)}, that of {first[0]} {_format_size(first[1])}. Scores compare "
                    "images of one size: resize them first, all in the same way."
                )
            pixels = np.asarray(picture.convert("L" if shape[0] == 1 else "RGB"))
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}). Remove it or save it again.") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose([2, 0, 1])


def check_member(member: zipfile.ZipInfo, most: int) -> None:
    """Refuse a member of a zip archive that unpacks to more than it should have.

    Args:
        member: The member.
        most: Bytes that it may have, unpacked.

    Raises:
        InputError: It has more, or is packed in a way that is not unpacked piece by piece.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{member.filename}: packed in another way than zip's usual one. Pack it again.")
    if member.file_size > most:
        raise InputError(f"{member.filename}: unpacks to {member.file_size:,} bytes, where {most:,} are read at most.")


def _format_size(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{height} x {width} with {channels} channel{'s' * (channels > 1)}"
