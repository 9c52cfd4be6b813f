"""What is timed: which example, with which settings, and what its networks are called in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Workload(NamedTuple):
    """Iterations of one example.

    Attributes:
        name: For ``--only``.
        title: For the table.
        script: ``<folder>/<script>`` below ``examples/``; its configuration has the script's name.
        overrides: Of the configuration.
        peer: Module of ``peers`` with the same networks.
        data: Data set in files (``inputs``); None where the script makes its own.
        shape: Of an image, where our networks take rows of pixels.
        small: Overrides that make an iteration take milliseconds, for tests of the benchmark itself.
    """

    name: str
    title: str
    script: str
    overrides: Sequence[str]
    peer: str
    data: str | None = None
    shape: Sequence[int] = ()
    small: Sequence[str] = ()

    @property
    def has_images(self) -> bool:
        """Whether samples are images, not points."""
        return self.name != "toy"


def both(setting: str) -> list[str]:
    """Return the overrides of both players for a setting of the networks."""
    return [f"MODEL.gen_net.{setting}", f"MODEL.dis_net.{setting}"]


def growing(pixels: int) -> Workload:
    """Return the workload of PGAN with images of so many pixels."""
    stage = f"{{resolution:{pixels},fade_images:0,stable_images:1000000000,batch_size:16,learning_rate:2.0e-3}}"
    return Workload(
        f"pgan_{pixels}",
        f"PGAN preset=cifar10 at {pixels} px, batch 16",
        "pgan/pgan",
        ["preset=cifar10", f"TRAIN.stages=[{stage}]"],
        "pgan",
        "cifar10",
        small=["MODEL.gen_net.depths=[4,4,4,4]", "MODEL.gen_net.latent_dim=4"],
    )


WORKLOADS = [
    Workload(
        "toy",
        "points, 512 wide, batch 256",
        "wgangp/wgangp_toy",
        [],
        "toy",
        small=both("dim=8"),
    ),
    Workload(
        "mnist",
        "MNIST, dim 64, batch 50",
        "wgangp/wgangp_mnist",
        [],
        "mnist",
        "mnist",
        (1, 28, 28),
        small=[*both("dim=2"), "TRAIN.batch_size=4"],
    ),
    Workload(
        "cifar10_dcgan",
        "CIFAR-10 DCGAN-shaped, dim 64, batch 64",
        "wgangp/wgangp_cifar10",
        ["preset=dcgan", *both("dim=64")],
        "cifar10",
        "cifar10",
        (3, 32, 32),
        small=[*both("dim=2"), "TRAIN.batch_size=4"],
    ),
    Workload(
        "cifar10_resnet",
        "CIFAR-10 residual, dim 64, batch 16",
        "wgangp/wgangp_cifar10",
        ["preset=unconditional", *both("dim=64"), "TRAIN.batch_size=16"],
        "residual",
        "cifar10",
        (3, 32, 32),
        small=[*both("dim=2"), "TRAIN.batch_size=4"],
    ),
    Workload(
        "dcgan_faces",
        "DCGAN faces preset=quick, batch 64",
        "dcgan/dcgan",
        ["preset=quick", "DATA.num_samples=64"],  # they are drawn once: drawing is no part of an iteration
        "dcgan",
        small=["MODEL.gen_net.depths=[4,4]", "MODEL.dis_net.depths=[4,4]", "TRAIN.batch_size=4", "DATA.num_samples=50"],
    ),
    *(growing(pixels) for pixels in (4, 8, 16, 32)),
    Workload(
        "transfer_64",
        "TransferGAN at 64 px, dim 16, batch 16",
        "transfergan/transfergan",
        ["DATA.name=faces", "DATA.num_samples=64", "TRANSFER.load=none", *both("dim=16")],
        "residual",
        shape=(3, 64, 64),
        small=[*both("dim=2"), "TRAIN.batch_size=4", "DATA.num_samples=50"],
    ),
]


def named(name: str) -> Workload:
    """Return the workload of a name."""
    return next(workload for workload in WORKLOADS if workload.name == name)
