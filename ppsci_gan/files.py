"""Find files, and write them whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

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
