"""WGAN-GP on 2-D points: 8 Gaussians, 25 Gaussians or a swiss roll.

Reference: https://arxiv.org/abs/1704.00028
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("wgangp_toy")


from os import path as osp

import hydra
import numpy as np
import paddle
import ppsci
from omegaconf import DictConfig
from ppsci.data.dataset import NamedArrayDataset
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import metrics
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import toy
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation.report import report
from ppsci_gan.export import GeneratorPredictor
from ppsci_gan.losses import Objective
from ppsci_gan.networks import latent
from ppsci_gan.networks.wgangp import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp import WganGpToyGenerator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training import Score
from ppsci_gan.training.optimizers import adam


# --8<-- [start:metric]
class PointScores:
    """The metric of a data set: how well generated points match fresh real ones, and how well other real ones do.

    Attributes:
        per_mode: Spread, offset and share of each mode of the generated points scored last.
    """

    def __init__(self, name: str):
        self.modes = toy.modes(name)
        self.per_mode: dict[str, np.ndarray] = {}

    def __call__(self, output_dict, label_dict) -> dict[str, float]:
        real, other = label_dict["real_data"].numpy(), label_dict["other_real_data"].numpy()
        points = output_dict["fake_data"].numpy()
        if self.modes is not None:
            self.per_mode = metrics.mode_shapes(points, *self.modes)
        of_real = {f"{key}_of_real": value for key, value in self.score(other, real).items()}
        return {**self.score(points, real), **of_real}

    def score(self, points: np.ndarray, real: np.ndarray) -> dict[str, float]:
        if self.modes is None:
            distance = metrics.sliced_wasserstein(real, points)
            return {"coverage": metrics.coverage(real, points), "sliced_wasserstein": distance}
        return {**metrics.mode_scores(points, *self.modes), **metrics.mode_distance(real, points, *self.modes)}


# --8<-- [end:metric]


# --8<-- [start:validator]
def build_validator(cfg: DictConfig, generator: WganGpToyGenerator, scores: PointScores):
    """Fixed noise in, and two fresh real samples to compare with: the second gives the scores' floor."""
    real, other = (toy.sample(cfg.DATA.name, cfg.EVAL.num_samples, cfg.seed + later) for later in (1, 2))
    validator = ppsci.validate.SupervisedValidator(
        {
            "dataset": {
                "name": "NamedArrayDataset",
                "input": latent.sample_fixed(generator, cfg.EVAL.num_samples, cfg.seed),
                "label": {"real_data": real, "other_real_data": other},
            },
            "batch_size": cfg.EVAL.batch_size,
            "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": False},
        },
        ppsci.loss.FunctionalLoss(lambda *_: {}),
        {"fake_data": lambda out: out["fake_data"]},
        {"points": ppsci.metric.FunctionalMetric(scores)},
        name="fresh",
    )
    return {validator.name: validator}


# --8<-- [end:validator]


# --8<-- [start:draw]
def build_drawing(cfg: DictConfig, critic: WganGpToyDiscriminator | None):
    """Return draw(samples, path): real and generated points over the contours of the critic's value, if given."""
    real = toy.sample(cfg.DATA.name, cfg.VIS.num_images, cfg.seed + 1)

    @paddle.no_grad()
    def value(points: np.ndarray) -> np.ndarray:
        return critic({"data": paddle.to_tensor(points)})["score"].numpy()

    return lambda samples, path: plots.save_contour_plot(real, samples, path, value if critic else None)


# --8<-- [end:draw]


def train(cfg: DictConfig):
    # --8<-- [start:data]
    dataset = NamedArrayDataset({"data": toy.sample(cfg.DATA.name, cfg.DATA.num_samples, cfg.seed)}, {})
    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = WganGpToyGenerator(**cfg.MODEL.gen_net)
    critic = WganGpToyDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load(generator, cfg.TRAIN.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    weights.load(critic, cfg.TRAIN.pretrained_dis_model_path, "MODEL.dis_net", "critic")

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
    solver = AdversarialSolver(
        generator,
        phases,
        build_validator(cfg, generator, PointScores(cfg.DATA.name)),
        Score(*scoring.choose_point_score(cfg.TRAIN.best_score, cfg.DATA.name, toy.modes(cfg.DATA.name) is not None)),
        build_drawing(cfg, critic),
        cfg=cfg,
    )
    solver.train()
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
    path, point_scores = cfg.EVAL.pretrained_gen_model_path, PointScores(cfg.DATA.name)
    generator = load_generator(cfg, path)
    validator = build_validator(cfg, generator, point_scores)
    solver = AdversarialSolver(generator, validator=validator, draw=build_drawing(cfg, load_critic(cfg)), cfg=cfg)
    _, scores = solver.eval()
    origin = weights.describe(path, "generator")
    protocol = {"samples": cfg.EVAL.num_samples, "latent_seed": cfg.seed, "generator": origin}
    protocols = {"points": protocol}
    for key, values in point_scores.per_mode.items():  # beside the means over the modes, each mode's own
        protocols[f"points.{scoring.OF_EACH_MODE[key]}"] = {**protocol, "per_mode": values.round(3).tolist()}
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    picture = osp.join(cfg.output_dir, "samples.png")
    solver.draw_samples(picture)
    logger.message(f"Picture: {picture}")


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    AdversarialSolver(load_generator(cfg, cfg.INFER.pretrained_gen_model_path), cfg=cfg).export_generator()


def inference(cfg: DictConfig):
    predictor = GeneratorPredictor(cfg, [WganGpToyGenerator])
    samples = predictor.run(cfg.INFER.num_images * cfg.INFER.batch_size)
    for number, points in enumerate(np.array_split(samples, cfg.INFER.num_images)):
        plots.save_scatter(points, osp.join(cfg.output_dir, "images", f"{number:05d}.png"))


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="wgangp_toy")
def main(cfg: DictConfig):
    cli.run(cfg, train, evaluate, export, inference)


if __name__ == "__main__":
    main()
