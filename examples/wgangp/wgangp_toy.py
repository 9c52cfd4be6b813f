"""WGAN-GP on 2-D points: 8 Gaussians, 25 Gaussians or a swiss roll.

Reference: https://arxiv.org/abs/1704.00028
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("wgangp_toy")


import hydra
from omegaconf import DictConfig
from ppsci.data.dataset import NamedArrayDataset

from ppsci_gan import cli
from ppsci_gan import weights
from ppsci_gan.data import toy
from ppsci_gan.evaluation import PointEvaluation
from ppsci_gan.export import GeneratorPredictor
from ppsci_gan.losses import Objective
from ppsci_gan.networks.wgangp import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp import WganGpToyGenerator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training.optimizers import adam


def train(cfg: DictConfig):
    # --8<-- [start:data]
    dataset = NamedArrayDataset({"data": toy.sample(cfg.DATA.name, cfg.DATA.num_samples, cfg.seed)}, {})
    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = WganGpToyGenerator(**cfg.MODEL.gen_net)
    critic = WganGpToyDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load_players(generator, critic, cfg.TRAIN.pretrained_gen_model_path, cfg.TRAIN.pretrained_dis_model_path)

    # --8<-- [start:optimizer]
    steps = (cfg.TRAIN.epochs, cfg.TRAIN.iters_per_epoch)
    optimizer_gen = adam(generator, *steps, **cfg.TRAIN.lr_scheduler_gen, **cfg.TRAIN.optimizer)
    optimizer_dis = adam(critic, *steps, **cfg.TRAIN.lr_scheduler_dis, **cfg.TRAIN.optimizer)
    # --8<-- [end:optimizer]

    # --8<-- [start:phases]
    objective = Objective.from_settings(critic, **cfg.LOSS)
    size, n_critic = cfg.TRAIN.batch_size, cfg.TRAIN.n_critic
    phases = [
        Phase("critic", critic, optimizer_dis, objective.critic_loss, size, n_critic, dataset, lambda x: x["data"]),
        Phase("generator", generator, optimizer_gen, objective.generator_loss, size * cfg.TRAIN.gen_batch_multiple),
    ]
    # --8<-- [end:phases]

    # --8<-- [start:solver]
    evaluation = PointEvaluation(cfg, generator, critic)
    AdversarialSolver(generator, phases, **evaluation.while_training(), cfg=cfg).train()
    # --8<-- [end:solver]


def load_generator(cfg: DictConfig, path: str) -> WganGpToyGenerator:
    return weights.restore(path, "generator", [WganGpToyGenerator], cfg.MODEL.gen_net)


def load_critic(cfg: DictConfig) -> WganGpToyDiscriminator | None:
    """Return the critic for the picture's contours, unless the generator's file is without."""
    path = cfg.EVAL.pretrained_dis_model_path
    if path is None or (path == cfg.EVAL.pretrained_gen_model_path and not weights.has_part(path, "critic")):
        return None
    return weights.restore(path, "critic", [WganGpToyDiscriminator], cfg.MODEL.dis_net)


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    PointEvaluation(cfg, generator, load_critic(cfg)).run()


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    AdversarialSolver(load_generator(cfg, cfg.INFER.pretrained_gen_model_path), cfg=cfg).export_generator()


def inference(cfg: DictConfig):
    GeneratorPredictor(cfg, [WganGpToyGenerator]).save_points()


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="wgangp_toy")
def main(cfg: DictConfig):
    cli.run(cfg, train, evaluate, export, inference)


if __name__ == "__main__":
    main()
