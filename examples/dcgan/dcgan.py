"""DCGAN on drawn faces, MNIST, CIFAR-10, CelebA or any folder of pictures, with labels or without.

Reference: https://arxiv.org/abs/1511.06434
"""

from collections.abc import Sequence
from os import path as osp

import hydra
import numpy as np
import paddle
import ppsci
from model import DcganDiscriminator
from model import DcganGenerator
from omegaconf import DictConfig
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import batches
from ppsci_gan.data import faces
from ppsci_gan.data import images
from ppsci_gan.data import pyramid
from ppsci_gan.data.images import Images
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.nearest import beside_nearest
from ppsci_gan.evaluation.report import report
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.export.inference import GeneratorPredictor
from ppsci_gan.export.inference import write_report
from ppsci_gan.losses.adversarial import Adversarial
from ppsci_gan.networks import latent
from ppsci_gan.training import histograms
from ppsci_gan.training.collapse import CollapseWatch
from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver


def image_shape(cfg: DictConfig) -> tuple[int, int, int]:
    return (cfg.MODEL.gen_net.channels, *cfg.MODEL.gen_net.image_size)


# --8<-- [start:read]
def read(cfg: DictConfig, split: str) -> Images:
    """Return the images of a split, of the size and number of channels that the networks have."""
    height, width = cfg.MODEL.gen_net.image_size
    if cfg.DATA.name == "faces":
        drawn = faces.factors(cfg.DATA.num_samples, cfg.seed + (split == "test"))
        found = Images(f"drawn faces {split}", faces.Faces(drawn, width), drawn["hair"])
    elif cfg.DATA.name == "pictures":
        levels, labels = pyramid.read(cfg.DATA.data_path, split)
        if height not in levels:
            raise InputError(
                f"MODEL.gen_net.image_size=[{height},{width}]: {cfg.DATA.data_path} has heights {list(levels)}."
            )
        found = Images(f"{cfg.DATA.data_path} {split}", levels[height], labels)
    else:
        found = images.data_set(cfg.DATA.name, cfg.DATA.data_path, split)
    shape = found.data[[0]].shape[1:]
    if shape != image_shape(cfg):
        raise InputError(
            f"DATA.name={cfg.DATA.name} has images of {shape[1]} x {shape[2]} pixels and {shape[0]} channels: set "
            f"MODEL.gen_net.image_size=[{shape[1]},{shape[2]}] and MODEL.gen_net.channels={shape[0]}."
        )
    if cfg.MODEL.gen_net.use_label:
        images.check_classes(found, cfg.MODEL.gen_net.label_num)
    return found


# --8<-- [end:read]


def to_images(samples: np.ndarray) -> np.ndarray:
    """Return generated images [N, C, H, W] in [-1, 1] as uint8."""
    return plots.to_uint8(samples)


def draw(samples: np.ndarray, path: str):
    plots.save_image_grid(to_images(samples), path)


# --8<-- [start:evaluation]
def build_evaluation(cfg: DictConfig, scores: Sequence[str], num_samples: int, real: Images):
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


# --8<-- [end:evaluation]


def train(cfg: DictConfig):
    # --8<-- [start:data]
    real = read(cfg, "train")
    dataloader_cfg = {
        "dataset": {
            "name": "NamedArrayDataset",
            "input": {"data": real.data},
            "label": {"labels": real.labels} if cfg.MODEL.gen_net.use_label else {},
        },
        "batch_size": cfg.TRAIN.batch_size,
        "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": True},
    }
    shown = cfg.TRAIN.batch_size * cfg.TRAIN.n_critic * cfg.TRAIN.update_freq  # in an iteration
    cfg.TRAIN.iters_per_epoch = cfg.TRAIN.iters_per_epoch or batches.count_iterations(len(real.data), shown)
    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = DcganGenerator(**cfg.MODEL.gen_net)
    discriminator = DcganDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    # Fine-tuning may change what the images are like; layers that do not fit then start afresh.
    may_differ = ("channels", "use_label", "label_num")
    weights.load(generator, cfg.TRAIN.pretrained_gen_model_path, "MODEL.gen_net", "generator", may_differ)
    weights.load(discriminator, cfg.TRAIN.pretrained_dis_model_path, "MODEL.dis_net", "discriminator", may_differ)

    # --8<-- [start:loss]
    updates = cfg.TRAIN.epochs * cfg.TRAIN.iters_per_epoch * cfg.TRAIN.n_critic
    objective = Adversarial(discriminator, **cfg.LOSS, noise_updates=updates)
    discriminator_loss = ppsci.loss.FunctionalLoss(objective.discriminator_loss)
    generator_loss = ppsci.loss.FunctionalLoss(objective.generator_loss)
    # --8<-- [end:loss]

    # --8<-- [start:constraint]
    def real_data(batch):
        # Bytes until here: only a batch is ever held as floats.
        return batch["data"].astype("float32") / 127.5 - 1

    constraint = ppsci.constraint.SupervisedConstraint(
        dataloader_cfg, discriminator_loss, {"real_data": real_data}, name="discriminator"
    )
    # --8<-- [end:constraint]

    # --8<-- [start:optimizer]
    steps = (cfg.TRAIN.epochs, cfg.TRAIN.iters_per_epoch)
    lr_gen = ppsci.optimizer.lr_scheduler.Linear(*steps, **cfg.TRAIN.lr_scheduler_gen)()
    lr_dis = ppsci.optimizer.lr_scheduler.Linear(*steps, **cfg.TRAIN.lr_scheduler_dis)()
    optimizer_gen = ppsci.optimizer.Adam(lr_gen, **cfg.TRAIN.optimizer)(generator)
    optimizer_dis = ppsci.optimizer.Adam(lr_dis, **cfg.TRAIN.optimizer)(discriminator)
    # --8<-- [end:optimizer]

    # --8<-- [start:solver]
    batch_size = cfg.TRAIN.batch_size
    phases = [
        Phase("discriminator", discriminator, optimizer_dis, discriminator_loss, batch_size, cfg.TRAIN.n_critic),
        Phase("generator", generator, optimizer_gen, generator_loss, batch_size, cfg.TRAIN.n_gen),
    ]
    validator = score = None
    if cfg.TRAIN.eval_during_train:
        evaluation = build_evaluation(cfg, cfg.TRAIN.scores, cfg.TRAIN.num_eval_samples, real)
        validator = evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, image_shape(cfg), low=-1)
        score = evaluation.best(cfg.TRAIN.best_score)
    some = real.data[: cfg.VIS.num_images], None if real.labels is None else real.labels[: cfg.VIS.num_images]
    solver = AdversarialSolver(
        generator,
        phases,
        {constraint.name: constraint},
        validator=validator,
        score=score,
        draw=draw,
        watch=CollapseWatch(**cfg.TRAIN.collapse),
        each_epoch=lambda epoch: draw_histograms(solver, generator, discriminator, *some, epoch),
        cfg=cfg,
    )
    solver.train()
    # --8<-- [end:solver]


# --8<-- [start:histograms]
def draw_histograms(
    solver: AdversarialSolver,
    generator: DcganGenerator,
    discriminator: DcganDiscriminator,
    data: np.ndarray,
    labels: np.ndarray | None,
    epoch: int,
):
    """Draw the discriminator's outputs on real and generated images, and what both players' layers give."""
    inputs = latent.fixed(generator, len(data), solver.seed)
    real = {"data": data.astype("float32") / 127.5 - 1}
    if generator.label_num:
        real["labels"] = labels
    inputs, real = ({key: paddle.to_tensor(value) for key, value in part.items()} for part in (inputs, real))
    with solver.precision.autocast_for_evaluation():
        values = histograms.collect(generator, discriminator, inputs, real)
    solver.add_histograms(values)
    if ranks.is_first():
        plots.save_histograms(values, osp.join(solver.output_dir, "histograms", f"epoch_{epoch:05d}.png"))


# --8<-- [end:histograms]


def load_generator(cfg: DictConfig, path: str | None) -> DcganGenerator:
    generator = DcganGenerator(**cfg.MODEL.gen_net)
    weights.load(generator, path, "MODEL.gen_net", "generator")
    return generator


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    real = read(cfg, "train")
    evaluation = build_evaluation(cfg, cfg.EVAL.scores, cfg.EVAL.num_samples, real)
    validator = evaluation.validator(generator, cfg.EVAL.batch_size, cfg.seed, image_shape(cfg), low=-1)
    solver = AdversarialSolver(generator, validator=validator, draw=draw, cfg=cfg)
    _, scores = solver.eval()
    origin = weights.describe(cfg.EVAL.pretrained_gen_model_path, "generator")
    protocols = evaluation.protocols(scores, latent_seed=cfg.seed, generator=origin)
    report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
    draw_all(solver, generator, real, cfg)


def draw_all(solver: AdversarialSolver, generator: DcganGenerator, real: Images, cfg: DictConfig):
    """Draw samples, walks through the latent space, every class of a latent, and what training images are nearest."""

    def generate(inputs: dict[str, np.ndarray]) -> np.ndarray:
        outputs = solver.predict(inputs, batch_size=cfg.EVAL.batch_size, return_numpy=True)
        return to_images(outputs[generator.output_keys[0]])

    def place(name: str) -> str:
        return osp.join(cfg.output_dir, name)

    samples = generate(latent.fixed(generator, cfg.EVAL.num_images, cfg.seed))
    plots.save_image_grid(samples, place("samples.png"))
    plots.save_images(samples, place("images"))

    way = latent.walk(generator, points=6, steps=12, seed=cfg.seed)
    frames = generate(way)
    plots.save_image_grid(frames, place("walk.png"), columns=12)
    plots.save_animation(plots.enlarged(frames, 128), place("walk.gif"))
    if generator.label_num:
        classes = generator.label_num
        rows = generate(latent.every_class(generator, latent.fixed(generator, 10, cfg.seed)))
        plots.save_image_grid(rows, place("classes.png"), columns=classes)
        # All classes side by side, along the same way.
        every = generate(latent.every_class(generator, way))
        side_by_side = every.reshape([-1, classes, *every.shape[1:]]).transpose(0, 2, 3, 1, 4)
        plots.save_animation(side_by_side.reshape([*side_by_side.shape[:3], -1]), place("classes.gif"))

    plots.save_image_grid(beside_nearest(samples[:8], real.data, 7), place("nearest.png"), columns=8)
    logger.message(f"Pictures: {cfg.output_dir}; each row of nearest.png begins with a sample, training images follow")


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    generator = load_generator(cfg, cfg.INFER.pretrained_gen_model_path)
    solver = AdversarialSolver(generator, cfg=cfg)
    solver.export([latent.input_spec(generator)], cfg.INFER.export_path, with_onnx=cfg.INFER.with_onnx)


def inference(cfg: DictConfig):
    generator = DcganGenerator(**cfg.MODEL.gen_net)
    predictor = GeneratorPredictor(cfg)
    inputs = latent.fixed(generator, cfg.INFER.num_images, cfg.seed)
    samples, timing = predictor.generate(inputs, cfg.INFER.batch_size)
    plots.save_images(to_images(samples), osp.join(cfg.output_dir, "images"))
    write_report(timing, osp.join(cfg.output_dir, "timing.json"))


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="dcgan")
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
