"""Prepare pictures for training: ``python -m ppsci_gan.commands.prepare --help``."""

import argparse

from ppsci_gan import cli
from ppsci_gan.data import prepare
from ppsci_gan.data import pyramid


@cli.explain_errors
def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m ppsci_gan.commands.prepare", description=__doc__.partition(":")[0])
    parser.add_argument("source", help="folder or zip archive of pictures")
    parser.add_argument("output", help="folder to make, for DATA.data_path")
    parser.add_argument("--size", default="128", help="edge in pixels (default: 128), or height and width as 64x48")
    parser.add_argument("--crop", default="centre", help="centre (default), celeba, or edges of a centred rectangle")
    parser.add_argument("--grey", action="store_true", help="keep one channel")
    given = parser.parse_args()
    folder = prepare.prepare(given.source, given.output, given.size, given.crop, given.grey)
    print(pyramid.describe(folder))


if __name__ == "__main__":
    main()
