"""Iterations in Paddle: as a script's solver runs them, and in a bare loop."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import paddle
from hydra import compose
from hydra import initialize_config_dir
from inputs import DataSets
from omegaconf import DictConfig
from workloads import Workload

from ppsci_gan import cli
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import latent
from ppsci_gan.training.solver import AdversarialSolver

CONSOLE = open(os.devnull, "w")  # noqa: SIM115 - where the log's lines go beside its file, as long as the process runs


def quiet():
    """Return the context in which to set up a logger that is to write nothing but its file."""
    return contextlib.redirect_stdout(CONSOLE)


class Built(Exception):
    """A script has come to its training."""


def example(script: str):
    """Import a script of ``examples/`` as running it would.

    The modules of its folder are forgotten once it has imported them: another folder may have some of the same name.
    """
    folder, _, name = script.partition("/")
    path = REPOSITORY / "examples" / folder
    before = set(sys.modules)
    with mock.patch.object(sys, "path", [str(path), *sys.path]):
        module = importlib.import_module(name)
    for name in set(sys.modules) - before:
        if (REPOSITORY / "examples") in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]
    return module


def load_script(workload: Workload) -> str:
    """Return the path of a workload's script."""
    return str(REPOSITORY / "examples" / f"{workload.script}.py")


def configuration(workload: Workload, data: DataSets, overrides: Sequence[str] = ()) -> DictConfig:
    """Return the real configuration of an example, without evaluation and pictures in between.

    Args:
        workload: Which.
        data: Where its data set is, and its output goes.
        overrides: Further ones.
    """
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose(workload.script.rpartition("/")[2], [*settings(workload, data), *overrides])


def settings(workload: Workload, data: DataSets) -> list[str]:
    """Return the overrides with which a workload's iterations are timed."""
    fixed = ["device=cpu", f"output_dir={data.new_folder()}", "TRAIN.sample_freq=0", "TRAIN.eval_during_train=false"]
    if workload.data:
        fixed.append(f"DATA.data_path={data.path(workload.data)}")
    return [*fixed, *workload.overrides]


def asked(workload: Workload, options: Namespace) -> list[str]:
    """Return the overrides that the command line asks for: ``small`` networks, and those of ``set``."""
    return [*(workload.small if options.small else []), *options.set]


def build_solver(workload: Workload, cfg: DictConfig) -> AdversarialSolver:
    """Return the solver that a script would train: everything up to ``solver.train()`` is the script's own."""
    with quiet():
        cli.InitCallback().on_job_start(cfg)
    script = example(workload.script)
    built = []

    def stop(solver):
        built.append(solver)
        raise Built

    with mock.patch.object(AdversarialSolver, "train", stop), contextlib.suppress(Built):
        script.train(cfg)
    (solver,) = built
    solver._try_stages()  # as train() begins
    solver.model.train()
    return solver


class ThroughSolver:
    """Iterations as training runs them, with data and log."""

    name = "solver"

    def __init__(self, solver: AdversarialSolver):
        self.solver = solver

    def run(self, iterations: int) -> None:
        solver = self.solver
        solver.max_steps = solver.global_step + iterations
        solver.train_epoch_func(solver, sys.maxsize // solver.iters_per_epoch, solver.log_freq)


class BareLoop:
    """The same arithmetic with nothing around it: one batch of real data, no log, no schedule, no average."""

    name = "bare loop"

    def __init__(self, solver: AdversarialSolver):
        self.generator = solver.generator
        self.phases = solver.stages[0].phases
        order = {name: next(order) for name, order in solver.order.items()}
        self.batches = {phase.name: phase.read(order.get(phase.name)) for phase in self.phases}
        self.updates = {phase.name: 0 for phase in self.phases}

    def run(self, iterations: int) -> None:
        for _ in range(iterations):
            for phase in self.phases:
                for _ in range(phase.updates):
                    loss = self._update(phase)
        float(loss)

    def _update(self, phase) -> paddle.Tensor:
        outputs, labels = self.batches[phase.name]
        inputs = latent.sample(self.generator, phase.batch_size, labels.get("labels"))
        others = [value for value in self._others(phase) if not value.stop_gradient]
        for value in others:
            value.stop_gradient = True
        with paddle.set_grad_enabled(phase.player is self.generator):
            generated = self.generator(inputs)
        labels = {**labels, **{key: value for key, value in inputs.items() if key == "labels"}}
        loss = phase.loss({**outputs, **generated, "update": self.updates[phase.name]}, labels)["loss"]
        loss.backward()
        phase.optimizer.step()
        phase.optimizer.clear_grad(set_to_zero=False)
        for value in others:
            value.stop_gradient = False
        self.updates[phase.name] += 1
        return loss

    def _others(self, phase) -> list[paddle.Tensor]:
        players = {id(other.player): other.player for other in self.phases if other.player is not phase.player}
        return [value for player in players.values() for value in player.parameters()]
