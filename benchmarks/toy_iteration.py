"""What the solver costs: a toy iteration through it against a bare Paddle loop of the same arithmetic.

Both run in this process, in turn, so that a busy machine slows both; the ratio of medians is the result.
"""

import argparse
import importlib
import statistics
import sys
import tempfile
import time

import paddle
import ppsci
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan import device
from ppsci_gan import solver as adversarial
from ppsci_gan.data import toy
from ppsci_gan.files import REPOSITORY
from ppsci_gan.losses import WassersteinGP
from ppsci_gan.phases import Phase

sys.path.insert(0, str(REPOSITORY / "examples" / "wgangp"))
networks = importlib.import_module("model")


def solver_loop(cfg):
    """Return a function that trains for some iterations through the solver, logging included."""
    generator = networks.WganGpToyGenerator(**cfg.MODEL.gen_net)
    critic = networks.WganGpToyDiscriminator(**cfg.MODEL.dis_net)
    objective = WassersteinGP(critic, **cfg.LOSS)
    critic_loss = ppsci.loss.FunctionalLoss(objective.critic_loss)
    constraint = ppsci.constraint.SupervisedConstraint(
        {
            "dataset": {"name": "NamedArrayDataset", "input": {"data": toy.sample(cfg.DATA.name, 100_000, 0)}},
            "batch_size": cfg.TRAIN.batch_size,
            "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
        },
        critic_loss,
        {"real_data": lambda batch: batch["data"]},
        name="critic",
    )
    adam = ppsci.optimizer.Adam(1e-4, **cfg.TRAIN.optimizer)
    phases = [
        Phase("critic", critic, adam(critic), critic_loss, cfg.TRAIN.batch_size, cfg.TRAIN.n_critic),
        Phase(
            "generator",
            generator,
            adam(generator),
            ppsci.loss.FunctionalLoss(objective.generator_loss),
            cfg.TRAIN.batch_size,
        ),
    ]
    solver = adversarial.AdversarialSolver(generator, phases, {constraint.name: constraint}, cfg=cfg)
    solver.max_steps = solver.epochs * solver.iters_per_epoch
    solver._open_data()

    def run(iterations):
        solver.iters_per_epoch, solver.max_steps = iterations, solver.global_step + iterations
        solver.train_epoch_func(solver, solver.max_steps // iterations, iterations)

    return run


def bare_loop(cfg):
    """Return a function that trains for some iterations with nothing but Paddle."""

    def network(outputs):
        widths = [2, cfg.MODEL.gen_net.dim, cfg.MODEL.gen_net.dim, cfg.MODEL.gen_net.dim]
        layers = [part for i, o in zip(widths, widths[1:]) for part in (paddle.nn.Linear(i, o), paddle.nn.ReLU())]
        return paddle.nn.Sequential(*layers, paddle.nn.Linear(widths[-1], outputs))

    generator, critic = network(2), network(1)
    betas = {"beta1": cfg.TRAIN.optimizer.beta1, "beta2": cfg.TRAIN.optimizer.beta2}
    generator_step = paddle.optimizer.Adam(1e-4, parameters=generator.parameters(), **betas)
    critic_step = paddle.optimizer.Adam(1e-4, parameters=critic.parameters(), **betas)
    data, size = paddle.to_tensor(toy.sample(cfg.DATA.name, 100_000, 0)), cfg.TRAIN.batch_size

    def set_frozen(frozen):
        for parameter in critic.parameters():
            parameter.stop_gradient = frozen

    def run(iterations):
        for _ in range(iterations):
            for _ in range(cfg.TRAIN.n_critic):
                real = data[paddle.randint(0, len(data), [size])]
                with paddle.no_grad():
                    fake = generator(paddle.randn([size, 2]))
                scores = critic(paddle.concat([real, fake]))
                between = real + paddle.rand([size, 1]) * (fake - real)
                between.stop_gradient = False
                gradient = paddle.grad(critic(between).sum(), between, create_graph=True)[0]
                penalty = ((paddle.sqrt((gradient**2).sum(axis=1)) - 1) ** 2).mean()
                loss = scores[size:].mean() - scores[:size].mean() + cfg.LOSS.penalty_weight * penalty
                loss.backward()
                critic_step.step()
                critic_step.clear_grad(set_to_zero=False)
            set_frozen(True)
            loss = -critic(generator(paddle.randn([size, 2]))).mean()
            loss.backward()
            generator_step.step()
            generator_step.clear_grad(set_to_zero=False)
            set_frozen(False)

    return run


def seconds_per_iteration(run, iterations):
    start = time.perf_counter()
    run(iterations)
    return (time.perf_counter() - start) / iterations


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each loop")
    parser.add_argument("--iterations", type=int, default=10, help="iterations per measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
            cfg = compose("wgangp_toy", [f"output_dir={folder}", "TRAIN.sample_freq=0", "device=cpu"])
        device.tune_cpu()
        loops = {"solver": solver_loop(cfg), "bare loop": bare_loop(cfg)}
        times = {name: [] for name in loops}
        for _ in range(options.rounds):
            for name, run in loops.items():
                times[name].append(seconds_per_iteration(run, options.iterations))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first warms up
    for name, value in medians.items():
        print(f"{name:10} {1000 * value:7.1f} ms per iteration (median of {options.rounds - 1})")
    print(f"{'ratio':10} {medians['solver'] / medians['bare loop']:7.3f}")


if __name__ == "__main__":
    main()
