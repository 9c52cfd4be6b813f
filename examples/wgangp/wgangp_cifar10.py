"""WGAN-GP on CIFAR-10: the paper's residual networks, conditional or not, and its DCGAN-shaped ones.

Reference: https://arxiv.org/abs/1704.00028
"""

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
from ppsci_gan import latent
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import cifar10
from ppsci_gan.evaluation import image_validator
from ppsci_gan.inference import GeneratorPredictor
from ppsci_gan.inference import write_report
from ppsci_gan.losses import WassersteinGP
from ppsci_gan.metrics.report import report
from ppsci_gan.solver import AdversarialSolver
from ppsci_gan.solver import Phase
from ppsci_gan.solver import Score

# MODEL.architecture -> generator and critic
NETWORKS = {
    "resnet": (WganGpCifar10Generator, WganGpCifar10Discriminator),
    "dcgan": (WganGpCifar10DcganGenerator, WganGpCifar10DcganDiscriminator),
}


def build_generator(cfg: DictConfig):
    return NETWORKS[cfg.MODEL.architecture][0](**cfg.MODEL.gen_net)


def to_images(samples: np.ndarray) -> np.ndarray:
    """Return generated images [N, 3072] in [-1, 1] as uint8 [N, 3, 32, 32]."""
    return plots.to_uint8(samples.reshape([-1, 3, 32, 32]))


def draw(samples: np.ndarray, path: str):
    plots.save_image_grid(to_images(samples), path)


# --8<-- [start:validator]
def build_validator(cfg: DictConfig, generator, train: dict):
    test = cifar10.read(cfg.DATA.data_path, "test")
    return image_validator(
        generator, test["data"], train["data"], cfg.EVAL.num_samples, cfg.EVAL.batch_size, cfg.seed, low=-1
    )


# --8<-- [end:validator]


def train(cfg: DictConfig):
    # --8<-- [start:data]
    images = cifar10.read(cfg.DATA.data_path, "train")
    dataloader_cfg = {
        "dataset": {
            "name": "NamedArrayDataset",
            "input": {"data": images["data"]},
            "label": {"labels": images["labels"]},
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
    solver = AdversarialSolver(
        generator,
        phases,
        {constraint.name: constraint},
        validator=build_validator(cfg, generator, images) if cfg.TRAIN.eval_during_train else None,
        score=Score("pixels.sliced_wasserstein", False),
        draw=draw,
        cfg=cfg,
    )
    solver.train()
    # --8<-- [end:solver]


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = build_generator(cfg)
    weights.load(generator, cfg.EVAL.pretrained_gen_model_path, "MODEL.gen_net", "generator")

    validator = None
    if cfg.DATA.data_path is not None:
        validator = build_validator(cfg, generator, cifar10.read(cfg.DATA.data_path, "train"))
    solver = AdversarialSolver(generator, validator=validator, draw=draw, cfg=cfg)
    if validator:
        _, scores = solver.eval()
        report(scores, osp.join(cfg.output_dir, "scores.json"))
    else:
        logger.message("Without DATA.data_path there are no real images to compare with: no score, only the picture.")
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


@hydra.main(version_base=None, config_path="../../conf", config_name="wgangp_cifar10")
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
