"""Training iterations of PGAN at every scale, in Paddle and in PyTorch with the same networks, in images per second.

Both run in this process, in turn, with as many threads, so that a busy machine slows both; medians are compared. Where
PyTorch is not installed (pip install torch), Paddle's figures stand alone.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time

import paddle

from ppsci_gan import device
from ppsci_gan.files import REPOSITORY
from ppsci_gan.losses import WassersteinGP

sys.path[:0] = [str(REPOSITORY / "examples" / "pgan"), str(REPOSITORY / "benchmarks")]
networks = importlib.import_module("model")

DEPTHS, LATENT, BATCH = [64, 64, 48, 32], 128, 16  # of preset=cifar10
RATE, BETAS, EPSILON, DRIFT = 2e-3, (0.0, 0.99), 1e-8, 1e-3


def players():
    """Return a generator and a critic."""
    paddle.seed(0)
    generator = networks.PganGenerator(("noise",), ("fake_data",), DEPTHS, LATENT)
    return generator, networks.PganDiscriminator(("data",), ("score",), DEPTHS)


class InPaddle:
    """An iteration as the script's solver runs it."""

    name = "Paddle"

    def __init__(self):
        self.players = self.generator, self.critic = players()
        self.objective = WassersteinGP(self.critic, drift=DRIFT)
        self.optimizers = [
            paddle.optimizer.Adam(RATE, *BETAS, EPSILON, parameters=player.parameters()) for player in self.players
        ]

    def grow(self, scale: int) -> None:
        for player in self.players:
            player.grow(scale)
        size = networks.FIRST * 2**scale
        self.real = paddle.uniform([BATCH, 3, size, size], min=-1, max=1)

    def iterate(self) -> None:
        self._update(self.critic, self.optimizers[1], self.objective.critic_loss)
        self._update(self.generator, self.optimizers[0], self.objective.generator_loss)

    def _update(self, player, optimizer, loss) -> None:
        other = self.generator if player is self.critic else self.critic
        for parameter in other.parameters():
            parameter.stop_gradient = True
        fake = self.generator({"noise": paddle.randn([BATCH, LATENT])})["fake_data"]
        value = loss({"real_data": self.real, "fake_data": fake, "update": 0}, {}, {})["loss"]
        value.backward()
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
        for parameter in other.parameters():
            parameter.stop_gradient = False
        value.item()


class InTorch:
    """The same in PyTorch."""

    name = "PyTorch"

    def __init__(self):
        import pgan_in_torch
        import torch

        self.torch, self.networks = torch, pgan_in_torch
        torch.manual_seed(0)
        self.states = [self._learnable(player) for player in players()]
        self.optimizers = [torch.optim.Adam(state.values(), RATE, BETAS, EPSILON) for state in self.states]

    def _learnable(self, player) -> dict:
        state = self.networks.state_of(player)
        return {name: value.requires_grad_() for name, value in state.items() if value.is_floating_point()}

    def grow(self, scale: int) -> None:
        size = networks.FIRST * 2**scale
        self.scale = scale
        self.real = self.torch.rand([BATCH, 3, size, size]) * 2 - 1

    def generate(self):
        return self.networks.generator(self.states[0], self.torch.randn(BATCH, LATENT), None, self.scale, 1.0)

    def judge(self, images):
        return self.networks.critic(self.states[1], images, self.scale, 1.0)[0]

    def iterate(self) -> None:
        torch = self.torch
        with torch.no_grad():
            fake = self.generate()
        of_real = self.judge(self.real)
        share = torch.rand(BATCH, 1, 1, 1)
        mixed = (self.real + share * (fake - self.real)).requires_grad_()
        (gradient,) = torch.autograd.grad(self.judge(mixed).sum(), mixed, create_graph=True)
        penalty = 10 * ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
        self._step(1, self.judge(fake).mean() - of_real.mean() + penalty + DRIFT * (of_real**2).mean())
        for value in self.states[1].values():
            value.requires_grad_(False)
        self._step(0, -self.judge(self.generate()).mean())
        for value in self.states[1].values():
            value.requires_grad_()

    def _step(self, player: int, loss) -> None:
        loss.backward()
        self.optimizers[player].step()
        self.optimizers[player].zero_grad()
        loss.item()


def main(repetitions: int):
    device.tune_cpu()
    print(f"device: {device.select('cpu')}, depths {DEPTHS}, batches of {BATCH}")
    candidates = [InPaddle()]
    if importlib.util.find_spec("torch"):
        candidates.append(InTorch())
        threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
        candidates[1].torch.set_num_threads(threads)
        print(f"{threads} threads, PyTorch {candidates[1].torch.__version__}, Paddle {paddle.__version__}")
    else:
        print("PyTorch is not installed here, so there is nothing to compare with.")
    for scale in range(len(DEPTHS)):
        times = {candidate.name: [] for candidate in candidates}
        for candidate in candidates:
            candidate.grow(scale)
        for _ in range(repetitions + 2):
            for candidate in candidates:
                start = time.perf_counter()
                candidate.iterate()
                times[candidate.name].append(time.perf_counter() - start)
        speeds = {name: BATCH / statistics.median(values[2:]) for name, values in times.items()}  # the first set up
        size = networks.FIRST * 2**scale
        line = ", ".join(f"{name} {speed:6.0f} images/s" for name, speed in speeds.items())
        ratio = f": ratio {speeds['Paddle'] / speeds['PyTorch']:.2f}" if len(speeds) > 1 else ""
        print(f"{size:>3} x {size:<3} {line}{ratio}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=15)
    main(**vars(parser.parse_args()))
