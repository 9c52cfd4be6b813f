"""Transferring GANs: a WGAN-GP on a small set of images that starts from a trained one, or from scratch.

Reference: https://arxiv.org/abs/1805.01677
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("transfergan")


import json
from os import path as osp

import hydra
from omegaconf import DictConfig
from ppsci.data.dataset import NamedArrayDataset
from ppsci.utils import logger

from ppsci_gan import cli
from ppsci_gan import weights
from ppsci_gan.data import batches
from ppsci_gan.data import catalogue
from ppsci_gan.data import images
from ppsci_gan.data import target
from ppsci_gan.data.target import Fit
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import GeneratorEvaluation
from ppsci_gan.export import GeneratorPredictor
from ppsci_gan.files import atomic
from ppsci_gan.losses import Objective
from ppsci_gan.networks.wgangp import WganGpCifar10Discriminator
from ppsci_gan.networks.wgangp import WganGpCifar10Generator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training.optimizers import adam
from ppsci_gan.weights import transfer
from ppsci_gan.weights.transfer import Transfer


# --8<-- [start:data]
def read(cfg: DictConfig, generator: WganGpCifar10Generator, split: str) -> images.Images:
    """Return all images of the target's split, of their own size."""
    height = generator.image_shape[1]
    settings = {"height": height, "num_samples": cfg.DATA.num_samples, "seed": cfg.seed}
    found = catalogue.open_images(cfg.DATA.name, split, cfg.DATA.data_path, max_bytes=cfg.DATA.max_bytes, **settings)
    if cfg.DATA.classes is not None:
        found = target.select_classes(found, cfg.DATA.classes)
    if cfg.DATA.coloured:
        found = target.colour_images(found, cfg.seed)
    images.check_classes(found, generator.label_num)
    return found


def build_fit(generator: WganGpCifar10Generator, found: images.Images) -> Fit:
    """Return the way from these images to the networks' and back."""
    fit = Fit(found.data[[0]].shape[1:], generator.image_shape)
    fit.check(found.name)
    return fit


# --8<-- [end:data]


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
    told = transfer.log_reports(reports, {way.name: way.path for way in ways})
    path = osp.join(cfg.output_dir, "transfer.json")
    if ranks.is_first():
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(told, indent=2) + "\n")
    logger.message(f"Every parameter: {path}")
    return ways[0].average(generator) if ways[0].keep_average else {}


# --8<-- [end:transfer]


def train(cfg: DictConfig):
    # --8<-- [start:model]
    generator = WganGpCifar10Generator(**cfg.MODEL.gen_net)
    critic = WganGpCifar10Discriminator(**cfg.MODEL.dis_net)
    average = start(cfg, generator, critic)
    # --8<-- [end:model]

    # --8<-- [start:target]
    real = read(cfg, generator, "train")
    fit = build_fit(generator, real)
    shown = target.choose_images(real, cfg.DATA.num_images, cfg.seed)
    dataset = NamedArrayDataset({"data": fit(shown.data)}, {"labels": shown.labels} if generator.label_num else {})

    def to_floats(batch):
        return batches.to_floats(batch["data"], cfg.DATA.dequantize).flatten(1)

    # --8<-- [end:target]

    # --8<-- [start:optimizer]
    steps = (cfg.TRAIN.epochs, cfg.TRAIN.iters_per_epoch)
    optimizer_gen = adam(generator, *steps, **cfg.TRAIN.lr_scheduler_gen, **cfg.TRAIN.optimizer)
    optimizer_dis = adam(critic, *steps, **cfg.TRAIN.lr_scheduler_dis, **cfg.TRAIN.optimizer)
    # --8<-- [end:optimizer]

    # --8<-- [start:phases]
    objective = Objective.from_settings(critic, **cfg.LOSS)
    size, n_critic = cfg.TRAIN.batch_size, cfg.TRAIN.n_critic
    phases = [
        Phase("critic", critic, optimizer_dis, objective.critic_loss, size, n_critic, dataset, to_floats),
        Phase("generator", generator, optimizer_gen, objective.generator_loss, size * cfg.TRAIN.gen_batch_multiple),
    ]
    # --8<-- [end:phases]

    # --8<-- [start:solver]
    # Compared with the whole target domain, of which the training sees DATA.num_images.
    evaluation = GeneratorEvaluation(cfg, generator, real, lambda: read(cfg, generator, "test"), fit.invert)
    solver = AdversarialSolver(generator, phases, **evaluation.while_training(), cfg=cfg)
    if average and not solver.is_resumed:
        solver.ema_model.start_from(average)
    solver.train()
    # --8<-- [end:solver]


def load_generator(cfg: DictConfig, path: str) -> WganGpCifar10Generator:
    return weights.restore(path, "generator", [WganGpCifar10Generator], cfg.MODEL.gen_net)


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    if not catalogue.is_available(cfg.DATA.name, cfg.DATA.data_path):
        GeneratorEvaluation(cfg, generator).run()
        return
    real = read(cfg, generator, "train")
    fit = build_fit(generator, real)
    shown = target.choose_images(real, cfg.DATA.num_images, cfg.seed)
    # A small set is soon known by heart: a generator that copies shows beside the images that it was trained on.
    known = shown._replace(data=fit(shown.data))
    GeneratorEvaluation(cfg, generator, real, lambda: read(cfg, generator, "test"), fit.invert).run(known)


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    AdversarialSolver(load_generator(cfg, cfg.INFER.pretrained_gen_model_path), cfg=cfg).export_generator()


def inference(cfg: DictConfig):
    GeneratorPredictor(cfg, [WganGpCifar10Generator]).save_images()


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="transfergan")
def main(cfg: DictConfig):
    cli.run(cfg, train, evaluate, export, inference)


if __name__ == "__main__":
    main()
