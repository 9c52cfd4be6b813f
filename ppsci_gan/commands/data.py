"""Fetch a public data set, or prepare CelebA or LSUN for training: ``ppsci-gan data --help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ppsci_gan.cli import explain_errors
from ppsci_gan.data import by_hand
from ppsci_gan.data import public
from ppsci_gan.data import pyramid


@explain_errors
def main(program: str = "python -m ppsci_gan.commands.data", arguments: Sequence[str] | None = None) -> None:
    """Read the command line.

    Args:
        program: What the command is called.
        arguments: By default those of the process.
    """
    own = "Pictures of your own: python -m ppsci_gan.commands.prepare --help."
    parser = argparse.ArgumentParser(program, description=__doc__.partition(":")[0], epilog=own)
    names = parser.add_subparsers(required=True, dest="name", metavar="NAME")
    for name, source in public.SOURCES.items():
        one = names.add_parser(name, help=f"fetch {source.title}, for DATA.data_path=auto")
        one.add_argument("folder", nargs="?", help=f"by default {public.cache(name)}, where every project finds it")
    for name, known in by_hand.COLLECTIONS.items():
        one = names.add_parser(name, help=f"say where {known.title} is, check it and prepare it")
        one.add_argument("folder", help="what you have downloaded lies there; <FOLDER>/prepared_<SIZE> is made")
        one.add_argument("--size", default=known.size, help="edge in pixels (default: %(default)s)")
        one.add_argument("--number", type=int, help="take so many pictures, by default all")
    given = vars(parser.parse_args(arguments))
    name = given.pop("name")
    if name in public.SOURCES:
        path = public.fetch(name, given["folder"])
        found = path if given["folder"] else public.AUTO
        print(f"{path}: {public.SOURCES[name].title}, checked; train with DATA.data_path={found}")
    else:
        print(pyramid.describe(by_hand.prepare_collection(name, **given)))


if __name__ == "__main__":
    main()
