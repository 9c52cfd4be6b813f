"""WGAN-GP on MNIST.

Reference: https://arxiv.org/abs/1704.00028
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("wgangp_mnist")


import hydra
from omegaconf import DictConfig
from ppsci.data.dataset import NamedArrayDataset

from ppsci_gan import cli
from ppsci_gan import weights
from ppsci_gan.data import catalogue
from ppsci_gan.data import images
from ppsci_gan.evaluation import GeneratorEvaluation
from ppsci_gan.export import GeneratorPredictor
from ppsci_gan.losses import Objective
from ppsci_gan.networks.wgangp import WganGpMnistDiscriminator
from ppsci_gan.networks.wgangp import WganGpMnistGenerator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Phase
from ppsci_gan.training.optimizers import adam


def read(cfg: DictConfig, split: str) -> images.Images:
    return images.read_data_set("mnist", cfg.DATA.data_path, split, cfg.DATA.max_bytes)


def train(cfg: DictConfig):
    # --8<-- [start:data]
    real = read(cfg, "train")
    dataset = NamedArrayDataset({"data": real.data}, {})

    def to_floats(batch):
        # Bytes until here, so that only a batch is ever held as floats.
        return batch["data"].astype("float32").reshape([-1, 784]) / 255

    # --8<-- [end:data]

    # --8<-- [start:model]
    generator = WganGpMnistGenerator(**cfg.MODEL.gen_net)
    critic = WganGpMnistDiscriminator(**cfg.MODEL.dis_net)
    # --8<-- [end:model]
    weights.load_players(generator, critic, cfg.TRAIN.pretrained_gen_model_path, cfg.TRAIN.pretrained_dis_model_path)

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
    evaluation = GeneratorEvaluation(cfg, generator, real, lambda: read(cfg, "test"))
    AdversarialSolver(generator, phases, **evaluation.while_training(), cfg=cfg).train()
    # --8<-- [end:solver]


def load_generator(cfg: DictConfig, path: str) -> WganGpMnistGenerator:
    return weights.restore(path, "generator", [WganGpMnistGenerator], cfg.MODEL.gen_net)


# --8<-- [start:evaluate]
def evaluate(cfg: DictConfig):
    generator = load_generator(cfg, cfg.EVAL.pretrained_gen_model_path)
    real = read(cfg, "train") if catalogue.is_available("mnist", cfg.DATA.data_path) else None
    GeneratorEvaluation(cfg, generator, real, lambda: read(cfg, "test")).run()


# --8<-- [end:evaluate]


# --8<-- [start:export]
def export(cfg: DictConfig):
    AdversarialSolver(load_generator(cfg, cfg.INFER.pretrained_gen_model_path), cfg=cfg).export_generator()


def inference(cfg: DictConfig):
    GeneratorPredictor(cfg, [WganGpMnistGenerator]).save_images()


# --8<-- [end:export]


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="wgangp_mnist")
def main(cfg: DictConfig):
    cli.run(cfg, train, evaluate, export, inference)


if __name__ == "__main__":
    main()
