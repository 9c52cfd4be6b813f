"""PGAN: progressive growing from 4x4 pixels, on drawn faces or CIFAR-10.

Reference: https://arxiv.org/abs/1710.10196
"""

from math import ceil
from os import path as osp

import hydra
import numpy as np
import ppsci
from model import PganDiscriminator
from model import PganGenerator
from omegaconf import DictConfig
from paddle.nn import functional as F
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import distributed
from ppsci_gan import latent
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import faces
from ppsci_gan.data import images
from ppsci_gan.data import pyramid
from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import ImageEvaluation
from ppsci_gan.inference import GeneratorPredictor
from ppsci_gan.inference import write_report
from ppsci_gan.losses import WassersteinGP
from ppsci_gan.metrics.report import report
from ppsci_gan.phases import Phase
from ppsci_gan.phases import Stage
from ppsci_gan.scoring import Protocol
from ppsci_gan.solver import AdversarialSolver


def real_images(cfg: DictConfig, split: str, resolution: int) -> Images:
    """Return the images of a split, at one resolution of their pyramid."""
    if cfg.DATA.name == "faces":
        drawn = faces.factors(cfg.DATA.num_samples, cfg.seed + (split == "test"))
        return Images(f"faces {split}", faces.draw(drawn, resolution), None)
    whole = images.data_set(cfg.DATA.name, cfg.DATA.data_path, split)
    levels = pyramid.levels(whole.data)
    if resolution not in levels:
        raise InputError(f"DATA.name={cfg.DATA.name}: it has {max(levels)} pixels, not {resolution}.")
    return whole._replace(data=levels[resolution])


def to_images(samples: np.ndarray) -> np.ndarray:
    """Return generated images [N, C, R, R] as uint8; the last layer is linear: some values are beyond -1 or 1."""
    return plots.to_uint8(np.clip(samples, -1, 1))


def draw(samples: np.ndarray, path: str):
    plots.save_image_grid(to_images(samples), path)


def check_stages(cfg: DictConfig) -> None:
    """Refuse stages that these networks cannot grow through."""
    scales = len(cfg.MODEL.gen_net.depths)
    resolutions = [stage.resolution for stage in cfg.TRAIN.stages]
    possible = [4 * 2**scale for scale in range(scales)]
    if any(resolution not in possible for resolution in resolutions):
        raise InputError(
            f"TRAIN.stages has resolutions {resolutions}; MODEL.gen_net.depths has {scales} scales: {possible}."
        )
    if resolutions != sorted(resolutions):
        raise InputError(f"TRAIN.stages has resolutions {resolutions}: they must not become smaller.")


def train(cfg: DictConfig):
    check_stages(cfg)
    # --8<-- [start:data]
    finest = max(stage.resolution for stage in cfg.TRAIN.stages)
    levels = pyramid.levels(real_images(cfg, "train", finest).data)
    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = PganGenerator(**cfg.MODEL.gen_net)
    critic = PganDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load(generator, cfg.TRAIN.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    weights.load(critic, cfg.TRAIN.pretrained_dis_model_path, "MODEL.dis_net", "critic")

    # --8<-- [start:loss]
    objective = WassersteinGP(critic, **cfg.LOSS)
    critic_loss = ppsci.loss.FunctionalLoss(objective.critic_loss)
    generator_loss = ppsci.loss.FunctionalLoss(objective.generator_loss)
    # --8<-- [end:loss]

    # --8<-- [start:optimizer]
    rate = cfg.TRAIN.stages[0].learning_rate
    optimizer_gen = ppsci.optimizer.Adam(rate, **cfg.TRAIN.optimizer)(generator)
    optimizer_dis = ppsci.optimizer.Adam(rate, **cfg.TRAIN.optimizer)(critic)
    # --8<-- [end:optimizer]

    # --8<-- [start:stages]
    def real_data(batch):
        real = batch["data"].astype("float32") / 127.5 - 1
        if generator.fade == 1:
            return real
        # While a scale comes in, real images lack the same details as generated ones.
        coarse = F.interpolate(F.avg_pool2d(real, 2), size=real.shape[2:], mode="nearest")
        return real * generator.fade + coarse * (1 - generator.fade)

    def stage_of(given: DictConfig) -> Stage:
        data = {
            "dataset": {"name": "NamedArrayDataset", "input": {"data": levels[given.resolution]}},
            "batch_size": given.batch_size,
            "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
        }
        constraint = ppsci.constraint.SupervisedConstraint(data, critic_loss, {"real_data": real_data}, name="critic")
        phases = [
            Phase("critic", critic, optimizer_dis, critic_loss, given.batch_size, updates=cfg.TRAIN.n_critic),
            Phase("generator", generator, optimizer_gen, generator_loss, given.batch_size),
        ]
        shown = given.batch_size * distributed.count() * cfg.TRAIN.n_critic  # images, per iteration
        scale = (given.resolution // 4).bit_length() - 1

        def begin(iteration: int) -> None:
            fade = min(1.0, iteration * shown / given.fade_images) if given.fade_images else 1.0
            for player, optimizer in ((generator, optimizer_gen), (critic, optimizer_dis)):
                player.grow(scale, fade)
                optimizer.set_lr(given.learning_rate)

        total = given.fade_images + given.stable_images
        name = f"{given.resolution}x{given.resolution}"
        return Stage(name, ceil(total / shown), phases, {constraint.name: constraint}, begin)

    stages = [stage_of(given) for given in cfg.TRAIN.stages]
    # --8<-- [end:stages]

    # --8<-- [start:solver]
    cfg.TRAIN.epochs = ceil(sum(stage.iterations for stage in stages) / cfg.TRAIN.iters_per_epoch)
    solver = AdversarialSolver(generator, stages=stages, draw=draw, cfg=cfg)
    solver.train()
    # --8<-- [end:solver]


def load_generator(cfg: DictConfig, path: str | None) -> PganGenerator:
    """Return a trained generator, at the scale of its weights or at ``MODEL.scale``."""
    generator = PganGenerator(**cfg.MODEL.gen_net)
    weights.load(generator, path, "MODEL.gen_net", "generator")
    if cfg.MODEL.scale is not None:
        generator.grow(cfg.MODEL.scale)
    logger.message(f"Scale {generator.scale}: {generator.resolution} x {generator.resolution} pixels")
    return generator


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    real, held_out = (real_images(cfg, split, generator.resolution) for split in ("train", "test"))
    evaluation = ImageEvaluation(
        cfg.EVAL.scores,
        cfg.EVAL.num_samples,
        Protocol(splits=cfg.EVAL.splits, subset_size=cfg.EVAL.subset_size),
        real,
        held_out,
        cfg.EVAL.inception.weights,
        cfg.EVAL.classifier.weights,
    )
    shape = (cfg.MODEL.gen_net.channels, generator.resolution, generator.resolution)
    validator = evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, shape, low=-1, clip=True)
    solver = AdversarialSolver(generator, validator=validator, draw=draw, cfg=cfg)
    _, scores = solver.eval()
    origin = f"{weights.describe(cfg.EVAL.pretrained_gen_model_path, 'generator')}, {generator.resolution} pixels"
    protocols = evaluation.protocols(scores, latent_seed=cfg.seed, generator=origin)
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    draw_all(solver, generator, cfg)


def draw_all(solver: AdversarialSolver, generator: PganGenerator, cfg: DictConfig):
    """Draw a grid, single pictures and a walk through the latent space."""
    grid, single, animation = (osp.join(cfg.output_dir, name) for name in ("samples.png", "images", "walk.gif"))
    solver.draw_samples(grid)
    for path, inputs in (
        (single, latent.fixed(generator, cfg.EVAL.num_images, cfg.seed)),
        (animation, latent.walk(generator, points=6, steps=12, seed=cfg.seed)),
    ):
        samples = to_images(
            solver.predict(inputs, batch_size=cfg.EVAL.batch_size, return_numpy=True)[generator.output_keys[0]]
        )
        if path == single:
            plots.save_images(samples, path)
        else:
            plots.save_animation(samples, path)
    logger.message(f"Pictures: {grid}, {single}, {animation}")


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    generator = load_generator(cfg, cfg.INFER.pretrained_gen_model_path)
    solver = AdversarialSolver(generator, cfg=cfg)
    solver.export([latent.input_spec(generator)], cfg.INFER.export_path, with_onnx=cfg.INFER.with_onnx)


def inference(cfg: DictConfig):
    generator = PganGenerator(**cfg.MODEL.gen_net)
    predictor = GeneratorPredictor(cfg)
    inputs = latent.fixed(generator, cfg.INFER.num_images, cfg.seed)
    samples, timing = predictor.generate(inputs, cfg.INFER.batch_size)
    plots.save_images(to_images(samples), osp.join(cfg.output_dir, "images"))
    write_report(timing, osp.join(cfg.output_dir, "timing.json"))


# --8<-- [end:export]


@hydra.main(version_base=None, config_path="../../conf", config_name="pgan")
@cli.explain_errors
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
