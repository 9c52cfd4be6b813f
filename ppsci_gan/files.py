"""Find files, write them whole or not at all, and read no more of them than there should be."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs
import psutil

from ppsci_gan.errors import InputError

PACKAGE = Path(__file__).resolve().parent
# The folder of conf/, examples/ and pretrained/: a clone's root; where a wheel is installed, they are in the package.
REPOSITORY = PACKAGE if (PACKAGE / "conf").is_dir() else PACKAGE.parent


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path, which replaces the target only if the block succeeds.

    Args:
        path: File to write; its folder is created.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ppsci_gan.files import atomic
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with atomic(target) as path:
        ...     _ = path.write_text("whole or not at all")
        >>> target.read_text()
        'whole or not at all'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}.{target.name}")  # keeps the suffix: libraries choose the format by it
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def cache_folder(kind: str) -> Path:
    """Return the user's cache folder for files that can be downloaded or computed again.

    It is below an absolute ``$XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on macOS and
    ``%LOCALAPPDATA%`` on Windows.

    Args:
        kind: Name of the sub-folder, such as ``weights``.

    Examples:
        >>> from ppsci_gan.files import cache_folder
        >>> cache_folder("weights").name
        'weights'
    """
    return platformdirs.user_cache_path("ppsci_gan", appauthor=False) / kind


def locate(path: str | os.PathLike) -> Path:
    """Return a path relative to the current folder or, if it exists only there, to the repository's root.

    Args:
        path: Absolute or relative; ``~`` is the home folder.

    Examples:
        >>> from ppsci_gan.files import locate
        >>> locate("no/such/file").as_posix()
        'no/such/file'
    """
    path = Path(path).expanduser()
    return path if path.exists() or not (REPOSITORY / path).exists() else REPOSITORY / path


def open_regular(path: str | os.PathLike, most: int | None = None) -> BinaryIO:
    """Open a file to read, but no pipe, device or socket, which could wait or go on for ever.

    Args:
        path: The file.
        most: Bytes that it may have; None for any number.

    Raises:
        InputError: It is no regular file, or larger.
        OSError: It cannot be opened.

    Examples:
        >>> from ppsci_gan.files import open_regular
        >>> open_regular("/dev/zero")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: /dev/zero: not a regular file but a device. Give a file.
    """
    # O_NONBLOCK: or opening a pipe would wait for somebody to write into it. Windows has neither.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path}: not a regular file but a {_kind(found.st_mode)}. Give a file.")
        if most is not None and found.st_size > most:
            raise InputError(f"{path}: {found.st_size:,} bytes, where there should be {most:,} at most.")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _kind(mode: int) -> str:
    kinds = {"pipe": stat.S_ISFIFO, "socket": stat.S_ISSOCK, "folder": stat.S_ISDIR}
    return next((kind for kind, is_one in kinds.items() if is_one(mode)), "device")


def check_memory(needed: int, what: str) -> None:
    """Refuse what does not fit into the memory that is free.

    Args:
        needed: Bytes.
        what: What needs them, for the error.

    Raises:
        InputError: There is less.

    Examples:
        >>> from ppsci_gan import files
        >>> files.check_memory(10**15, "samples.npz")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: samples.npz: needs 1,000,000.0 GB of memory, where ... GB are free.
    """
    free = available_memory()
    if needed > free:
        raise InputError(f"{what}: needs {needed / 1e9:,.1f} GB of memory, where {free / 1e9:,.1f} GB are free.")


def available_memory() -> int:
    """Return the bytes of memory that a process can still get: the machine's, or fewer in a container.

    Examples:
        >>> from ppsci_gan import files
        >>> files.available_memory() > 0
        True
    """
    group = Path("/sys/fs/cgroup")
    free = psutil.virtual_memory().available
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        reclaimable = re.search(r"^inactive_file (\d+)$", (group / "memory.stat").read_text(), re.MULTILINE)
        return free if limit == "max" else min(free, int(limit) - int(used) + int(reclaimable[1]))
    except OSError:  # no container, or one of another kind
        return free


def sha256(path: str | os.PathLike) -> str:
    """Return a file's SHA-256 in hexadecimal digits.

    Args:
        path: A regular file.

    Raises:
        InputError: It is no regular file.

    Examples:
        >>> import os
        >>> from ppsci_gan.files import sha256
        >>> sha256(os.devnull)
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: /dev/null: not a regular file but a device. Give a file.
    """
    with open_regular(path) as stream:
        total = hashlib.sha256()
        while piece := stream.read(1 << 20):
            total.update(piece)
    return total.hexdigest()


def seal(path: str | os.PathLike) -> None:
    """Append the SHA-256 of a file's bytes to them, for ``is_sealed``.

    Args:
        path: A file of a format whose readers do not mind what is behind its end, such as ``.npy``.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ppsci_gan import files
        >>> path = Path(tempfile.mkdtemp(), "a.npy")
        >>> _ = path.write_bytes(b"content")
        >>> files.is_sealed(path)
        False
        >>> files.seal(path)
        >>> files.is_sealed(path)
        True
    """
    digest = bytes.fromhex(sha256(path))
    with open(path, "ab") as stream:
        stream.write(digest)


def is_sealed(path: str | os.PathLike) -> bool:
    """Whether a file is there and not a byte of it has changed since ``seal``.

    Args:
        path: The file.
    """
    try:
        with open_regular(path) as stream:
            left, total = os.fstat(stream.fileno()).st_size - hashlib.sha256().digest_size, hashlib.sha256()
            while left > 0 and (piece := stream.read(min(left, 1 << 20))):
                total.update(piece)
                left -= len(piece)
            return left == 0 and stream.read() == total.digest()
    except (OSError, InputError):
        return False


def write_digests(digests: str | os.PathLike, paths: Iterable[str | os.PathLike]) -> None:
    """Write the SHA-256 of files in the same folder into a file that ``sha256sum --check`` reads, too.

    Args:
        digests: The file to write, such as ``generator.sha256``.
        paths: The files.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ppsci_gan import files
        >>> weights = Path(tempfile.mkdtemp(), "generator.pdiparams")
        >>> _ = weights.write_bytes(bytes(10))
        >>> files.write_digests(weights.with_suffix(".sha256"), [weights])
        >>> files.check_digests(weights.with_suffix(".sha256"), [weights], "Export it again.")
    """
    lines = [f"{sha256(path)}  {Path(path).name}\n" for path in paths]
    with atomic(digests) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def check_digests(digests: str | os.PathLike, paths: Iterable[str | os.PathLike], remedy: str) -> None:
    """Refuse files of which a byte is another than when ``write_digests`` saw them.

    Args:
        digests: What ``write_digests`` wrote.
        paths: The files.
        remedy: What to do about a file that is not as it was.

    Raises:
        InputError: A file is missing, is not among those written, or has changed.

    Examples:
        See ``write_digests``.
    """
    try:
        with open_regular(digests, most=1 << 20) as stream:
            lines = [line.split("  ", 1) for line in stream.read().decode().splitlines()]
        recorded = {line[-1]: line[0] for line in lines}
        for path in paths:
            if recorded.get(Path(path).name) != sha256(path):
                raise InputError(f"{path}: not the file whose SHA-256 is in {digests}, or damaged. {remedy}")
    except UnicodeDecodeError as error:
        raise InputError(f"{digests}: damaged ({error.reason}). {remedy}") from error
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file. {remedy}") from error
