"""PGAN: progressive growing from 4x4 pixels, on drawn faces, CIFAR-10, CelebA or any folder of pictures.

Reference: https://arxiv.org/abs/1710.10196
"""

from math import ceil
from os import path as osp

import hydra
import numpy as np
import paddle
import ppsci
from model import FIRST
from model import PganDiscriminator
from model import PganGenerator
from omegaconf import DictConfig
from paddle.nn import functional as F
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import faces
from ppsci_gan.data import images
from ppsci_gan.data import pyramid
from ppsci_gan.data.images import Images
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.report import report
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.export.inference import GeneratorPredictor
from ppsci_gan.export.inference import write_report
from ppsci_gan.losses.wasserstein import WassersteinGP
from ppsci_gan.networks import latent
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver
from ppsci_gan.training.stages import Stage


def resolutions(cfg: DictConfig) -> list[int]:
    """Return the resolutions of the networks' scales."""
    return [FIRST * 2**scale for scale in range(len(cfg.MODEL.gen_net.depths))]


# --8<-- [start:levels]
def read_levels(cfg: DictConfig, split: str) -> dict[int, Images]:
    """Return the images of a split at every resolution, 4, 8, ..."""
    if cfg.DATA.name == "faces":
        drawn = faces.factors(cfg.DATA.num_samples, cfg.seed + (split == "test"))
        levels = {resolution: faces.Faces(drawn, resolution) for resolution in resolutions(cfg)}
        found = Images(f"drawn faces {split}", None, drawn["hair"])
    elif cfg.DATA.name == "pictures":
        levels, labels = pyramid.read(cfg.DATA.data_path, split)
        found = Images(f"{cfg.DATA.data_path} {split}", None, labels)
    else:
        found = images.data_set(cfg.DATA.name, cfg.DATA.data_path, split)
        levels = pyramid.levels(found.data)
    if cfg.MODEL.gen_net.use_label:
        images.check_classes(found, cfg.MODEL.gen_net.label_num)
    channels = next(iter(levels.values()))[[0]].shape[1]
    if channels != cfg.MODEL.gen_net.channels:
        raise InputError(f"MODEL.gen_net.channels={cfg.MODEL.gen_net.channels}: the images have {channels}.")
    return {resolution: found._replace(data=level) for resolution, level in levels.items()}


# --8<-- [end:levels]


def to_images(samples: np.ndarray) -> np.ndarray:
    """Return generated images [N, C, R, R] as uint8; the last layer is linear: some values are beyond -1 or 1."""
    return plots.to_uint8(np.clip(samples, -1, 1))


def draw(samples: np.ndarray, path: str):
    plots.save_image_grid(plots.enlarged(to_images(samples), 64), path)  # of one size while they grow


def build_evaluation(cfg: DictConfig, scores: list[str], num_samples: int, real: Images, held_out: Images):
    return ImageEvaluation(
        scores,
        num_samples,
        Protocol(splits=cfg.EVAL.splits, subset_size=cfg.EVAL.subset_size),
        real._replace(data=np.asarray(real.data)),
        held_out._replace(data=np.asarray(held_out.data)),
        cfg.EVAL.inception.weights,
        cfg.EVAL.classifier.weights,
    )


def build_validator(cfg: DictConfig, evaluation: ImageEvaluation, generator: PganGenerator, resolution: int):
    """Return what scores generated images, enlarged where they do not have the real ones' resolution yet."""

    def finish(samples):
        return F.interpolate(samples.clip(-1, 1), size=[resolution, resolution], mode="nearest")

    shape = (cfg.MODEL.gen_net.channels, resolution, resolution)
    return evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, shape, low=-1, finish=finish)


def select_stages(cfg: DictConfig, levels: dict[int, Images]) -> list[DictConfig]:
    """Return the stages to train; refuse those that these networks or images cannot grow through."""
    sizes = [stage.resolution for stage in cfg.TRAIN.stages]
    possible = resolutions(cfg)
    if any(size not in possible for size in sizes):
        raise InputError(
            f"TRAIN.stages has resolutions {sizes}; MODEL.gen_net.depths={list(cfg.MODEL.gen_net.depths)} has "
            f"{len(possible)} scales: {possible}."
        )
    if sizes != sorted(sizes):
        raise InputError(f"TRAIN.stages has resolutions {sizes}: they must not become smaller.")
    if sizes[-1] not in levels:
        raise InputError(f"TRAIN.stages goes to {sizes[-1]} pixels; the images have at most {max(levels)}.")
    empty = [stage.resolution for stage in cfg.TRAIN.stages if not stage.fade_images + stage.stable_images]
    if empty:
        raise InputError(f"TRAIN.stages: the stage of {empty[0]} pixels shows no images.")
    stages = [stage for stage in cfg.TRAIN.stages if stage.resolution >= FIRST * 2**cfg.TRAIN.start_scale]
    if not stages:
        raise InputError(f"TRAIN.start_scale={cfg.TRAIN.start_scale}: TRAIN.stages ends with {sizes[-1]} pixels.")
    return stages


def train(cfg: DictConfig):
    # --8<-- [start:data]
    levels = read_levels(cfg, "train")
    plan = select_stages(cfg, levels)
    finest = plan[-1].resolution
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
    optimizer_gen = ppsci.optimizer.Adam(plan[0].learning_rate, **cfg.TRAIN.optimizer)(generator)
    optimizer_dis = ppsci.optimizer.Adam(plan[0].learning_rate, **cfg.TRAIN.optimizer)(critic)
    # --8<-- [end:optimizer]

    # --8<-- [start:stages]
    def real_data(batch):
        real = batch["data"].astype("float32") / 127.5 - 1
        if generator.fade == 1:
            return real
        # While a scale comes in, real images lack the same details as generated ones.
        coarse = F.interpolate(F.avg_pool2d(real, 2), size=real.shape[2:], mode="nearest")
        return real * generator.fade + coarse * (1 - generator.fade)

    def build_stage(given: DictConfig) -> Stage:
        real = levels[given.resolution]
        data = {
            "dataset": {
                "name": "NamedArrayDataset",
                "input": {"data": real.data},
                "label": {"labels": real.labels} if cfg.MODEL.gen_net.use_label else {},
            },
            "batch_size": given.batch_size,
            "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
        }
        constraint = ppsci.constraint.SupervisedConstraint(data, critic_loss, {"real_data": real_data}, name="critic")
        phases = [
            Phase("critic", critic, optimizer_dis, critic_loss, given.batch_size, updates=cfg.TRAIN.n_critic),
            Phase("generator", generator, optimizer_gen, generator_loss, given.batch_size),
        ]
        # Images that the critic sees in an iteration; with several ranks a stage takes fewer iterations.
        shown = given.batch_size * cfg.TRAIN.n_critic * cfg.TRAIN.update_freq * ranks.count()
        scale = resolutions(cfg).index(given.resolution)

        def begin(iteration: int) -> None:
            fade = min(1.0, iteration * shown / given.fade_images) if given.fade_images else 1.0
            for player, optimizer in ((generator, optimizer_gen), (critic, optimizer_dis)):
                player.grow(scale, fade)
                optimizer.set_lr(given.learning_rate)
                if cfg.TRAIN.reset_optimizer and iteration == 0:
                    optimizers.reset_optimizer(optimizer, player)
            if cfg.TRAIN.reset_average and iteration == 0:
                solver.ema_model.restart()

        iterations = ceil((given.fade_images + given.stable_images) / shown)
        return Stage(f"{given.resolution}x{given.resolution}", iterations, phases, {constraint.name: constraint}, begin)

    stages = [build_stage(given) for given in plan]
    # --8<-- [end:stages]

    # --8<-- [start:solver]
    validator = score = None
    if cfg.TRAIN.eval_during_train:
        real, held_out = levels[finest], read_levels(cfg, "test")[finest]
        evaluation = build_evaluation(cfg, cfg.TRAIN.scores, cfg.TRAIN.num_eval_samples, real, held_out)
        validator = build_validator(cfg, evaluation, generator, finest)
        score = evaluation.best(cfg.TRAIN.best_score)
    cfg.TRAIN.epochs = ceil(sum(stage.iterations for stage in stages) / cfg.TRAIN.iters_per_epoch)
    solver = AdversarialSolver(
        generator,
        stages=stages,
        validator=validator,
        score=score,
        draw=draw,
        cfg=cfg,
    )
    solver.train()
    # --8<-- [end:solver]
    if ranks.is_first():
        draw_growth([stage.name for stage in stages], finest, cfg)


# --8<-- [start:growth]
def draw_growth(stages: list[str], finest: int, cfg: DictConfig):
    """Draw what the same latents became at the end of every stage, a row each."""
    generator = PganGenerator(**cfg.MODEL.gen_net)  # in single precision, whatever the training's
    inputs = {key: paddle.to_tensor(value) for key, value in latent.fixed(generator, 10, cfg.seed).items()}
    rows = []
    for stage in stages:
        path = osp.join(cfg.output_dir, "checkpoints", f"{stage}.safetensors")
        if osp.exists(path):  # the first stages of a run that goes on may lie elsewhere
            weights.load(generator, path, "MODEL.gen_net", "generator")
            with paddle.no_grad():
                samples = generator(inputs)[generator.output_keys[0]].numpy()
            rows.append(plots.enlarged(to_images(samples), max(finest, 64)))
    plots.save_image_grid(np.concatenate(rows), osp.join(cfg.output_dir, "growth.png"), columns=10)


# --8<-- [end:growth]


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
    resolution = generator.resolution
    real, held_out = (read_levels(cfg, split) for split in ("train", "test"))
    if resolution not in real:
        raise InputError(f"The generator makes images of {resolution} pixels; the real ones have {max(real)} at most.")
    evaluation = build_evaluation(cfg, cfg.EVAL.scores, cfg.EVAL.num_samples, real[resolution], held_out[resolution])
    validator = build_validator(cfg, evaluation, generator, resolution)
    solver = AdversarialSolver(generator, validator=validator, draw=draw, cfg=cfg)
    _, scores = solver.eval()
    origin = f"{weights.describe(cfg.EVAL.pretrained_gen_model_path, 'generator')}, {resolution} pixels"
    protocols = evaluation.protocols(scores, latent_seed=cfg.seed, generator=origin)
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    draw_all(solver, generator, cfg)


def draw_all(solver: AdversarialSolver, generator: PganGenerator, cfg: DictConfig):
    """Draw a grid, single pictures and a walk through the latent space."""

    def predict(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return solver.predict(inputs, batch_size=cfg.EVAL.batch_size, return_numpy=True)[generator.output_keys[0]]

    grid, single, animation = (osp.join(cfg.output_dir, name) for name in ("samples.png", "images", "walk.gif"))
    samples = predict(latent.fixed(generator, cfg.EVAL.num_images, cfg.seed))
    draw(samples, grid)
    plots.save_images(to_images(samples), single)
    way = predict(latent.walk(generator, points=6, steps=12, seed=cfg.seed))
    plots.save_animation(plots.enlarged(to_images(way), 128), animation)
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


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="pgan")
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
