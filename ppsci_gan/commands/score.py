"""Score any generator's images, or check an installation: ``python -m ppsci_gan.commands.score --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ppsci.utils import logger

from ppsci_gan import trained
from ppsci_gan.cli import explain_errors
from ppsci_gan.data import images
from ppsci_gan.data.images import Images
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import onnx_generator
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation import statistics
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.report import select_main_keys
from ppsci_gan.evaluation.scoring import NetworkScorer
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.features import extractor
from ppsci_gan.features.inception import SOURCE

SOURCES = (
    "a folder of pictures, an .npz file, an .onnx generator, or mnist, mnist-test, cifar10 or cifar10-test, which are "
    "fetched where they are not there, or read from a path, as in mnist:PATH"
)
DRAWN = 10_000  # images of an .onnx generator, by default
OWN = "dcgan_mnist"  # whose images check an installation without data
# Scores of real data and their tolerance, by network (shipped classifiers by their digest), set and key. Inception's
# is the literature's; the classifiers' are our own: other devices may round differently, and the distance of MNIST is
# .0146 to the 50,000 training images of mnist.pkl.gz, .0164 to the 60,000 of the IDX files.
KNOWN = {
    "inception": {"cifar10 train": {"score": (11.237, 0.095)}},
    "7a78d72e4e644418b00039b1ecc75086263fd4ddce829cec194b114354f243a6": {
        "mnist test": {"score": (9.679, 0.005), "frechet_distance": (0.0155, 0.002), "accuracy": (0.9952, 0.0002)},
        OWN: {"score": (9.623, 0.01), "accuracy": (0.9985, 0.001)},
    },
    "5ba3850f5a7a2a6d7b8353c0002e29b5e4fa3503ecb4180fe55d134c84320e4b": {
        "cifar10 test": {"score": (7.095, 0.005), "frechet_distance": (0.01826, 0.001), "accuracy": (0.8539, 0.0005)}
    },
}


def score(
    source: str | None,
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
    second: str | None = None,
    classes: int | None = None,
    write_statistics: str | None = None,
) -> None:
    """Score a set of images.

    Args:
        source: The images; None only writes statistics.
        real: Images to compare with, or a file of their statistics, or None.
        held_out: Other real images that get the same scores, or None.
        inception: Weights, or None.
        protocol: As for ``load_inception``.
        classifier: Weights, or None: of a data set named in ``real``, the shipped ones, if ``inception`` is None, too.
        scores: Names of families; none lists them.
        num_samples: How many of the images to score, chosen at random; None takes all.
        splits: As for ``Protocol``, and so are the next two.
        subset_size: Samples in a subset.
        seed: Of everything random.
        output: JSON file to write.
        second: As ``real``.
        classes: Of an ``.onnx`` generator that takes labels and does not say it.
        write_statistics: File for the statistics of ``real``, or None.
    """
    if not scores:
        of_classes = "some of these, of each class"
        for name, family in scoring.FAMILIES.items():
            print(f"{name:20}{', '.join(family.keys) or of_classes}")
        return
    if real and second:
        raise InputError(f"{second} and --real {real}: name one set of images to compare with.")
    real = real or second
    if classifier is None and inception is None:
        classifier = _shipped_classifier(real)
    precomputed = statistics.read(real) if real and statistics.holds(real) else None
    if precomputed and classifier is None and inception is None:
        raise InputError(f"{real}: statistics of a network's features; add that network, --classifier or --inception.")
    compared = images.read(real) if real and precomputed is None else None
    if write_statistics:
        _write_statistics(write_statistics, compared, inception, protocol, classifier)
    if source is None:
        if not write_statistics:
            raise InputError("Name the images to score: ppsci-gan score IMAGES --real IMAGES.")
        return
    generated = _read(source, num_samples, seed, classes)
    evaluation = ImageEvaluation(
        scores,
        len(generated.data),
        Protocol(splits=splits, subset_size=subset_size, seed=seed),
        compared,
        images.read(held_out) if held_out else None,
        inception,
        classifier,
        protocol,
        precomputed,
    )
    evaluation.report(evaluation.score(generated), output, of=generated.name)


def _read(source: str, number: int | None, seed: int, classes: int | None) -> Images:
    if Path(source).suffix == ".onnx":
        return onnx_generator.sample(source, DRAWN if number is None else number, seed, classes)
    return _some(images.read(source)._replace(labels=None), number, seed)


def _shipped_classifier(real: str | None) -> str | None:
    """Return the weights of the shipped classifier of a data set that is named; None for other images."""
    name = (real or "").partition(":")[0].removesuffix("-test")
    return f"pretrained/classifier_{name}.safetensors" if name in images.DATA_SETS else None


def _write_statistics(
    path: str, real: Images | None, inception: str | None, protocol: str, classifier: str | None
) -> None:
    if real is None:
        raise InputError(f"--write-statistics {path}: name the images that they are of, as --real.")
    if (inception is None) == (classifier is None):
        raise InputError(f"--write-statistics {path}: give one network, --inception FILE or --classifier FILE.")
    network = extractor.load_classifier(classifier) if classifier else extractor.load_inception(inception, protocol)
    statistics.write(path, network, real)
    logger.message(f"Statistics of {real.name}: {path}; compare with --real {path}")


def self_test(data: str | None, inception: str | None, classifier: str | None, num_samples: int | None) -> None:
    """Score what is known and compare with known values; ends with exit code 1 where they differ.

    Args:
        data: ``mnist`` or ``cifar10``, or with a path as ``mnist:PATH``, whose real images are scored; None scores
            images of a generator that comes with the package.
        inception: Weights, or None.
        classifier: Weights, or None for the shipped ones.
        num_samples: Of the training images, for Inception; known values are of all.
    """
    protocol = Protocol()
    if data is None:
        if inception is not None or classifier is not None:
            raise InputError("Weights of a network are tested on real images: name mnist or cifar10.")
        own = extractor.load_classifier("pretrained/classifier_mnist.safetensors")
        drawn = Images(OWN, trained.load(OWN).sample(2000), np.arange(2000) % 10)
        pairs = [(NetworkScorer(own, ["score"], protocol), drawn)]
    else:
        pairs = _real_pairs(data, inception, classifier, num_samples, protocol)
    # All are computed, also after one that is wrong.
    right = [_compare(scorer, part) for scorer, part in pairs]
    if not all(right):
        logger.error("Other weights, other data, or this installation computes something else.")
        sys.exit(1)


def _real_pairs(
    data: str, inception: str | None, classifier: str | None, num_samples: int | None, protocol: Protocol
) -> list[tuple[NetworkScorer, Images]]:
    """Return the networks to test, each with the real images that it scores."""
    name, colon, path = data.partition(":")
    if name not in images.DATA_SETS:
        raise InputError(f"{data}: give {' or '.join(f'{known} or {known}:PATH' for known in images.DATA_SETS)}.")
    train, test = images.read(data), images.read(f"{name}-test{colon}{path}")
    own = extractor.load_classifier(classifier or _shipped_classifier(data))
    pairs = [(NetworkScorer(own, ["score", "frechet_distance"], protocol, train), test)]
    if inception is None:
        logger.message(f"Without --inception the literature's network is not tested. {SOURCE}")
    else:
        network = extractor.load_inception(inception)
        part = _some(train._replace(labels=None), num_samples, protocol.seed)
        pairs.append((NetworkScorer(network, ["score"], protocol), part))
    return pairs


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


def main(program: str = "python -m ppsci_gan.commands.score", arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run the command.

    Args:
        program: What the commands are called.
        arguments: By default those of the process.
    """
    parser = argparse.ArgumentParser(program, description=__doc__.partition(":")[0])
    commands = parser.add_subparsers(required=True)
    networks = argparse.ArgumentParser(add_help=False)
    networks.add_argument("--inception", metavar="FILE", help="Inception weights: .pth, .safetensors or a URL")
    networks.add_argument(
        "--classifier", metavar="FILE", help="by default, without --inception, the shipped one of a named data set"
    )
    networks.add_argument("--device", default="auto", help="auto, cpu, gpu, npu or xpu, with an optional :index")
    networks.add_argument("--num-samples", type=int, metavar="N", help="how many of the images, by default all")
    _add_score(commands.add_parser("score", parents=[networks], help="score images"))
    test = commands.add_parser("self-test", parents=[networks], help="compare scores with known values")
    test.add_argument(
        "data", nargs="?", help=f"real images: mnist, cifar10, or mnist:PATH; by default what {OWN} draws is scored"
    )
    test.set_defaults(command=self_test)

    given = vars(parser.parse_args(arguments))
    command = explain_errors(given.pop("command"))
    explain_errors(device.set_up)(given.pop("device"))
    command(**given)


def _add_score(one: argparse.ArgumentParser) -> None:
    one.add_argument("source", nargs="?", metavar="IMAGES", help=SOURCES)
    one.add_argument("second", nargs="?", metavar="REAL", help="as --real")
    one.add_argument(
        "--real",
        metavar="IMAGES",
        help="real images to compare with, in any of these forms, or a file of --write-statistics or pytorch-fid",
    )
    one.add_argument("--held-out", metavar="IMAGES", help="other real images, which get the same scores to compare")
    families = list(scoring.FAMILIES)
    one.add_argument(
        "--scores",
        nargs="*",
        choices=families,
        default=families,
        metavar="NAME",
        help="by default all that are possible; without a name, list them",
    )
    one.add_argument("--classes", type=int, metavar="N", help="of an .onnx generator that does not say it")
    one.add_argument("--write-statistics", metavar="FILE", help="of the real images, for --real another time (.npz)")
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


if __name__ == "__main__":
    main()
