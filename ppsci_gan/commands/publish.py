"""Write the players of a checkpoint alone, as a file to share: ``python -m ppsci_gan.commands.publish --help``."""

import argparse

from ppsci_gan import weights
from ppsci_gan.cli import explain_errors

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=weights.publish.__doc__.split("\n")[0])
    parser.add_argument("checkpoint", help="such as <run>/checkpoints/best")
    parser.add_argument("path", help="the file to write, .safetensors")
    parser.add_argument("--half", action="store_true", help="round to float16")
    explain_errors(weights.publish)(**vars(parser.parse_args()))
