"""Run an example's script from anywhere: ``ppsci-gan run --help``."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from ppsci_gan.cli import explain_errors
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY


def scripts() -> dict[str, Path]:
    """Return the examples' scripts by name.

    Examples:
        >>> from ppsci_gan.commands import run
        >>> run.scripts()["dcgan"].name
        'dcgan.py'
    """
    found = sorted((REPOSITORY / "examples").glob("*/*.py"))
    return {file.stem: file for file in found if not file.stem.startswith("_")}


@explain_errors
def find(name: str) -> Path:
    """Return a script.

    Args:
        name: Its name.

    Raises:
        InputError: There is none.
    """
    known = scripts()
    if name not in known:
        raise InputError(f"{name}: no such example. There are {', '.join(known)}.")
    return known[name]


def main(program: str = "python -m ppsci_gan.commands.run", arguments: Sequence[str] | None = None) -> None:
    """Read the command line.

    Args:
        program: What the command is called.
        arguments: By default those of the process.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("--help", "-h"):
        print(f"usage: {program} EXAMPLE [preset=NAME] [KEY=VALUE ...]\n\nExamples: {', '.join(scripts())}")
        print(f"{program} EXAMPLE --help lists its presets and keys.")
        return
    script = find(name)
    sys.argv = [str(script), *rest]
    sys.path.insert(0, str(script.parent))  # as Python does where it is given the file
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
