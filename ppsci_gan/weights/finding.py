"""Finding a file of weights by path, URL or the name of pretrained ones."""

from __future__ import annotations

import difflib
import functools
import hashlib
import os
import re
from pathlib import Path
from typing import Any
from typing import BinaryIO
from urllib.parse import urldefrag
from urllib.parse import urlparse

import pooch
import safetensors

from ppsci_gan import pickles
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.files import cache_folder
from ppsci_gan.files import locate
from ppsci_gan.weights import torch_files

MOST_BYTES = 1 << 31  # of a download; the largest known weights, of Inception, have a twentieth
_TOO_LARGE = f"it has more than {MOST_BYTES:,} bytes, so it is something else or never ends"
SUFFIXES = ("", ".pdparams", ".safetensors")  # may be left out
REGISTRY = "SHA256SUMS"  # in pretrained/: what `sha256sum *.safetensors` prints there
_PRETRAINED = "pretrained:"


def find(path: os.PathLike | str) -> Path:
    """Return the file that a path, a URL or ``pretrained:NAME`` means.

    Args:
        path: A path, of which the suffix ``.pdparams`` or ``.safetensors`` may be left out; or a URL, which is
            downloaded once, into a cache, and checked if it ends in ``#sha256=<hex>`` or ``#md5=<hex>``; or
            ``pretrained:`` and the name of a file in the repository's ``pretrained`` folder, without its suffix.

    Raises:
        InputError: There is none.

    Examples:
        >>> from ppsci_gan import weights
        >>> weights.find("pretrained:wgangp_mnist_quick").name
        'wgangp_mnist_quick.safetensors'
    """
    if str(path).startswith(_PRETRAINED):
        return _find_pretrained(str(path).removeprefix(_PRETRAINED))
    file = _download(str(path)) if str(path).lower().startswith(("http://", "https://")) else Path(path)
    for candidate in (Path(f"{file}{suffix}") for suffix in SUFFIXES):
        if locate(candidate).is_file():
            return locate(candidate)
    what = "not a file of weights" if locate(file).exists() else "no such file of weights"  # a folder, or a pipe
    raise InputError(f"{shown(path)}: {what}; check the path.{_neighbours(Path(path))}")


def pretrained() -> dict[str, Path]:
    """Return the files of pretrained weights by name.

    Examples:
        >>> from ppsci_gan.weights import finding
        >>> finding.pretrained()["dcgan_mnist"].name
        'dcgan_mnist.safetensors'
    """
    return {file.stem: file for file in sorted((REPOSITORY / "pretrained").glob("*.safetensors"))}


def check_digest(file: Path) -> None:
    """Refuse a file of pretrained weights that is not the one registered, by SHA-256.

    Args:
        file: The file; one that is not registered is not checked.

    Raises:
        InputError: The file is another one.

    Examples:
        >>> from ppsci_gan.weights import finding
        >>> finding.check_digest(finding.pretrained()["dcgan_mnist"])
    """
    registry = file.with_name(REGISTRY)
    lines = registry.read_text(encoding="utf-8").splitlines() if registry.is_file() else []
    registered = dict(reversed(line.split(maxsplit=1)) for line in lines)
    if file.name in registered and pooch.file_hash(str(file)) != registered[file.name]:
        raise InputError(
            f"{file}: its SHA-256 is not that of {REGISTRY} beside it, so it is damaged or another file. Restore it: "
            "pip install --force-reinstall --no-deps ppsci-gan, or git checkout pretrained in a clone."
        )


def _find_pretrained(name: str) -> Path:
    files = pretrained()
    if not files:
        raise InputError(
            f"{_PRETRAINED}{name}: pretrained weights come with the package, and {REPOSITORY} has none. "
            "Install it again, run in a clone of the repository, or give the file's path or URL."
        )
    if name not in files:
        closest_first = difflib.get_close_matches(name, files, n=len(files), cutoff=0)
        raise InputError(f"{_PRETRAINED}{name}: no such pretrained weights. There are: {', '.join(closest_first)}.")
    check_digest(files[name])
    return files[name]


def _neighbours(path: Path) -> str:
    folder = path.expanduser().parent
    if not folder.is_dir():
        return ""
    found = sorted(f.name for f in folder.iterdir() if f.suffix in (".pdparams", ".safetensors"))
    return f" In that folder: {', '.join(found[:8])}." if found else ""


def shown(path: os.PathLike | str) -> str:
    """Return a path or URL as messages may have it: of a URL neither user and password nor its query, often a key.

    Args:
        path: As for ``find``.

    Examples:
        >>> from ppsci_gan.weights import finding
        >>> finding.shown("https://me:secret@example.org/a.pth?key=secret#sha256=12")
        'https://example.org/a.pth'
    """
    return re.sub(r"(https?://)(?:[^/?#\s]*@)?([^?#\s]*)\S*", r"\1\2", str(path), flags=re.IGNORECASE)


def _download(url: str) -> Path:
    try:
        address, fragment = urldefrag(url)
        # Only what is a name everywhere: ".." would be another folder.
        name = re.sub(r"[^\w.-]", "_", Path(urlparse(address).path).name)[-100:].lstrip(".") or "weights"
    except ValueError as error:
        raise InputError(f"{shown(url)}: not a URL ({error}); write it as https://host/path/of/file.") from error
    # The address in the name keeps files of the same name from different places apart.
    folder = cache_folder("weights") / hashlib.sha256(address.encode()).hexdigest()[:12]
    algorithm, _, digest = fragment.rpartition("=")
    checksum = f"{algorithm or 'sha256'}:{digest}" if fragment else None
    source = pooch.create(folder, base_url="", registry={name: checksum}, urls={name: address}, retry_if_failed=2)
    pooch.get_logger().setLevel("ERROR")  # it would show the whole URL
    try:
        return Path(source.fetch(name, downloader=functools.partial(_fetch, suffix=Path(name).suffix)))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong checksum is a ValueError
        (folder / name).unlink(missing_ok=True)  # if it was there, it does not have this checksum
        reason = re.sub(r"\?\S*", "", shown(error)).rstrip(".")  # a path alone may have a query, too
        raise InputError(
            f"{shown(address)}: cannot be downloaded: {reason}. Check the URL, or fetch the file another way and give "
            "its path."
        ) from error


def _fetch(url: str, output_file: str, registry: pooch.Pooch, suffix: str) -> None:
    """Download as pooch does, but no endless file and only weights; what raises here does not enter the cache."""

    def check_length(response: Any, *args, **kwargs) -> None:
        if int(response.headers.get("Content-Length", 0)) > MOST_BYTES:
            raise OSError(_TOO_LARGE)

    # Not compressed on the way, so that the announced length, by which the bar goes, is the file's.
    plain, hooks = {"Accept-Encoding": "identity"}, {"response": check_length}
    download = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 16, headers=plain, hooks=hooks)
    with open(output_file, "wb") as file:
        download(url, _Bounded(file), registry)
    try:
        _check_format(Path(output_file), suffix)
    except (InputError, safetensors.SafetensorError) as error:
        said = str(error).removeprefix(f"{output_file}: ")
        raise OSError(f"what is there is no file of weights: {said}") from error  # and trying again would not help


def _check_format(file: Path, suffix: str) -> None:
    """Read a file of weights as far as shows that it is one."""
    if suffix == ".safetensors":
        with safetensors.safe_open(file, framework="numpy"):  # compares its sizes with the file's
            return
    if suffix in (".pth", ".pt"):
        torch_files.read(file)
    else:
        with file.open("rb") as stream:
            pickles.load(stream, str(file))


class _Bounded:
    """A file that takes only so many bytes."""

    def __init__(self, file: BinaryIO):
        self.file, self.flush, self.left = file, file.flush, MOST_BYTES

    def write(self, piece: bytes) -> int:
        self.left -= len(piece)
        if self.left < 0:
            raise OSError(_TOO_LARGE)
        return self.file.write(piece)
