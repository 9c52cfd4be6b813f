"""The command ``ppsci-gan``, also ``python -m ppsci_gan``: chooses a command without importing the others."""

from __future__ import annotations

import importlib
import sys
from typing import NamedTuple

from ppsci_gan import __version__
from ppsci_gan import installation

PROGRAM = "ppsci-gan"


class Command(NamedTuple):
    """Where a command lives.

    Attributes:
        module: Its module in ``ppsci_gan.commands``, whose ``main`` takes the program's name and the arguments.
        purpose: What it does.
        is_part: Whether the module has several commands, of which this is one.
    """

    module: str
    purpose: str
    is_part: bool = False


COMMANDS = {
    "sample": Command("sample", "draw samples of a trained generator"),
    "score": Command("score", "score any generator's images: a folder, an .npz file, an .onnx generator", is_part=True),
    "weights": Command("weights", "list the weights that come with the package, or check them"),
    "data": Command("data", "fetch MNIST or CIFAR-10, prepare CelebA, LSUN or your own pictures"),
    "run": Command("run", "train, evaluate or export by an example's script, such as run dcgan preset=mnist mode=eval"),
    "device": Command("device", "what this machine has for training: devices, versions, operators"),
    "train-classifier": Command("features", "train the classifier that scores MNIST or CIFAR-10", is_part=True),
    "self-test": Command("score", "compare the scores of real data with known values", is_part=True),
}


def describe() -> str:
    """Return the text of ``ppsci-gan --help``.

    Examples:
        >>> from ppsci_gan import __main__
        >>> print(__main__.describe())
        usage: ppsci-gan COMMAND ...
        ...
    """
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND ...",
            "",
            "Generative adversarial networks for PaddleScience.",
            "",
            *(f"  {name:18}{command.purpose}" for name, command in COMMANDS.items()),
            "",
            f"{PROGRAM} COMMAND --help says more. Version {__version__}.",
        ]
    )


def main() -> None:
    """Read the command's name and let it read the rest."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print(describe())
        return
    if name == "--version":
        print(__version__)
        return
    if name not in COMMANDS:
        print(f"Error: {name}: no such command. There are {', '.join(COMMANDS)}.", file=sys.stderr)
        sys.exit(2)
    installation.require_paddle_or_exit()
    command = COMMANDS[name]
    module = importlib.import_module(f"ppsci_gan.commands.{command.module}")
    if command.is_part:
        module.main(PROGRAM, [name, *arguments])
    else:
        module.main(f"{PROGRAM} {name}", arguments)


if __name__ == "__main__":
    main()
