"""Stages of a training whose phases change, such as with more critic updates at the beginning."""

import pytest
from hydra import compose
from hydra import initialize_config_dir
from ppsci.data.dataset import NamedArrayDataset

from ppsci_gan import weights
from ppsci_gan.data import toy
from ppsci_gan.files import REPOSITORY
from ppsci_gan.losses import Objective
from ppsci_gan.networks.wgangp import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp import WganGpToyGenerator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training import Stage
from ppsci_gan.training.optimizers import adam

TINY = [
    "device=cpu",
    "MODEL.gen_net.dim=4",
    "MODEL.dis_net.dim=4",
    "TRAIN.epochs=2",
    "TRAIN.iters_per_epoch=4",
    "TRAIN.eval_during_train=false",
    "TRAIN.sample_freq=0",
]


@pytest.fixture
def warming_up(tmp_path):
    """``warming_up(folder)`` is a solver with three critic updates an iteration, and after two iterations with one."""

    def build(folder, *overrides):
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
            cfg = compose("wgangp_toy", [*TINY, f"output_dir={tmp_path / folder}", *overrides])
        generator, critic = WganGpToyGenerator(**cfg.MODEL.gen_net), WganGpToyDiscriminator(**cfg.MODEL.dis_net)
        dataset = NamedArrayDataset({"data": toy.sample("8gaussians", 64, seed=0)}, {})
        objective = Objective.from_settings(critic, **cfg.LOSS)
        of_critic, of_generator = (adam(player, 2, 4, 1e-3, 0.0, 0.5, 0.9) for player in (critic, generator))

        def phases(n_critic):
            return [
                Phase("critic", critic, of_critic, objective.critic_loss, 8, n_critic, dataset, lambda x: x["data"]),
                Phase("generator", generator, of_generator, objective.generator_loss, 8),
            ]

        stages = [Stage("start", 2, phases(3)), Stage("rest", 6, phases(1))]
        return AdversarialSolver(generator, stages=stages, draw=lambda *_: None, cfg=cfg)

    return build


def test_a_training_may_begin_with_more_critic_updates(warming_up, tmp_path):
    solver = warming_up("whole")
    solver.train()
    assert solver.updates.counts == {"critic": 2 * 3 + 6, "generator": 8}
    assert solver.order["critic"].position == (1, 4 * 8)  # 12 batches of 8, of 64 points: the order goes on
    assert {row["iteration"] for row in solver.scalars.rows()} >= {1, 2, 8}
    kept = sorted(file.stem for file in (tmp_path / "whole" / "checkpoints").iterdir())
    assert kept == ["latest", "previous", "rest", "start"]


def test_it_goes_on_from_the_end_of_a_stage(warming_up, tmp_path):
    warming_up("whole").train()
    start = tmp_path / "whole" / "checkpoints" / "start"
    solver = warming_up("resumed", f"TRAIN.checkpoint_path={start}")
    assert solver.updates.counts == {"critic": 6, "generator": 2}
    solver.train()
    (tensors, state), (others, other) = (
        weights.read_checkpoint(tmp_path / folder / "checkpoints" / "latest") for folder in ("whole", "resumed")
    )
    assert state == other
    assert all((tensors[name] == others[name]).all() for name in tensors)
