"""Finding a file of weights by path or URL."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import urldefrag
from urllib.parse import urlparse

import requests
from tqdm import tqdm

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.files import cache
from ppsci_gan.files import locate


def find(path: os.PathLike | str) -> Path:
    """Return the file that a path or URL means; a URL is downloaded once, into a cache.

    Args:
        path: The suffix ``.pdparams`` or ``.safetensors`` may be left out.

    Raises:
        InputError: There is none.
    """
    file = _download(str(path)) if str(path).lower().startswith(("http://", "https://")) else Path(path)
    for candidate in (file, Path(f"{file}.pdparams"), Path(f"{file}.safetensors")):
        if locate(candidate).is_file():
            return locate(candidate)
    raise InputError(f"{path}: no such file of weights; check the path.{_neighbours(Path(path))}")


def _neighbours(path: Path) -> str:
    folder = path.expanduser().parent
    if not folder.is_dir():
        return ""
    found = sorted(f.name for f in folder.iterdir() if f.suffix in (".pdparams", ".safetensors"))
    return f" In that folder: {', '.join(found[:8])}." if found else ""


def _download(url: str) -> Path:
    try:
        address, fragment = urldefrag(url)
        name = Path(urlparse(address).path).name
    except ValueError as error:
        raise InputError(f"{url}: not a URL ({error}).") from error
    # The address in the name keeps files of the same name from different places apart.
    file = cache("weights") / hashlib.sha256(address.encode()).hexdigest()[:12] / name
    if not file.is_file():
        _fetch(address, file)
    expected = fragment.removeprefix("sha256=").lower()
    if expected and hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        file.unlink()
        raise InputError(f"{address}: the file's SHA-256 is not {expected}. It was deleted; check the URL.")
    return file


def _fetch(address: str, file: Path) -> None:
    try:
        # Not compressed on the way, so that the announced length is the file's.
        plain = {"Accept-Encoding": "identity"}
        with requests.get(address, headers=plain, stream=True, timeout=30) as response, atomic(file) as temporary:
            response.raise_for_status()
            size = int(response.headers.get("content-length", 0))
            with (
                temporary.open("wb") as out,
                tqdm(total=size or None, unit="B", unit_scale=True, desc=file.name) as bar,
            ):
                for chunk in response.iter_content(1 << 20):
                    bar.update(out.write(chunk))
            if size and temporary.stat().st_size != size:
                raise InputError(f"{address}: {temporary.stat().st_size} of {size} bytes arrived; try again.")
    except requests.RequestException as error:
        raise InputError(
            f"{address}: cannot be downloaded ({error}). Fetch it another way and give its path."
        ) from error
