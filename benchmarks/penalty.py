"""The gradient penalty written out (LOSS.penalty_gradient=explicit) against the twice differentiated one, in time."""

from __future__ import annotations

import statistics
from argparse import Namespace

import paddle
from alternation import alternate
from alternation import ratio
from inputs import DataSets
from ours import asked
from ours import build_solver
from ours import configuration
from workloads import named

from ppsci_gan.losses import gradient_penalty

HEADING = "gradient penalty, written out"
WITH_PENALTY = ("toy", "mnist", "cifar10_dcgan", "cifar10_resnet", "pgan_32", "transfer_64")


class Penalty:
    """The penalty of a batch and the gradients of the critic's parameters.

    Args:
        critic: The network.
        real: Samples; others of their shape are generated ones.
        explicit: Whether the critic's gradient is written out.
    """

    def __init__(self, critic: paddle.nn.Layer, real: paddle.Tensor, explicit: bool):
        self.name = "explicit" if explicit else "autograd"
        self.critic, self.real, self.fake, self.explicit = critic, real, paddle.randn(real.shape), explicit

    def run(self, iterations: int) -> None:
        for _ in range(iterations):
            penalty = gradient_penalty(self._score, self.real, self.fake, explicit=self.explicit)
            penalty.backward()
            self.critic.clear_gradients(set_to_zero=False)

    def _score(self, samples):
        return self.critic({"data": samples})["score"]


def measure(data: DataSets, options: Namespace) -> dict:
    """Time the penalties of all critics that have one.

    Args:
        data: Where data sets are.
        options: ``rounds``, measurements of each way, ``small`` and ``set``.
    """
    result = {}
    for name in WITH_PENALTY:
        workload = named(name)
        solver = build_solver(workload, configuration(workload, data, asked(workload, options)))
        real = solver.phases[0].read(next(solver.order["critic"]))[0]["real_data"]
        contestants = [Penalty(solver.players["critic"], real, explicit) for explicit in (True, False)]
        times = alternate(contestants, options.rounds, least=0.0 if options.small else 0.2)
        medians = {way: statistics.median(values) for way, values in times.items()}
        result[name] = {"title": workload.title, "medians": medians, **ratio(times["explicit"], times["autograd"])}
    return result


def lines(result: dict) -> list[str]:
    """Return rows of the table."""
    return [
        f"{found['title']:<42}{found['medians']['explicit']:>9.4f} s, autograd {found['medians']['autograd']:.4f}: "
        f"ratio {found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        for found in result.values()
    ]
