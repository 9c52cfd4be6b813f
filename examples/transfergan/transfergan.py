"""Transferring GANs: a WGAN-GP on a small set of images that starts from a trained one, or from scratch.

Reference: https://arxiv.org/abs/1805.01677
"""

import json
import sys
from collections.abc import Sequence
from os import path as osp
from pathlib import Path

import hydra
import numpy as np
import paddle
import ppsci
from omegaconf import DictConfig
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import faces
from ppsci_gan.data import images
from ppsci_gan.data import pyramid
from ppsci_gan.data import target
from ppsci_gan.data.images import Images
from ppsci_gan.data.target import Fit
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.nearest import beside_nearest
from ppsci_gan.evaluation.report import report
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.export.inference import GeneratorPredictor
from ppsci_gan.export.inference import write_report
from ppsci_gan.files import atomic
from ppsci_gan.losses.wasserstein import WassersteinGP
from ppsci_gan.networks import latent
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver
from ppsci_gan.weights import transfer
from ppsci_gan.weights.transfer import Transfer

sys.path.insert(0, str(Path(__file__).parents[1] / "wgangp"))  # the residual networks are WGAN-GP's
from model import WganGpCifar10Discriminator
from model import WganGpCifar10Generator


# --8<-- [start:data]
def read(cfg: DictConfig, split: str) -> Images:
    """Return all images of the target's split, of their own size."""
    resolution = cfg.MODEL.gen_net.resolution
    if cfg.DATA.name == "faces":
        drawn = faces.factors(cfg.DATA.num_samples, cfg.seed + (split == "test"))
        found = Images(f"drawn faces {split}", faces.Faces(drawn, resolution), drawn["hair"])
    elif cfg.DATA.name == "pictures":
        levels, labels = pyramid.read(cfg.DATA.data_path, split)
        if resolution not in levels:
            raise InputError(f"MODEL.gen_net.resolution={resolution}: {cfg.DATA.data_path} has heights {list(levels)}.")
        found = Images(f"{cfg.DATA.data_path} {split}", levels[resolution], labels)
    else:
        found = images.data_set(cfg.DATA.name, cfg.DATA.data_path, split)
    if cfg.DATA.classes is not None:
        found = target.select_classes(found, cfg.DATA.classes)
    if cfg.DATA.coloured:
        found = target.coloured(found, cfg.seed)
    if cfg.MODEL.gen_net.use_label:
        images.check_classes(found, cfg.MODEL.gen_net.label_num)
    return found


def build_fit(cfg: DictConfig, found: Images) -> Fit:
    """Return the way from these images to the networks' and back."""
    resolution = cfg.MODEL.gen_net.resolution
    fit = Fit(found.data[[0]].shape[1:], (cfg.MODEL.gen_net.channels, resolution, resolution))
    fit.check(found.name)
    return fit


# --8<-- [end:data]


def build_generator(cfg: DictConfig) -> WganGpCifar10Generator:
    return WganGpCifar10Generator(**cfg.MODEL.gen_net)


def to_images(samples: np.ndarray, cfg: DictConfig) -> np.ndarray:
    """Return generated images [N, C * R * R] in [-1, 1] as uint8 [N, C, R, R]."""
    resolution = cfg.MODEL.gen_net.resolution
    return plots.to_uint8(samples.reshape([-1, cfg.MODEL.gen_net.channels, resolution, resolution]))


# --8<-- [start:evaluation]
def build_evaluation(cfg: DictConfig, scores: Sequence[str], num_samples: int, real: Images):
    """Compare with the whole target domain, of which the training sees DATA.num_images."""
    held_out = read(cfg, "test")
    return ImageEvaluation(
        scores,
        num_samples,
        Protocol(splits=cfg.EVAL.splits, subset_size=cfg.EVAL.subset_size),
        real._replace(data=np.asarray(real.data)),
        held_out._replace(data=np.asarray(held_out.data)),
        cfg.EVAL.inception.weights,
        cfg.EVAL.classifier.weights,
    )


def build_validator(cfg: DictConfig, evaluation: ImageEvaluation, generator: WganGpCifar10Generator, fit: Fit):
    return evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, fit.own, low=-1, finish=fit.back)


# --8<-- [end:evaluation]


# --8<-- [start:transfer]
def transfers(cfg: DictConfig) -> tuple[Transfer, Transfer]:
    """Return how the generator and the critic start."""
    of, train = cfg.TRANSFER, cfg.TRAIN
    if of.average == "source" and not train.ema.use_ema:
        raise InputError("TRANSFER.average=source: there is no moving average without TRAIN.ema.use_ema=true.")
    paths = {"generator": train.pretrained_gen_model_path, "critic": train.pretrained_dis_model_path}
    for name, path in paths.items():
        if of.load not in ("both", name):
            paths[name] = None
        elif path is None:
            raise InputError(
                f"TRANSFER.load={of.load}: there are no weights of a {name} to start from. Set "
                f"TRAIN.pretrained_{transfer.SHORT[name]}_model_path, or TRANSFER.load=none to start from scratch."
            )
    return (
        Transfer(
            "generator", paths["generator"], of.fresh, of.class_map, of.freeze_gen, keep_average=of.average == "source"
        ),
        Transfer("critic", paths["critic"], of.fresh, of.class_map, of.freeze_dis),
    )


def start(cfg: DictConfig, generator: WganGpCifar10Generator, critic: WganGpCifar10Discriminator):
    """Give the players their sources' weights, and report; return where the average starts, if not at the generator."""
    ways = transfers(cfg)
    reports = {way.name: way.load(player) for way, player in zip(ways, (generator, critic))}
    told = transfer.tell(reports, {way.name: way.path for way in ways})
    path = osp.join(cfg.output_dir, "transfer.json")
    if ranks.is_first():
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(told, indent=2) + "\n")
    logger.message(f"Every parameter: {path}")
    return ways[0].average(generator) if ways[0].keep_average else {}


# --8<-- [end:transfer]


def train(cfg: DictConfig):
    real = read(cfg, "train")
    fit = build_fit(cfg, real)
    shown = target.some(real, cfg.DATA.num_images, cfg.seed)
    dataloader_cfg = {
        "dataset": {
            "name": "NamedArrayDataset",
            "input": {"data": fit(shown.data)},
            "label": {"labels": shown.labels} if cfg.MODEL.gen_net.use_label else {},
        },
        "batch_size": cfg.TRAIN.batch_size,
        "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
    }

    # --8<-- [start:model]
    generator = build_generator(cfg)
    critic = WganGpCifar10Discriminator(**cfg.MODEL.dis_net)
    average = start(cfg, generator, critic)
    # --8<-- [end:model]

    # --8<-- [start:loss]
    objective = WassersteinGP(critic, **cfg.LOSS)
    critic_loss = ppsci.loss.FunctionalLoss(objective.critic_loss)
    generator_loss = ppsci.loss.FunctionalLoss(objective.generator_loss)
    # --8<-- [end:loss]

    # --8<-- [start:constraint]
    def real_data(batch):
        # Bytes until here: only a batch is ever held as floats.
        pixels = batch["data"].astype("float32").reshape([-1, int(np.prod(fit.network))])
        if cfg.DATA.dequantize:
            # Grey levels become intervals, so that the critic cannot tell real images by their gaps.
            return (pixels + paddle.rand(pixels.shape)) / 128 - 1
        return pixels / 127.5 - 1

    constraint = ppsci.constraint.SupervisedConstraint(
        dataloader_cfg, critic_loss, {"real_data": real_data}, name="critic"
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
    validator = score = None
    if cfg.TRAIN.eval_during_train:
        evaluation = build_evaluation(cfg, cfg.TRAIN.scores, cfg.TRAIN.num_eval_samples, real)
        validator = build_validator(cfg, evaluation, generator, fit)
        score = evaluation.best(cfg.TRAIN.best_score)
    solver = AdversarialSolver(
        generator,
        phases,
        {constraint.name: constraint},
        validator=validator,
        score=score,
        draw=lambda samples, path: plots.save_image_grid(to_images(samples, cfg), path),
        cfg=cfg,
    )
    if average and cfg.TRAIN.checkpoint_path is None:
        solver.ema_model.start_from(average)
    solver.train()
    # --8<-- [end:solver]


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = build_generator(cfg)
    weights.load(generator, cfg.EVAL.pretrained_gen_model_path, "MODEL.gen_net", "generator")

    real = read(cfg, "train")
    fit = build_fit(cfg, real)
    evaluation = build_evaluation(cfg, cfg.EVAL.scores, cfg.EVAL.num_samples, real)
    validator = build_validator(cfg, evaluation, generator, fit)
    solver = AdversarialSolver(generator, validator=validator, cfg=cfg)
    _, scores = solver.eval()
    origin = weights.describe(cfg.EVAL.pretrained_gen_model_path, "generator")
    protocols = evaluation.protocols(scores, latent_seed=cfg.seed, generator=origin)
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    draw_all(solver, generator, target.some(real, cfg.DATA.num_images, cfg.seed), fit, cfg)


def draw_all(solver: AdversarialSolver, generator: WganGpCifar10Generator, shown: Images, fit: Fit, cfg: DictConfig):
    """Draw samples, a walk through the latent space, and what training images are nearest."""

    def generate(inputs: dict[str, np.ndarray]) -> np.ndarray:
        outputs = solver.predict(inputs, batch_size=cfg.EVAL.batch_size, return_numpy=True)
        return to_images(outputs[generator.output_keys[0]], cfg)

    def place(name: str) -> str:
        return osp.join(cfg.output_dir, name)

    samples = generate(latent.fixed(generator, cfg.EVAL.num_images, cfg.seed))
    plots.save_image_grid(samples, place("samples.png"))
    plots.save_images(samples, place("images"))
    frames = generate(latent.walk(generator, points=6, steps=12, seed=cfg.seed))
    plots.save_animation(plots.enlarged(frames, 128), place("walk.gif"))

    # A small set is soon known by heart: a generator that copies shows here.
    known = fit(shown.data)
    count = min(7, len(known))
    plots.save_image_grid(beside_nearest(samples[:8], known, count), place("nearest.png"), columns=1 + count)
    logger.message(f"Pictures: {cfg.output_dir}; each row of nearest.png begins with a sample, training images follow")


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    generator = build_generator(cfg)
    weights.load(generator, cfg.INFER.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    solver = AdversarialSolver(generator, cfg=cfg)
    solver.export([latent.input_spec(generator)], cfg.INFER.export_path, with_onnx=cfg.INFER.with_onnx)


def inference(cfg: DictConfig):
    generator = build_generator(cfg)
    predictor = GeneratorPredictor(cfg)
    inputs = latent.fixed(generator, cfg.INFER.num_images, cfg.seed)
    samples, timing = predictor.generate(inputs, cfg.INFER.batch_size)
    plots.save_images(to_images(samples, cfg), osp.join(cfg.output_dir, "images"))
    write_report(timing, osp.join(cfg.output_dir, "timing.json"))


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="transfergan")
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
