"""The networks that score images: ``python -m ppsci_gan.commands.features --help``."""

import argparse

from ppsci_gan.cli import explain_errors
from ppsci_gan.devices import device
from ppsci_gan.features import inception
from ppsci_gan.features import train_classifier


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m ppsci_gan.commands.features", description=__doc__.partition(":")[0])
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
    return parser.parse_args()


if __name__ == "__main__":
    arguments = vars(parse())
    command = explain_errors(arguments.pop("command"))
    explain_errors(device.set_up)(arguments.pop("device"))
    command(**arguments)
