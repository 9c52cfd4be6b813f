"""What is in ``conf/``: every experiment and preset can be run, and has the values of its reference."""

import pytest
from omegaconf import OmegaConf

from ppsci_gan import config
from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"
PRIMARY = sorted(file.stem for file in CONF.glob("*.yaml") if file.stem not in ("gan_default", "images"))
PRESETS = sorted((name, file.stem) for name in PRIMARY for file in CONF.glob(f"preset/{name}/*.yaml"))


@pytest.mark.parametrize("name", PRIMARY)
@pytest.mark.parametrize("mode", ["train", "eval", "export", "infer"])
def test_primary_configs_are_sound(composed, name, mode):
    config.check(composed(name, f"mode={mode}", "EVAL.pretrained_gen_model_path=weights.pdparams"))


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_presets_are_sound(composed, name, preset):
    cfg = composed(name, f"preset={preset}")
    config.check(cfg)
    assert cfg != composed(name)


def test_without_a_preset_an_experiment_has_its_own_settings(composed):
    for name in {experiment for experiment, _ in PRESETS}:
        assert composed(name, "preset=none", "output_dir=out") == composed(name, "output_dir=out")


def test_presets_are_those_that_the_pages_name():
    assert PRESETS == [
        ("dcgan", "cifar10"),
        ("dcgan", "mnist"),
        ("dcgan", "quick"),
        ("pgan", "cifar10"),
        ("pgan", "pytorch_gan_zoo"),
        ("pgan", "quick"),
        ("transfergan", "cifar10"),
        ("transfergan", "quick"),
        ("wgangp_cifar10", "dcgan"),
        ("wgangp_cifar10", "quick"),
        ("wgangp_cifar10", "unconditional"),
        ("wgangp_mnist", "quick"),
        ("wgangp_toy", "demo"),
        ("wgangp_toy", "quick"),
    ]


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: file.relative_to(CONF).as_posix())
def test_every_file_sets_something(file):
    assert set(OmegaConf.load(file)) - {"defaults"}


@pytest.mark.parametrize("name", PRIMARY)
@pytest.mark.parametrize("loss", ["wasserstein_gp", "adversarial"])
def test_every_experiment_takes_every_loss(composed, name, loss):
    cfg = composed(name, f"LOSS={loss}")
    config.check(cfg)
    assert (cfg.LOSS.objective == "wasserstein") == (loss == "wasserstein_gp")


def iterations(cfg):
    """Resolution, iterations to fade in, and iterations in all, of every stage."""
    rows = cfg.TRAIN.stages
    return [
        (s.resolution, s.fade_images / s.batch_size, (s.fade_images + s.stable_images) / s.batch_size) for s in rows
    ]


def test_growth_follows_the_literature(composed):
    paper, zoo = composed("pgan"), composed("pgan", "preset=pytorch_gan_zoo")
    assert [(s.resolution, s.fade_images, s.stable_images) for s in paper.TRAIN.stages] == [
        (4, 0, 600_000),
        *((4 * 2**scale, 600_000, 600_000) for scale in range(1, 6)),
    ]
    # 600 jumps of 32 iterations to fade in.
    assert iterations(zoo) == [(4, 0, 48_000), *((4 * 2**scale, 600 * 32, 96_000) for scale in range(1, 6))]
    for cfg in (paper, zoo):
        assert list(cfg.MODEL.gen_net.depths) == list(cfg.MODEL.dis_net.depths) == [512, 512, 512, 512, 256, 128]
        assert (cfg.TRAIN.optimizer.beta1, cfg.TRAIN.optimizer.beta2) == (0, 0.99)
        assert {s.learning_rate for s in cfg.TRAIN.stages} == {1e-3}
        assert (cfg.LOSS.penalty_weight, cfg.LOSS.drift, cfg.TRAIN.n_critic) == (10, 0.001, 1)
        assert (cfg.MODEL.gen_net.latent_dim, cfg.TRAIN.ema.decay) == (512, 0.999)
    assert (paper.MODEL.gen_net.scale_bias, zoo.MODEL.gen_net.scale_bias) == (False, True)
    for key in ("reset_optimizer", "reset_average"):
        assert (paper.TRAIN[key], zoo.TRAIN[key]) == (False, True)
    for net, key in (("gen_net", "he_everywhere"), ("dis_net", "he_everywhere"), ("dis_net", "consecutive_groups")):
        assert (paper.MODEL[net][key], zoo.MODEL[net][key]) == (False, True)


def test_an_epoch_is_a_pass_over_the_data_only_in_dcgan(composed, refusal):
    assert composed("dcgan").TRAIN.iters_per_epoch is composed("dcgan", "preset=mnist").TRAIN.iters_per_epoch is None
    for name in set(PRIMARY) - {"dcgan"}:
        assert "TRAIN.iters_per_epoch=None: " in refusal("TRAIN.iters_per_epoch", None, name)


def test_labels_are_used_as_in_the_references(composed):
    """gan_cifar_resnet.py has CONDITIONAL and ACGAN; Karras' critic classifies generated images, too."""
    cifar10 = composed("wgangp_cifar10")
    assert (cifar10.MODEL.gen_net.use_label, cifar10.MODEL.dis_net.use_label, cifar10.MODEL.dis_net.acgan) == (
        True,
    ) * 3
    assert (cifar10.LOSS.acgan_scale, cifar10.LOSS.acgan_scale_g) == (1.0, 0.1)
    for preset in ("unconditional", "dcgan"):
        cfg = composed("wgangp_cifar10", f"preset={preset}")
        assert (cfg.MODEL.gen_net.use_label, cfg.MODEL.dis_net.use_label) == (False, False)
    pgan, zoo = composed("pgan"), composed("pgan", "preset=pytorch_gan_zoo")
    assert (pgan.LOSS.acgan_scale, pgan.LOSS.acgan_scale_g, pgan.LOSS.acgan_generated) == (1.0, 1.0, True)
    assert (zoo.LOSS.acgan_scale, zoo.LOSS.acgan_scale_g, zoo.LOSS.acgan_generated) == (1.0, 1.0, False)
    for preset in ("none", "cifar10"):
        cfg = composed("transfergan", f"preset={preset}")
        assert (cfg.LOSS.acgan_scale, cfg.LOSS.acgan_scale_g) == (1.0, 1.0)


def test_dcgan_follows_the_reference(composed):
    cfg, mnist = composed("dcgan"), composed("dcgan", "preset=mnist")
    for given in (cfg, mnist):
        assert (given.TRAIN.epochs, given.TRAIN.batch_size, given.TRAIN.n_critic, given.TRAIN.n_gen) == (25, 64, 1, 2)
        assert given.TRAIN.lr_scheduler_gen == given.TRAIN.lr_scheduler_dis == {"learning_rate": 2e-4, "end_lr": 2e-4}
        assert (given.TRAIN.optimizer.beta1, given.MODEL.gen_net.latent_dim) == (0.5, 100)
    assert list(cfg.MODEL.gen_net.depths) == [512, 256, 128, 64] == list(cfg.MODEL.dis_net.depths)[::-1]
    # 74 = 64 first-layer filters + 10 classes, 11 = one channel + 10 classes.
    assert (list(mnist.MODEL.dis_net.depths), mnist.MODEL.dis_net.hidden) == ([11, 74], 1024)
    assert (list(mnist.MODEL.gen_net.depths), mnist.MODEL.gen_net.hidden) == ([128, 128], 1024)


@pytest.mark.parametrize(
    ("name", "preset", "dim", "batch_size", "iterations", "rate", "last_rate", "betas", "weight", "multiple"),
    [
        ("wgangp_toy", "none", 512, 256, 100_000, 1e-4, 1e-4, (0.5, 0.9), 0.1, 1),
        ("wgangp_mnist", "none", 64, 50, 200_000, 1e-4, 1e-4, (0.5, 0.9), 10, 1),
        ("wgangp_cifar10", "none", 128, 64, 100_000, 2e-4, 0, (0, 0.9), 10, 2),
        ("wgangp_cifar10", "dcgan", 128, 64, 200_000, 1e-4, 1e-4, (0.5, 0.9), 10, 1),
    ],
)
def test_defaults_are_those_of_the_reference(
    composed, name, preset, dim, batch_size, iterations, rate, last_rate, betas, weight, multiple
):
    """Settings of igul222/improved_wgan_training."""
    cfg = composed(name, f"preset={preset}")
    assert cfg.MODEL.gen_net.dim == cfg.MODEL.dis_net.dim == dim
    assert cfg.TRAIN.batch_size == batch_size
    assert cfg.TRAIN.epochs * cfg.TRAIN.iters_per_epoch == iterations
    for schedule in (cfg.TRAIN.lr_scheduler_gen, cfg.TRAIN.lr_scheduler_dis):
        assert (schedule.learning_rate, schedule.end_lr) == (rate, last_rate)
    assert (cfg.TRAIN.optimizer.beta1, cfg.TRAIN.optimizer.beta2) == betas
    assert (cfg.LOSS.penalty_weight, cfg.LOSS.penalty_target, cfg.LOSS.penalty_one_sided) == (weight, 1, False)
    assert (cfg.TRAIN.n_critic, cfg.TRAIN.gen_batch_multiple) == (5, multiple)
    assert not cfg.TRAIN.ema.use_ema


def test_weights_to_export_are_those_to_evaluate_unless_named(composed):
    name = "EVAL.pretrained_gen_model_path=a"
    assert composed("wgangp_mnist", name).INFER.pretrained_gen_model_path == "a"
    assert composed("wgangp_mnist", name, "INFER.pretrained_gen_model_path=b").INFER.pretrained_gen_model_path == "b"
