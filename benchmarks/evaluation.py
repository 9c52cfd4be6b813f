"""What scores cost: features of images by Inception and by a classifier, and samples of a generator."""

from __future__ import annotations

import importlib.util
import runpy
import time
from argparse import Namespace

import numpy as np
from alternation import alternate
from alternation import ratio
from inputs import DataSets
from ours import asked
from ours import build_solver
from ours import configuration
from workloads import named

from ppsci_gan import weights
from ppsci_gan.features import extractor
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import latent

HEADING = "evaluation"
HAS_TORCH_FIDELITY = importlib.util.find_spec("torch_fidelity") is not None
# Random weights of Inception by torch-fidelity's names, and its network without the download.
REFERENCES = REPOSITORY / "tests" / "fixtures" / "scores" / "make_references.py"


class OurFeatures:
    """Features as an evaluation computes them, an iteration a batch."""

    def __init__(self, found: extractor.Extractor, images: np.ndarray):
        self.name, self.extractor, self.images = found.name, found, images

    def run(self, iterations: int) -> None:
        for _ in range(iterations):
            self.extractor.features(self.images)


class TorchFidelity:
    """Features by torch-fidelity's network, an iteration a batch."""

    name = "torch-fidelity"

    def __init__(self, network, arrays: dict[str, np.ndarray], images: np.ndarray):
        import torch

        self.network = network
        self.network.load_state_dict({name: torch.tensor(value) for name, value in arrays.items()})
        self.images, self.no_grad = torch.from_numpy(images), torch.no_grad

    def run(self, iterations: int) -> None:
        with self.no_grad():
            for _ in range(iterations):
                self.network(self.images)


def measure(data: DataSets, options: Namespace) -> dict:
    """Return images a second of what an evaluation computes.

    Args:
        data: A place for files.
        options: ``rounds``, measurements of each, ``small`` and ``set``.
    """
    images = np.random.default_rng(0).integers(0, 256, [2 if options.small else 32, 3, 32, 32], np.uint8)
    references = runpy.run_path(str(REFERENCES))
    arrays = references["inception_weights"]()
    path = data.folder / "inception.safetensors"
    weights.save_checkpoint(path, {f"inception/{name}": value for name, value in arrays.items()}, {})
    inception = extractor.load_inception(str(path))
    contestants = [OurFeatures(inception, images)]
    if HAS_TORCH_FIDELITY:
        contestants.append(TorchFidelity(references["torch_fidelity_inception"](), arrays, images))
    times = alternate(contestants, options.rounds, least=0.0)
    result = {"images_per_second": {name: len(images) / float(np.median(values)) for name, values in times.items()}}
    if HAS_TORCH_FIDELITY:
        result["inception_ratio"] = ratio(times["torch-fidelity"], times["inception"])
    for name in ("mnist", "cifar10"):
        result["images_per_second"][f"classifier of {name}"] = _classified_per_second(name, 4 if options.small else 512)
    for name in ("mnist", "cifar10_resnet"):
        result["images_per_second"][f"samples of {name}"] = _samples_per_second(name, data, options)
    return result


def _classified_per_second(name: str, count: int) -> float:
    """Return the rate of a data set's published classifier."""
    found = extractor.load_classifier(str(REPOSITORY / "pretrained" / f"classifier_{name}.safetensors"))
    images = np.random.default_rng(0).integers(0, 256, [count, *found.image_shape], np.uint8)
    return _rate(lambda: found.features(images), count)


def _samples_per_second(name: str, data: DataSets, options: Namespace) -> float:
    """Return the rate of a workload's generator in an evaluation's batches."""
    workload = named(name)
    cfg = configuration(workload, data, asked(workload, options))
    solver = build_solver(workload, cfg)
    count = 4 if options.small else 5 * cfg.EVAL.batch_size
    inputs = latent.sample_fixed(solver.generator, count, cfg.seed)
    return _rate(lambda: solver.predict(inputs, batch_size=cfg.EVAL.batch_size, return_numpy=True), count)


def _rate(function, count: int) -> float:
    """Return how many of ``count`` a second: the best of three after a first time."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return count / min(times[1:])


def lines(result: dict) -> list[str]:
    """Return rows of the table."""
    rows = [f"{name:<42}{rate:>9.0f} images/s" for name, rate in result["images_per_second"].items()]
    if found := result.get("inception_ratio"):
        rows[0] += f", {found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f}) times torch-fidelity's"
    return rows
