"""The 2-D points trained as PaddleScience's own example does: two ``ppsci.solver.Solver``, each trained in turn.

Its generator draws the noise inside its forward pass, both players' gradients are computed in either's update, and
every turn is a training of its own, with its log and its checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import paddle
import ppsci
from omegaconf import DictConfig
from paddle import nn

from ppsci_gan.data import toy
from ppsci_gan.files import REPOSITORY


class Points(ppsci.arch.Arch):
    """Three hidden layers, of Paddle's own.

    Args:
        keys: Names of the input and of the output.
        dim: Width of the hidden layers.
        outputs: Of the last layer.
    """

    def __init__(self, keys: tuple[str, str], dim: int, outputs: int):
        super().__init__()
        self.input_keys, self.output_keys = keys[:1], keys[1:]
        hidden = [part for inputs in (2, dim, dim) for part in (nn.Linear(inputs, dim), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(dim, outputs))

    def forward(self, x):
        return {self.output_keys[0]: self.layers(x[self.input_keys[0]])}


class Drawing(Points):
    """A generator of points that draws its noise.

    Args:
        dim: Width of the hidden layers.
        batch_size: Points at a time.
    """

    def __init__(self, dim: int, batch_size: int):
        super().__init__(("data", "fake_data"), dim, 2)
        self.batch_size = batch_size

    def forward(self, x):
        return super().forward({"data": paddle.randn([self.batch_size, 2])})


class TwoSolvers:
    """One iteration trains the critic's solver for ``n_critic`` iterations, then the generator's for one.

    Args:
        cfg: Of ``conf/wgangp_toy.yaml``.
        folder: For the solvers' output.
    """

    name = "two Solvers"

    def __init__(self, cfg: DictConfig, folder: Path):
        generator = Drawing(cfg.MODEL.gen_net.dim, cfg.TRAIN.batch_size)
        self.critic = Points(("data", "score"), cfg.MODEL.dis_net.dim, 1)
        self.penalty_weight = cfg.LOSS.penalty_weight
        adam = ppsci.optimizer.Adam(cfg.TRAIN.lr_scheduler_gen.learning_rate, **cfg.TRAIN.optimizer)
        self.optimizers = adam(self.critic), adam(generator)
        turns = (("critic", self.critic_loss, cfg.TRAIN.n_critic), ("generator", self.generator_loss, 1))
        self.solvers = []
        for (name, loss, iterations), optimizer in zip(turns, self.optimizers):
            real = {"real_data": lambda values: values["data"]} if name == "critic" else None
            constraint = ppsci.constraint.SupervisedConstraint(
                self._data(cfg), ppsci.loss.FunctionalLoss(loss), real, name=name
            )
            options = {"optimizer": optimizer, "epochs": 1, "iters_per_epoch": iterations}
            self.solvers.append(ppsci.solver.Solver(generator, {name: constraint}, str(folder / name), **options))

    @staticmethod
    def _data(cfg: DictConfig) -> dict:
        points = toy.sample(cfg.DATA.name, cfg.DATA.num_samples, cfg.seed)
        return {
            "dataset": {"name": "NamedArrayDataset", "input": {"data": points}},
            "sampler": {"name": "BatchSampler", "shuffle": True, "drop_last": True},
            "batch_size": cfg.TRAIN.batch_size,
            "num_workers": 0,
        }

    def run(self, iterations: int) -> None:
        for _ in range(iterations):
            for solver, other in zip(self.solvers, reversed(self.optimizers)):
                solver.train()
                other.clear_grad()

    def critic_loss(self, outputs, *_):
        real, fake = outputs["real_data"], outputs["fake_data"]
        between = real + paddle.rand([len(real), 1]) * (fake - real)
        (gradient,) = paddle.grad(self.score(between), between, create_graph=True)
        penalty = ((paddle.sqrt((gradient**2).sum(axis=1)) - 1) ** 2).mean()
        return {"of_critic": self.score(fake).mean() - self.score(real).mean() + self.penalty_weight * penalty}

    def generator_loss(self, outputs, *_):
        return {"of_generator": -self.score(outputs["fake_data"]).mean()}

    def score(self, points):
        return self.critic({"data": points})["score"]


class InOwnProcess:
    """The same with Paddle's settings as they are without this suite: one thread, and whatever path MKL takes.

    Args:
        environment: That a user would have.
        overrides: Of ``conf/wgangp_toy.yaml``.
        folder: For what it writes.
    """

    name = "two Solvers, untuned"

    def __init__(self, environment: dict[str, str], overrides: list[str], folder: Path):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(folder), *overrides],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, iterations: int) -> None:
        print(iterations, file=self.process.stdin, flush=True)
        if self.process.stdout.readline().strip() != "done":
            raise RuntimeError(f"The process of the two Solvers has ended with {self.process.wait()}.")

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def serve(folder: Path, overrides: list[str]) -> None:
    """Run as many iterations as every line of the input says, until it ends."""
    from hydra import compose
    from hydra import initialize_config_dir

    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as console, contextlib.redirect_stdout(console):
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
            cfg = compose("wgangp_toy", [f"output_dir={folder}", *overrides])
        solvers = TwoSolvers(cfg, folder)
        for line in sys.stdin:
            solvers.run(int(line))
            print("done", file=answers, flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
