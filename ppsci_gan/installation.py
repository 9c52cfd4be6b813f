"""Whether Paddle is installed, and what to run where it is not: this module imports nothing heavy."""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata

from ppsci_gan.errors import InputError

INDEX = "https://www.paddlepaddle.org.cn/packages/stable/cu126/"
BUILDS = ("paddlepaddle", "paddlepaddle-gpu")
REMEDY = f"""Install the build for your device:
  pip install "ppsci-gan[cpu]"                                    for the CPU
  pip install "paddlepaddle-gpu>=3.3,<3.4" -i {INDEX}  for NVIDIA (CUDA 12.6)
Other devices: https://www.paddlepaddle.org.cn/install/quick, version 3.3."""


def require_paddle() -> None:
    """Refuse to go on without Paddle, or with two builds of it, of which one has overwritten the other's files.

    Raises:
        InputError: Says what to run.

    Examples:
        >>> from ppsci_gan import installation
        >>> installation.require_paddle()
    """
    if importlib.util.find_spec("paddle") is None:
        raise InputError(f"Paddle is not installed. {REMEDY}")
    both = [name for name in BUILDS if _is_installed(name)]
    if len(both) > 1:
        raise InputError(
            f"{' and '.join(both)} are both installed, and the one has overwritten files of the other. Run "
            f"pip uninstall -y {' '.join(both)}. {REMEDY}"
        )


def require_paddle_or_exit() -> None:
    """As ``require_paddle``, for a command: end the process with the message and exit code 2.

    Examples:
        >>> from ppsci_gan import installation
        >>> installation.require_paddle_or_exit()
    """
    try:
        require_paddle()
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
