"""The gradient penalty written out (LOSS.penalty_gradient=explicit) against the twice differentiated one, in time.

Both run in this process, in turn, so that a busy machine slows both; the ratio of medians is the result.
"""

import argparse
import importlib
import statistics
import sys
import time

import paddle

from ppsci_gan import device
from ppsci_gan import losses
from ppsci_gan.files import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "examples" / "wgangp"))
networks = importlib.import_module("model")

KEYS = ("data",), ("score",)
CRITICS = {
    "points, 512 wide, batch 256": (networks.WganGpToyDiscriminator(*KEYS, 512), [256, 2]),
    "MNIST, 32 channels": (networks.WganGpMnistDiscriminator(*KEYS, 32), [32, 784]),
    "CIFAR-10 residual, 32 channels": (networks.WganGpCifar10Discriminator(*KEYS, 32), [32, 3072]),
    "CIFAR-10 DCGAN-shaped, 32 channels": (networks.WganGpCifar10DcganDiscriminator(*KEYS, 32), [32, 3072]),
}


def seconds(critic, real, fake, explicit: bool) -> float:
    """Return how long the penalty and its gradients take."""
    start = time.perf_counter()
    penalty = losses.gradient_penalty(lambda x: critic({"data": x})["score"], real, fake, explicit=explicit)
    penalty.backward()
    penalty.item()  # waits for the device
    critic.clear_gradients()
    return time.perf_counter() - start


def main(repetitions: int):
    device.tune_cpu()
    print(f"device: {device.select()}")
    for name, (critic, shape) in CRITICS.items():
        real, fake = paddle.randn(shape), paddle.randn(shape)
        times = {False: [], True: []}
        for _ in range(repetitions + 1):
            for explicit, measured in times.items():
                measured.append(seconds(critic, real, fake, explicit))
        autograd, explicit = (statistics.median(measured[1:]) for measured in times.values())  # the first sets up
        both = f"autograd {1000 * autograd:7.1f} ms, explicit {1000 * explicit:7.1f} ms"
        print(f"{name:<36} {both}: ratio {explicit / autograd:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=15)
    main(**vars(parser.parse_args()))
