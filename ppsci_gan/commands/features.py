"""The networks that score images: ``python -m ppsci_gan.commands.features --help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ppsci_gan.cli import explain_errors
from ppsci_gan.devices import device
from ppsci_gan.features import inception
from ppsci_gan.features import train_classifier


def main(program: str = "python -m ppsci_gan.commands.features", arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run the command.

    Args:
        program: What the commands are called.
        arguments: By default those of the process.
    """
    parser = argparse.ArgumentParser(program, description=__doc__.partition(":")[0])
    commands = parser.add_subparsers(required=True)

    convert = commands.add_parser(
        "convert-inception",
        help="write the published Inception weights as safetensors",
        description=f"Write the published Inception weights as safetensors; PyTorch is not needed. {inception.SOURCE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert.add_argument("source", help="the .pth file of pytorch-fid or torch-fidelity, or its URL")
    convert.add_argument("target", help="file to write, .safetensors")
    convert.set_defaults(command=inception.convert, device="cpu")

    train = commands.add_parser("train-classifier", help="train the classifier of MNIST or CIFAR-10")
    recipes = train_classifier.RECIPES
    train.add_argument("data", choices=sorted(recipes))
    train.add_argument("data_path", help="as DATA.data_path of the examples")
    train.add_argument("output", help="file to write, such as pretrained/classifier_mnist.safetensors")
    epochs = ", ".join(f"{recipe.epochs} for {data}" for data, recipe in recipes.items())
    train.add_argument("--epochs", type=int, help=f"passes over the training images, by default {epochs}")
    train.add_argument("--device", default="auto", help="auto, cpu, gpu, npu or xpu, with an optional :index")
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(command=train_classifier.train)

    given = vars(parser.parse_args(arguments))
    command = explain_errors(given.pop("command"))
    explain_errors(device.set_up)(given.pop("device"))
    command(**given)


if __name__ == "__main__":
    main()
