"""WGAN-GP on 2-D points: 8 Gaussians, 25 Gaussians or a swiss roll.

Reference: https://arxiv.org/abs/1704.00028
"""

from os import path as osp

import hydra
import numpy as np
import paddle
import ppsci
from model import WganGpToyDiscriminator
from model import WganGpToyGenerator
from omegaconf import DictConfig
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import toy
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation.report import report
from ppsci_gan.export.inference import GeneratorPredictor
from ppsci_gan.export.inference import write_report
from ppsci_gan.losses.wasserstein import WassersteinGP
from ppsci_gan.metrics.mode_distance import mode_distance
from ppsci_gan.metrics.modes import mode_scores
from ppsci_gan.metrics.modes import mode_shapes
from ppsci_gan.metrics.neighbours import coverage
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein
from ppsci_gan.networks import latent
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver
from ppsci_gan.training.solver import Score


# --8<-- [start:metric]
def score_points(name: str):
    """Return the metric of a data set: how well generated points match fresh real ones, and how well others do."""
    modes = toy.modes(name)

    def scores(points: np.ndarray, real: np.ndarray) -> dict[str, float]:
        if modes is None:
            return {"coverage": coverage(real, points), "sliced_wasserstein": sliced_wasserstein(real, points)}
        return {**mode_scores(points, *modes), **mode_distance(real, points, *modes)}

    def metric(output_dict, label_dict):
        real, other = label_dict["real_data"].numpy(), label_dict["other_real_data"].numpy()
        values = scores(output_dict["fake_data"].numpy(), real)
        values.update({f"{key}_of_real": value for key, value in scores(other, real).items()})
        return values

    return metric


# --8<-- [end:metric]


# --8<-- [start:validator]
def build_validator(cfg: DictConfig, generator: WganGpToyGenerator):
    """Fixed noise in, and two fresh real samples to compare with: the second gives the scores' floor."""
    num_samples = cfg.EVAL.num_samples
    validator = ppsci.validate.SupervisedValidator(
        {
            "dataset": {
                "name": "NamedArrayDataset",
                "input": latent.fixed(generator, num_samples, cfg.seed),
                "label": {
                    "real_data": toy.sample(cfg.DATA.name, num_samples, cfg.seed + 1),
                    "other_real_data": toy.sample(cfg.DATA.name, num_samples, cfg.seed + 2),
                },
            },
            "batch_size": cfg.EVAL.batch_size,
            "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": False},
        },
        ppsci.loss.FunctionalLoss(lambda *_: {}),
        {"fake_data": lambda out: out["fake_data"]},
        {"points": ppsci.metric.FunctionalMetric(score_points(cfg.DATA.name))},
        name="fresh",
    )
    return {validator.name: validator}


# --8<-- [end:validator]


def best_score(cfg: DictConfig) -> Score:
    """Return the score that chooses the best checkpoint: of a set without modes the distance over all points."""
    name, known = cfg.TRAIN.best_score, scoring.POINT_SCORES
    if toy.modes(cfg.DATA.name) is None:
        name, known = name.replace("mode_distance", "sliced_wasserstein"), scoring.POINT_SCORES_WITHOUT_MODES
    if name not in [f"points.{key}" for key in known]:
        names = ", ".join(f"points.{key}" for key in known)
        raise InputError(f"TRAIN.best_score={name} is not among the scores of DATA.name={cfg.DATA.name}: {names}.")
    return Score(name, scoring.higher_is_better(name))


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
    points = toy.sample(cfg.DATA.name, cfg.DATA.num_samples, cfg.seed)
    dataloader_cfg = {
        "dataset": {"name": "NamedArrayDataset", "input": {"data": points}},
        "batch_size": cfg.TRAIN.batch_size,
        "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
    }
    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = WganGpToyGenerator(**cfg.MODEL.gen_net)
    critic = WganGpToyDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load(generator, cfg.TRAIN.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    weights.load(critic, cfg.TRAIN.pretrained_dis_model_path, "MODEL.dis_net", "critic")

    # --8<-- [start:loss]
    objective = WassersteinGP(critic, **cfg.LOSS)
    critic_loss = ppsci.loss.FunctionalLoss(objective.critic_loss)
    generator_loss = ppsci.loss.FunctionalLoss(objective.generator_loss)
    # --8<-- [end:loss]

    # --8<-- [start:constraint]
    constraint = ppsci.constraint.SupervisedConstraint(
        dataloader_cfg, critic_loss, {"real_data": lambda batch: batch["data"]}, name="critic"
    )
    # --8<-- [end:constraint]

    # --8<-- [start:optimizer]
    steps = (cfg.TRAIN.epochs, cfg.TRAIN.iters_per_epoch)
    lr_gen = ppsci.optimizer.lr_scheduler.Linear(*steps, **cfg.TRAIN.lr_scheduler_gen)()
    lr_dis = ppsci.optimizer.lr_scheduler.Linear(*steps, **cfg.TRAIN.lr_scheduler_dis)()
    optimizer_gen = ppsci.optimizer.Adam(lr_gen, **cfg.TRAIN.optimizer)(generator)
    optimizer_dis = ppsci.optimizer.Adam(lr_dis, **cfg.TRAIN.optimizer)(critic)
    # --8<-- [end:optimizer]

    # --8<-- [start:solver]
    batch_size = cfg.TRAIN.batch_size
    phases = [
        Phase("critic", critic, optimizer_dis, critic_loss, batch_size, updates=cfg.TRAIN.n_critic),
        Phase("generator", generator, optimizer_gen, generator_loss, batch_size * cfg.TRAIN.gen_batch_multiple),
    ]
    solver = AdversarialSolver(
        generator,
        phases,
        {constraint.name: constraint},
        validator=build_validator(cfg, generator),
        score=best_score(cfg),
        draw=build_drawing(cfg, critic),
        cfg=cfg,
    )
    solver.train()
    # --8<-- [end:solver]


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = WganGpToyGenerator(**cfg.MODEL.gen_net)
    weights.load(generator, cfg.EVAL.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    critic = None  # only the picture needs it, and the generator's file may be without
    own_file = cfg.EVAL.pretrained_dis_model_path not in (None, cfg.EVAL.pretrained_gen_model_path)
    if own_file or weights.has_part(cfg.EVAL.pretrained_dis_model_path, "critic"):
        critic = WganGpToyDiscriminator(**cfg.MODEL.dis_net)
        weights.load(critic, cfg.EVAL.pretrained_dis_model_path, "MODEL.dis_net", "critic")

    solver = AdversarialSolver(
        generator, validator=build_validator(cfg, generator), draw=build_drawing(cfg, critic), cfg=cfg
    )
    _, scores = solver.eval()
    origin = weights.describe(cfg.EVAL.pretrained_gen_model_path, "generator")
    protocol = {"samples": cfg.EVAL.num_samples, "latent_seed": cfg.seed, "generator": origin}
    protocols = {"points": protocol}
    if toy.modes(cfg.DATA.name) is not None:  # beside the means over the modes, each mode's own
        inputs = latent.fixed(generator, cfg.EVAL.num_samples, cfg.seed)
        points = solver.predict(inputs, batch_size=cfg.EVAL.batch_size, return_numpy=True)["fake_data"]
        shapes = mode_shapes(points, *toy.modes(cfg.DATA.name))
        for key, shape in {"mode_spread": "spread", "mode_offset": "offset", "least_mode_share": "share"}.items():
            protocols[f"points.{key}"] = {**protocol, "per_mode": shapes[shape].round(3).tolist()}
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    picture = osp.join(cfg.output_dir, "samples.png")
    solver.draw_samples(picture)
    logger.message(f"Picture: {picture}")


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    generator = WganGpToyGenerator(**cfg.MODEL.gen_net)
    weights.load(generator, cfg.INFER.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    solver = AdversarialSolver(generator, cfg=cfg)
    solver.export([latent.input_spec(generator)], cfg.INFER.export_path, with_onnx=cfg.INFER.with_onnx)


def inference(cfg: DictConfig):
    generator = WganGpToyGenerator(**cfg.MODEL.gen_net)
    predictor = GeneratorPredictor(cfg)
    inputs = latent.fixed(generator, cfg.INFER.num_images * cfg.INFER.batch_size, cfg.seed)
    samples, timing = predictor.generate(inputs, cfg.INFER.batch_size)
    for number, points in enumerate(samples.reshape([cfg.INFER.num_images, -1, 2])):
        plots.save_scatter(points, osp.join(cfg.output_dir, "images", f"{number:05d}.png"))
    write_report(timing, osp.join(cfg.output_dir, "timing.json"))


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="wgangp_toy")
def main(cfg: DictConfig):
    if cfg.mode == "train":
        train(cfg)
    elif cfg.mode == "eval":
        evaluate(cfg)
    elif cfg.mode == "export":
        export(cfg)
    elif cfg.mode == "infer":
        inference(cfg)


if __name__ == "__main__":
    main()
