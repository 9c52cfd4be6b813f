"""CelebA and LSUN, which their authors let nobody else hand out: where they are, and preparing what was downloaded."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NamedTuple

from ppsci_gan.data import files
from ppsci_gan.data import prepare
from ppsci_gan.errors import InputError

PREPARED = "prepared_{}"  # the folder that is made, beside what was downloaded, by its size


class Collection(NamedTuple):
    """Pictures that a person has to download.

    Attributes:
        title: What it is called.
        advice: Where it is, and what belongs into the folder ``{place}``.
        names: Of the file or folder that is looked for, the first that is there; ``*`` stands for any.
        crop: As for ``prepare``.
        size: As for ``prepare``, by default.
        number: How many pictures there are; None where it depends on the part that was downloaded.
        md5: Of the first of the names, if it is published.
    """

    title: str
    advice: str
    names: tuple[str, ...]
    crop: str
    size: str
    number: int | None = None
    md5: str | None = None


COLLECTIONS = {
    "celeba": Collection(
        "CelebA",
        "Download img_align_celeba.zip (Align&Cropped Images, 202,599 pictures, 1.4 GB, md5 "
        "00d2c5bc6d35e252742224ab0c1e8fcb) from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html to {place}.",
        ("img_align_celeba.zip", "img_align_celeba", "celeba/img_align_celeba"),
        crop="celeba",
        size="128",
        number=202_599,
        md5="00d2c5bc6d35e252742224ab0c1e8fcb",
    ),
    "lsun": Collection(
        "LSUN",
        "Download a category, such as bedroom_train_lmdb.zip, from https://www.yf.io/p/lsun, and unpack it to {place}, "
        "where its folder with data.mdb then is.",
        ("data.mdb", "*_train_lmdb/data.mdb", "*_lmdb/data.mdb"),
        crop="centre",
        size="64",
    ),
}


def prepare_collection(
    name: str, folder: str | os.PathLike, size: str | None = None, number: int | None = None
) -> Path:
    """Check what was downloaded, and prepare it for training in ``<folder>/prepared_<size>``.

    Args:
        name: ``celeba`` or ``lsun``.
        folder: Holds what was downloaded.
        size: As for ``ppsci_gan.data.prepare``.
        number: Take so many pictures; None takes all.

    Returns:
        The folder of prepared pictures, for ``DATA.data_path``.

    Raises:
        InputError: Nothing was downloaded yet: says from where, and to which place; or pictures cannot be used.

    Examples:
        >>> from ppsci_gan.data import by_hand
        >>> by_hand.prepare_collection("celeba", "no/such/folder")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: no/such/folder: CelebA is not there. Download img_align_celeba.zip ...
    """
    known, place = COLLECTIONS[name], Path(folder).expanduser()
    found = next((path for pattern in known.names for path in sorted(place.glob(pattern))), None)
    if found is None:
        raise InputError(f"{folder}: {known.title} is not there. {known.advice.format(place=place)}")
    if known.md5 and found.is_file():
        files.compare_md5(found, known.md5)
    source = found.parent if found.name == prepare.DATABASE else found
    count = prepare.count_pictures(str(source))
    if known.number and count != known.number:
        logging.getLogger("ppsci").warning(f"{found}: {count} pictures, where {known.title} has {known.number}.")
    size = size or known.size
    return prepare.prepare(str(source), str(place / PREPARED.format(size)), size, known.crop, number=number)
