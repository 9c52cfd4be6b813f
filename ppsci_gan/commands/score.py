"""Score any generator's images, or check an installation: ``python -m ppsci_gan.commands.score --help``."""

from __future__ import annotations

import argparse
import sys

from ppsci.utils import logger

from ppsci_gan.cli import explain_errors
from ppsci_gan.data import images
from ppsci_gan.data.images import Images
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.report import select_main_keys
from ppsci_gan.evaluation.scoring import NetworkScorer
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.features import extractor
from ppsci_gan.features.inception import SOURCE

SOURCES = "a folder of pictures, an .npz file, mnist:PATH, mnist-test:PATH, cifar10:PATH or cifar10-test:PATH"
# Scores of real data and their tolerance, by network (shipped classifiers by their digest), set and key. Inception's
# is the literature's; the classifiers' are our own: other devices may round differently, and the distance of MNIST is
# .0146 to the 50,000 training images of mnist.pkl.gz, .0164 to the 60,000 of the IDX files.
KNOWN = {
    "inception": {"cifar10 train": {"score": (11.237, 0.095)}},
    "7a78d72e4e644418b00039b1ecc75086263fd4ddce829cec194b114354f243a6": {
        "mnist test": {"score": (9.679, 0.005), "frechet_distance": (0.0155, 0.002), "accuracy": (0.9952, 0.0002)}
    },
    "5ba3850f5a7a2a6d7b8353c0002e29b5e4fa3503ecb4180fe55d134c84320e4b": {
        "cifar10 test": {"score": (7.095, 0.005), "frechet_distance": (0.01826, 0.001), "accuracy": (0.8539, 0.0005)}
    },
}


def score(
    source: str,
    real: str | None,
    held_out: str | None,
    inception: str | None,
    protocol: str,
    classifier: str | None,
    scores: list[str],
    num_samples: int | None,
    splits: int,
    subset_size: int,
    seed: int,
    output: str,
) -> None:
    """Score a set of images.

    Args:
        source: The images.
        real: Images to compare with, or None.
        held_out: Other real images that get the same scores, or None.
        inception: Weights, or None.
        protocol: As for ``load_inception``.
        classifier: Weights, or None.
        scores: Names of families.
        num_samples: How many of the images to score, chosen at random; None takes all.
        splits: As for ``Protocol``, and so are the next two.
        subset_size: Samples in a subset.
        seed: Of everything random.
        output: JSON file to write.
    """
    generated = _some(images.read(source)._replace(labels=None), num_samples, seed)
    evaluation = ImageEvaluation(
        scores,
        len(generated.data),
        Protocol(splits=splits, subset_size=subset_size, seed=seed),
        images.read(real) if real else None,
        images.read(held_out) if held_out else None,
        inception,
        classifier,
        protocol,
    )
    evaluation.report(evaluation.score(generated), output, of=generated.name)


def self_test(data: str, inception: str | None, classifier: str | None, num_samples: int | None) -> None:
    """Score real data and compare with known values; ends with exit code 1 where they differ.

    Args:
        data: ``mnist:PATH`` or ``cifar10:PATH``.
        inception: Weights, or None.
        classifier: Weights, or None for the shipped ones.
        num_samples: Of the training images, for Inception; known values are of all.
    """
    name, colon, path = data.partition(":")
    if not colon or name not in images.DATA_SETS:
        raise InputError(f"{data}: give {' or '.join(f'{known}:PATH' for known in images.DATA_SETS)}.")
    train, test = images.read(data), images.read(f"{name}-test:{path}")
    protocol = Protocol()
    own = extractor.load_classifier(classifier or f"pretrained/classifier_{name}.safetensors")
    pairs = [(NetworkScorer(own, ["score", "frechet_distance"], protocol, train), test)]
    if inception is None:
        logger.message(f"Without --inception the literature's network is not tested. {SOURCE}")
    else:
        network = extractor.load_inception(inception)
        part = _some(train._replace(labels=None), num_samples, protocol.seed)
        pairs.append((NetworkScorer(network, ["score"], protocol), part))
    # All are computed, also after one that is wrong.
    right = [_compare(scorer, part) for scorer, part in pairs]
    if not all(right):
        logger.error("Other weights, other data, or this installation computes something else.")
        sys.exit(1)


def _compare(scorer: NetworkScorer, real: Images) -> bool:
    """Log the scores of real images beside the known ones; False where one differs."""
    values = scorer(real, cached=True)
    digest = scorer.extractor.protocol["network_sha256"]
    known = KNOWN.get("inception" if scorer.name == "inception" else digest, {}).get(real.name, {})
    all_right = True
    for key in select_main_keys(values):
        line = f"{scorer.name}.{key} of {real.name}: {values[key]:.5g}"
        if key in known:
            value, tolerance = known[key]
            right = abs(values[key] - value) <= tolerance
            all_right &= right
            line += f", known {value:.5g} +- {tolerance:.2g}: {'ok' if right else 'WRONG'}"
        else:
            line += f"; no value is known for these images and this network ({digest[:8]}...)"
        logger.message(line)
    return all_right


def _some(source: Images, number: int | None, seed: int) -> Images:
    if number is None or number == len(source.data):
        return source
    if not 0 < number < len(source.data):
        raise InputError(f"--num-samples={number}: {source.name} holds {len(source.data)} images.")
    return scoring.choose(source._replace(name=f"{number} of {source.name}"), number, seed)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m ppsci_gan.commands.score", description=__doc__.partition(":")[0])
    commands = parser.add_subparsers(required=True)
    networks = argparse.ArgumentParser(add_help=False)
    networks.add_argument("--inception", metavar="FILE", help="Inception weights: .pth, .safetensors or a URL")
    networks.add_argument("--classifier", metavar="FILE", help="such as pretrained/classifier_cifar10.safetensors")
    networks.add_argument("--device", default="auto", help="auto, cpu, gpu, npu or xpu, with an optional :index")
    networks.add_argument("--num-samples", type=int, metavar="N", help="how many of the images, by default all")

    one = commands.add_parser("score", parents=[networks], help="score images")
    one.add_argument("source", metavar="IMAGES", help=SOURCES)
    one.add_argument("--real", metavar="IMAGES", help="real images to compare with, in any of these forms")
    one.add_argument("--held-out", metavar="IMAGES", help="other real images, which get the same scores to compare")
    families = list(scoring.FAMILIES)
    one.add_argument("--scores", nargs="+", choices=families, default=families, help="by default all", metavar="NAME")
    defaults = Protocol()
    one.add_argument(
        "--protocol",
        choices=list(extractor.INCEPTIONS),
        default="2015-12-05",
        help="of --inception (default %(default)s)",
    )
    one.add_argument("--splits", type=int, default=defaults.splits, help="of the score (default %(default)s)")
    one.add_argument("--subset-size", type=int, default=defaults.subset_size, help="of KID (default %(default)s)")
    one.add_argument("--seed", type=int, default=defaults.seed, help="default %(default)s")
    one.add_argument("--output", default="scores.json", metavar="FILE", help="default %(default)s")
    one.set_defaults(command=score)

    test = commands.add_parser(
        "self-test", parents=[networks], help="compare the scores of real data with known values"
    )
    test.add_argument("data", help="mnist:PATH or cifar10:PATH")
    test.set_defaults(command=self_test)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = vars(parse())
    command = explain_errors(arguments.pop("command"))
    explain_errors(device.set_up)(arguments.pop("device"))
    command(**arguments)
