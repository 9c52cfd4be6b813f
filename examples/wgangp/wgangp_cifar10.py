"""WGAN-GP on CIFAR-10: the paper's residual networks, conditional or not, and its DCGAN-shaped ones.

Reference: https://arxiv.org/abs/1704.00028
"""

from collections.abc import Sequence
from os import path as osp

import hydra
import numpy as np
import paddle
import ppsci
from model import WganGpCifar10DcganDiscriminator
from model import WganGpCifar10DcganGenerator
from model import WganGpCifar10Discriminator
from model import WganGpCifar10Generator
from omegaconf import DictConfig
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import images
from ppsci_gan.data.images import Images
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.report import report
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.export.inference import GeneratorPredictor
from ppsci_gan.export.inference import write_report
from ppsci_gan.losses.wasserstein import WassersteinGP
from ppsci_gan.networks import latent
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver

# MODEL.architecture -> generator and critic
NETWORKS = {
    "resnet": (WganGpCifar10Generator, WganGpCifar10Discriminator),
    "dcgan": (WganGpCifar10DcganGenerator, WganGpCifar10DcganDiscriminator),
}


def build_generator(cfg: DictConfig):
    return NETWORKS[cfg.MODEL.architecture][0](**cfg.MODEL.gen_net)


IMAGE_SHAPE = (3, 32, 32)


def to_images(samples: np.ndarray) -> np.ndarray:
    """Return generated images [N, 3072] in [-1, 1] as uint8 [N, 3, 32, 32]."""
    return plots.to_uint8(samples.reshape([-1, *IMAGE_SHAPE]))


def draw(samples: np.ndarray, path: str):
    plots.save_image_grid(to_images(samples), path)


# --8<-- [start:evaluation]
def build_evaluation(cfg: DictConfig, scores: Sequence[str], num_samples: int, real: Images | None):
    return ImageEvaluation(
        scores,
        num_samples,
        Protocol(splits=cfg.EVAL.splits, subset_size=cfg.EVAL.subset_size),
        real,
        None if real is None else images.data_set("cifar10", cfg.DATA.data_path, "test"),
        cfg.EVAL.inception.weights,
        cfg.EVAL.classifier.weights,
    )


# --8<-- [end:evaluation]


def train(cfg: DictConfig):
    # --8<-- [start:data]
    real = images.data_set("cifar10", cfg.DATA.data_path, "train")
    dataloader_cfg = {
        "dataset": {
            "name": "NamedArrayDataset",
            "input": {"data": real.data},
            "label": {"labels": real.labels},
        },
        "batch_size": cfg.TRAIN.batch_size,
        "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
    }
    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = build_generator(cfg)
    critic = NETWORKS[cfg.MODEL.architecture][1](**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load(generator, cfg.TRAIN.pretrained_gen_model_path, "MODEL.gen_net", "generator")
    weights.load(critic, cfg.TRAIN.pretrained_dis_model_path, "MODEL.dis_net", "critic")

    # --8<-- [start:loss]
    objective = WassersteinGP(critic, **cfg.LOSS)
    critic_loss = ppsci.loss.FunctionalLoss(objective.critic_loss)
    generator_loss = ppsci.loss.FunctionalLoss(objective.generator_loss)
    # --8<-- [end:loss]

    # --8<-- [start:constraint]
    def real_data(batch):
        # Bytes until here: only a batch is ever held as floats.
        pixels = batch["data"].astype("float32").reshape([-1, 3072])
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
        validator = evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, IMAGE_SHAPE, low=-1)
        score = evaluation.best(cfg.TRAIN.best_score)
    solver = AdversarialSolver(
        generator,
        phases,
        {constraint.name: constraint},
        validator=validator,
        score=score,
        draw=draw,
        cfg=cfg,
    )
    solver.train()
    # --8<-- [end:solver]


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = build_generator(cfg)
    weights.load(generator, cfg.EVAL.pretrained_gen_model_path, "MODEL.gen_net", "generator")

    has_data = cfg.DATA.data_path is not None
    real = images.data_set("cifar10", cfg.DATA.data_path, "train") if has_data else None
    evaluation = build_evaluation(cfg, cfg.EVAL.scores, cfg.EVAL.num_samples, real)
    validator = evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, IMAGE_SHAPE, low=-1)
    solver = AdversarialSolver(generator, validator=validator, draw=draw, cfg=cfg)
    _, scores = solver.eval()
    origin = weights.describe(cfg.EVAL.pretrained_gen_model_path, "generator")
    protocols = evaluation.protocols(scores, latent_seed=cfg.seed, generator=origin)
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    picture = osp.join(cfg.output_dir, "samples.png")
    solver.draw_samples(picture)
    logger.message(f"Picture: {picture}")


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
    plots.save_images(to_images(samples), osp.join(cfg.output_dir, "images"))
    write_report(timing, osp.join(cfg.output_dir, "timing.json"))


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="wgangp_cifar10")
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
