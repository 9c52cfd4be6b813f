"""Iterations in PyTorch of the same networks, from the same weights."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from omegaconf import DictConfig
from omegaconf import OmegaConf
from peers import losses
from peers import training
from torch.utils.flop_counter import FlopCounterMode
from workloads import Workload

from ppsci_gan.training.solver import AdversarialSolver

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class InTorch:
    """One batch of real data, no log: at least what is computed through our solver, and less around it."""

    def __init__(self, workload: Workload, solver: AdversarialSolver, cfg: DictConfig, layout: str):
        self.name = f"PyTorch {layout}"
        self.trainer = trainer(workload, solver, cfg, layout)
        self.batch = batch(workload, solver, layout)

    def run(self, iterations: int) -> None:
        for _ in range(iterations):
            self.trainer.iterate(lambda: self.batch)

    def operations(self) -> int:
        """Return the floating-point operations of an iteration's matrix products and convolutions."""
        with FlopCounterMode(display=False) as counter:
            self.run(1)
        return counter.get_total_flops()


def batch(workload: Workload, solver: AdversarialSolver, layout: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return real data and labels as the solver's critic sees them, as images where they are.

    Args:
        workload: Which.
        solver: Has the data.
        layout: One of ``LAYOUTS``.
    """
    phase = next(phase for phase in solver.phases if phase.dataset is not None)
    outputs, labels = phase.read(next(solver.order[phase.name]))
    real = samples(workload, outputs["real_data"])
    if real.dim() == 4:
        real = real.to(memory_format=LAYOUTS[layout])
    return real, torch.tensor(labels["labels"].numpy()) if "labels" in labels else None


def samples(workload: Workload, values) -> torch.Tensor:
    """Return samples of ours as the networks in PyTorch take them."""
    found = torch.tensor(values.numpy())
    return found.view(-1, *workload.shape) if workload.shape else found


def trainer(
    workload: Workload, solver: AdversarialSolver, cfg: DictConfig, layout: str = "contiguous", **options
) -> training.Trainer:
    """Return the trainer of a solver's networks, from their present weights.

    Args:
        workload: Which.
        solver: Has the networks.
        cfg: Its configuration.
        layout: One of ``LAYOUTS``.
        **options: Of ``peers.training.copy_state``: device and type.
    """
    generator, critic = solver.players["generator"], next(p for n, p in solver.players.items() if n != "generator")
    states = [
        training.copy_state(player.state_dict(), memory_format=LAYOUTS[layout], **options)
        for player in (generator, critic)
    ]
    peer = importlib.import_module(f"peers.{workload.peer}")
    generate, judge = peer.generator, peer.critic
    if workload.peer == "pgan":
        both = {"scale": generator.scale, "fade": generator.fade}
        both |= {key: cfg.MODEL.gen_net[key] for key in ("scale_bias", "he_everywhere")}
        consecutive = cfg.MODEL.dis_net.consecutive_groups
        generate = functools.partial(generate, **both)
        judge = functools.partial(judge, **both, consecutive_groups=consecutive)
    if workload.peer == "dcgan":
        classes = cfg.MODEL.gen_net.label_num
        generate = functools.partial(generate, image_size=tuple(cfg.MODEL.gen_net.image_size), classes=classes)
        judge = functools.partial(judge, classes=classes)
    draws = training.Draws(cfg.seed, options.get("device", "cpu"), options.get("dtype", torch.float32))
    return training.Trainer(generate, judge, *states, compute_losses(workload, cfg), settings(solver, cfg), draws)


def compute_losses(workload: Workload, cfg: DictConfig):
    """Return the losses that a configuration asks for."""
    found = loss_settings(cfg)
    return getattr(losses, found["name"])(**found["settings"])


def loss_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the name of the losses' class in ``peers.losses``, and its settings."""
    given = OmegaConf.to_container(cfg.LOSS, resolve=True)
    if given["objective"] != "wasserstein":
        return {"name": "Adversarial", "settings": {key: given[key] for key in ("objective", "real_target")}}
    for key in ("objective", "real_target", "instance_noise", "penalty_gradient"):
        given.pop(key)
    return {"name": "WassersteinGP", "settings": given}


def settings(solver: AdversarialSolver, cfg: DictConfig) -> training.Settings:
    """Return what an iteration is."""
    of_critic, of_generator = solver.stages[0].phases
    rates = [(phase.optimizer.get_lr(), phase.scheduler) for phase in (of_generator, of_critic)]
    return training.Settings(
        latent_dim=solver.generator.latent_dim,
        label_num=solver.generator.label_num,
        batch_size=of_generator.batch_size,
        n_critic=of_critic.updates,
        n_gen=of_generator.updates,
        betas=(cfg.TRAIN.optimizer.beta1, cfg.TRAIN.optimizer.beta2),
        rates=tuple(rate for rate, _ in rates),
        end_rates=tuple(schedule.end_lr if schedule else rate for rate, schedule in rates),
        iterations=cfg.TRAIN.epochs * cfg.TRAIN.iters_per_epoch if rates[0][1] else 0,
        decay=cfg.TRAIN.ema.decay if cfg.TRAIN.ema.use_ema else None,
    )
