"""Write the players of a checkpoint alone, as a file to share: ``python -m ppsci_gan.commands.publish --help``."""

import argparse

from ppsci_gan import weights
from ppsci_gan.cli import explain_errors
from ppsci_gan.networks import wgangp

CLASSES = [value for value in vars(wgangp).values() if getattr(value, "names_to_publish", ())]


@explain_errors
def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m ppsci_gan.commands.publish", description=__doc__.partition(":")[0])
    parser.add_argument("checkpoint", help="such as <run>/checkpoints/best")
    parser.add_argument("path", help="file to write: .safetensors, or .pdparams in the layout PaddleScience publishes")
    parser.add_argument("--half", action="store_true", help="round to float16")
    parser.add_argument("--part", default="generator", choices=["generator", "critic"], help="of a .pdparams file")
    given = parser.parse_args()
    weights.publish(given.checkpoint, given.path, given.half, given.part, CLASSES)


if __name__ == "__main__":
    main()
