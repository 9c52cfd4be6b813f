"""PGAN: progressive growing from 4x4 pixels, on drawn faces, CIFAR-10, CelebA or any folder of pictures.

Reference: https://arxiv.org/abs/1710.10196
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("pgan")


from math import ceil

import hydra
import ppsci
from omegaconf import DictConfig
from paddle.nn import functional as F
from ppsci.data.dataset import NamedArrayDataset
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import batches
from ppsci_gan.data import catalogue
from ppsci_gan.data import images
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import GeneratorEvaluation
from ppsci_gan.evaluation import pictures
from ppsci_gan.export import GeneratorPredictor
from ppsci_gan.losses import Objective
from ppsci_gan.networks.pgan import PganDiscriminator
from ppsci_gan.networks.pgan import PganGenerator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training import Stage
from ppsci_gan.training import optimizers


# --8<-- [start:levels]
def read_levels(cfg: DictConfig, generator: PganGenerator, split: str) -> dict[int, images.Images]:
    """Return the images of a split at every resolution, 4, 8, ..., like those that the generator makes."""
    settings = {"heights": generator.resolutions, "num_samples": cfg.DATA.num_samples, "seed": cfg.seed}
    levels = catalogue.open_levels(cfg.DATA.name, split, cfg.DATA.data_path, max_bytes=cfg.DATA.max_bytes, **settings)
    for height, found in levels.items():
        images.check_fit(found, (generator.channels, height, height), generator.label_num)
    return levels


# --8<-- [end:levels]


def evaluate_at(
    cfg: DictConfig, generator: PganGenerator, resolution: int, real: images.Images | None
) -> GeneratorEvaluation:
    """Return the evaluation at a resolution; images of a generator that is not that large yet are enlarged."""
    return GeneratorEvaluation(
        cfg,
        generator,
        real,
        lambda: read_levels(cfg, generator, "test")[resolution],
        finish=lambda samples: plots.enlarge(samples, resolution),
    )


def train(cfg: DictConfig):
    # --8<-- [start:model]
    generator = PganGenerator(**cfg.MODEL.gen_net)
    critic = PganDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load_players(generator, critic, cfg.TRAIN.pretrained_gen_model_path, cfg.TRAIN.pretrained_dis_model_path)

    # --8<-- [start:data]
    levels = read_levels(cfg, generator, "train")
    plan = [stage for stage in cfg.TRAIN.stages if stage.resolution >= generator.resolutions[cfg.TRAIN.start_scale]]
    finest = plan[-1].resolution
    if finest not in levels:
        raise InputError(f"TRAIN.stages goes to {finest} pixels; the images have at most {max(levels)}.")

    def to_floats(batch):
        real = batches.to_floats(batch["data"])
        if generator.fade == 1:
            return real
        # While a scale comes in, real images lack the same details as generated ones.
        coarse = F.interpolate(F.avg_pool2d(real, 2), size=real.shape[2:], mode="nearest")
        return real * generator.fade + coarse * (1 - generator.fade)

    # --8<-- [end:data]

    # --8<-- [start:optimizer]
    optimizer_gen = ppsci.optimizer.Adam(plan[0].learning_rate, **cfg.TRAIN.optimizer)(generator)
    optimizer_dis = ppsci.optimizer.Adam(plan[0].learning_rate, **cfg.TRAIN.optimizer)(critic)
    # --8<-- [end:optimizer]

    # --8<-- [start:stages]
    objective = Objective.from_settings(critic, **cfg.LOSS)

    def build_stage(given: DictConfig) -> Stage:
        real, size, n_critic = levels[given.resolution], given.batch_size, cfg.TRAIN.n_critic
        dataset = NamedArrayDataset({"data": real.data}, {"labels": real.labels} if generator.label_num else {})
        phases = [
            Phase("critic", critic, optimizer_dis, objective.critic_loss, size, n_critic, dataset, to_floats),
            Phase("generator", generator, optimizer_gen, objective.generator_loss, size),
        ]
        # Images that the critic sees in an iteration; with several ranks a stage takes fewer iterations.
        shown = size * n_critic * cfg.TRAIN.update_freq * ranks.count()
        scale = generator.resolutions.index(given.resolution)

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
        return Stage(f"{given.resolution}x{given.resolution}", iterations, phases, begin)

    stages = [build_stage(given) for given in plan]
    # --8<-- [end:stages]

    # --8<-- [start:solver]
    cfg.TRAIN.epochs = ceil(sum(stage.iterations for stage in stages) / cfg.TRAIN.iters_per_epoch)
    evaluation = evaluate_at(cfg, generator, finest, levels[finest])
    solver = AdversarialSolver(generator, stages=stages, **evaluation.while_training(), cfg=cfg)
    solver.train()
    fresh = PganGenerator(**cfg.MODEL.gen_net)  # in single precision, whatever the training's
    pictures.draw_growth(fresh, [stage.name for stage in stages], cfg.output_dir, finest, cfg.seed)
    # --8<-- [end:solver]


def load_generator(cfg: DictConfig, path: str) -> PganGenerator:
    """Return a trained generator, at the scale of its weights or at ``MODEL.scale``."""
    generator = weights.restore(path, "generator", [PganGenerator], cfg.MODEL.gen_net)
    if cfg.MODEL.scale is not None:
        generator.grow(cfg.MODEL.scale)
    logger.message(f"Scale {generator.scale}: {generator.resolution} x {generator.resolution} pixels")
    return generator


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    resolution, real = generator.resolution, None
    if catalogue.is_available(cfg.DATA.name, cfg.DATA.data_path):
        levels = read_levels(cfg, generator, "train")
        if resolution not in levels:
            most = max(levels)
            raise InputError(f"The generator makes images of {resolution} pixels; the real ones have {most} at most.")
        real = levels[resolution]
    evaluate_at(cfg, generator, resolution, real).run()


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    AdversarialSolver(load_generator(cfg, cfg.INFER.pretrained_gen_model_path), cfg=cfg).export_generator()


def inference(cfg: DictConfig):
    GeneratorPredictor(cfg, [PganGenerator]).save_images()


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="pgan")
def main(cfg: DictConfig):
    cli.run(cfg, train, evaluate, export, inference)


if __name__ == "__main__":
    main()
