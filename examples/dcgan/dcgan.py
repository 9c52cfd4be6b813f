"""DCGAN on drawn faces, MNIST, CIFAR-10, CelebA or any folder of pictures, with labels or without.

Reference: https://arxiv.org/abs/1511.06434
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("dcgan")


import hydra
from omegaconf import DictConfig
from ppsci.data.dataset import NamedArrayDataset

from ppsci_gan import cli
from ppsci_gan import weights
from ppsci_gan.data import batches
from ppsci_gan.data import catalogue
from ppsci_gan.data import images
from ppsci_gan.evaluation import GeneratorEvaluation
from ppsci_gan.export import GeneratorPredictor
from ppsci_gan.losses import Objective
from ppsci_gan.networks.dcgan import DcganDiscriminator
from ppsci_gan.networks.dcgan import DcganGenerator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training import histograms
from ppsci_gan.training.collapse import CollapseWatch
from ppsci_gan.training.optimizers import adam


# --8<-- [start:read]
def read(cfg: DictConfig, generator: DcganGenerator, split: str) -> images.Images:
    """Return the images of a split, like those that the generator makes."""
    height = generator.image_shape[1]
    settings = {"height": height, "num_samples": cfg.DATA.num_samples, "seed": cfg.seed}
    found = catalogue.open_images(cfg.DATA.name, split, cfg.DATA.data_path, max_bytes=cfg.DATA.max_bytes, **settings)
    images.check_fit(found, generator.image_shape, generator.label_num)
    return found


def to_floats(batch):
    return batches.to_floats(batch["data"])


# --8<-- [end:read]


def train(cfg: DictConfig):
    # --8<-- [start:model]
    generator = DcganGenerator(**cfg.MODEL.gen_net)
    critic = DcganDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    # Fine-tuning may change what the images are like; layers that do not fit then start afresh.
    may_differ = ("channels", "use_label", "label_num")
    paths = (cfg.TRAIN.pretrained_gen_model_path, cfg.TRAIN.pretrained_dis_model_path)
    weights.load_players(generator, critic, *paths, may_differ)

    # --8<-- [start:data]
    real = read(cfg, generator, "train")
    dataset = NamedArrayDataset({"data": real.data}, {"labels": real.labels} if generator.label_num else {})
    shown = cfg.TRAIN.batch_size * cfg.TRAIN.n_critic * cfg.TRAIN.update_freq  # in an iteration
    cfg.TRAIN.iters_per_epoch = cfg.TRAIN.iters_per_epoch or batches.count_iterations(len(real.data), shown)
    # --8<-- [end:data]

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
        Phase("generator", generator, optimizer_gen, objective.generator_loss, size, cfg.TRAIN.n_gen),
    ]
    # --8<-- [end:phases]

    # --8<-- [start:solver]
    evaluation = GeneratorEvaluation(cfg, generator, real, lambda: read(cfg, generator, "test"))
    solver = AdversarialSolver(
        generator,
        phases,
        **evaluation.while_training(),
        watch=CollapseWatch(**cfg.TRAIN.collapse),
        each_epoch=lambda epoch: histograms.draw(solver, critic, real, epoch),
        cfg=cfg,
    )
    solver.train()
    # --8<-- [end:solver]


def load_generator(cfg: DictConfig, path: str) -> DcganGenerator:
    return weights.restore(path, "generator", [DcganGenerator], cfg.MODEL.gen_net)


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    has_data = catalogue.is_available(cfg.DATA.name, cfg.DATA.data_path)
    real = read(cfg, generator, "train") if has_data else None
    GeneratorEvaluation(cfg, generator, real, lambda: read(cfg, generator, "test")).run()


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    AdversarialSolver(load_generator(cfg, cfg.INFER.pretrained_gen_model_path), cfg=cfg).export_generator()


def inference(cfg: DictConfig):
    GeneratorPredictor(cfg, [DcganGenerator]).save_images()


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="dcgan")
def main(cfg: DictConfig):
    cli.run(cfg, train, evaluate, export, inference)


if __name__ == "__main__":
    main()
