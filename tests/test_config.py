"""Configurations: every one that is there can be run, and impossible ones are refused by name."""

import re
import sys

import pytest
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from ppsci_gan import config
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"
PRIMARY = sorted(file.stem for file in CONF.glob("*.yaml") if file.stem not in ("gan_default", "images"))
PRESETS = sorted((name, file.stem) for name in PRIMARY for file in CONF.glob(f"preset/{name}/*.yaml"))


def composed(name, *overrides, folder=CONF):
    with initialize_config_dir(str(folder), version_base=None):
        return compose(name, list(overrides))


@pytest.fixture(scope="module")
def defaults():
    return {name: composed(name) for name in PRIMARY}


@pytest.fixture
def refusal(defaults):
    """``refusal(key, value)`` is the message about a configuration with that value."""

    def message(key, value, name="wgangp_toy"):
        cfg = defaults[name].copy()
        OmegaConf.set_struct(cfg, False)
        OmegaConf.update(cfg, key, value)
        with pytest.raises(InputError) as error:
            config.check(cfg)
        return str(error.value)

    return message


# --- what is in conf/ ---


@pytest.mark.parametrize("name", PRIMARY)
@pytest.mark.parametrize("mode", ["train", "eval", "export", "infer"])
def test_primary_configs_are_sound(name, mode):
    config.check(composed(name, f"mode={mode}", "EVAL.pretrained_gen_model_path=weights.pdparams"))


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_presets_are_sound(name, preset):
    cfg = composed(name, f"preset={preset}")
    config.check(cfg)
    assert cfg != composed(name)


def test_without_a_preset_an_experiment_has_its_own_settings():
    for name in PRIMARY:
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
def test_every_experiment_takes_every_loss(name, loss):
    cfg = composed(name, f"LOSS={loss}")
    config.check(cfg)
    assert (cfg.LOSS.objective == "wasserstein") == (loss == "wasserstein_gp")


def iterations(cfg):
    """Resolution, iterations to fade in, and iterations in all, of every stage."""
    rows = cfg.TRAIN.stages
    return [
        (s.resolution, s.fade_images / s.batch_size, (s.fade_images + s.stable_images) / s.batch_size) for s in rows
    ]


def test_growth_follows_the_literature():
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


def test_an_epoch_is_a_pass_over_the_data_only_in_dcgan(refusal):
    assert composed("dcgan").TRAIN.iters_per_epoch is composed("dcgan", "preset=mnist").TRAIN.iters_per_epoch is None
    for name in set(PRIMARY) - {"dcgan"}:
        assert "TRAIN.iters_per_epoch=None: " in refusal("TRAIN.iters_per_epoch", None, name)


def test_labels_are_used_as_in_the_references():
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


def test_dcgan_follows_the_reference():
    cfg, mnist = composed("dcgan"), composed("dcgan", "preset=mnist")
    for given in (cfg, mnist):
        assert (given.TRAIN.epochs, given.TRAIN.batch_size, given.TRAIN.n_critic, given.TRAIN.n_gen) == (25, 64, 1, 2)
        assert given.TRAIN.lr_scheduler_gen == given.TRAIN.lr_scheduler_dis == {"learning_rate": 2e-4, "end_lr": 2e-4}
        assert (given.TRAIN.optimizer.beta1, given.MODEL.gen_net.latent_dim) == (0.5, 100)
    assert list(cfg.MODEL.gen_net.depths) == [512, 256, 128, 64] == list(cfg.MODEL.dis_net.depths)[::-1]
    # 74 = 64 first-layer filters + 10 classes, 11 = one channel + 10 classes.
    assert (list(mnist.MODEL.dis_net.depths), mnist.MODEL.dis_net.hidden) == ([11, 74], 1024)
    assert (list(mnist.MODEL.gen_net.depths), mnist.MODEL.gen_net.hidden) == ([128, 128], 1024)


STAGE = {"resolution": 4, "fade_images": 0, "stable_images": 8, "batch_size": 4, "learning_rate": 0.001}


@pytest.mark.parametrize(
    ("name", "key", "value", "part"),
    [
        ("pgan", "TRAIN.stages", [], "TRAIN.stages"),
        ("pgan", "TRAIN.stages", [{**STAGE, "resolution": 0}], "TRAIN.stages.0.resolution"),
        ("pgan", "TRAIN.stages", [STAGE, {**STAGE, "fade_images": -1}], "TRAIN.stages.1.fade_images"),
        (
            "pgan",
            "TRAIN.stages",
            [{**STAGE, "fade": 1}],
            "TRAIN.stages.0.fade: unknown key. There are resolution, fade_images",
        ),
        ("pgan", "TRAIN.stages", [{"resolution": 4}], "TRAIN.stages.0.fade_images"),
        ("pgan", "MODEL.gen_net.depths", [], "MODEL.gen_net.depths"),
        ("pgan", "MODEL.gen_net.depths", [64, 0], "MODEL.gen_net.depths.1"),
        ("pgan", "MODEL.scale", -1, "MODEL.scale"),
        ("pgan", "DATA.name", "celeba", "DATA.name"),
        ("dcgan", "LOSS.objective", "wgan", "LOSS.objective"),
        ("dcgan", "LOSS.real_target", 1.1, "LOSS.real_target"),
        ("dcgan", "MODEL.gen_net.image_size", [64], "MODEL.gen_net.image_size"),
        ("dcgan", "MODEL.gen_net.channels", 2, "MODEL.gen_net.channels"),
        ("dcgan", "TRAIN.collapse.window", 0, "TRAIN.collapse.window"),
        ("dcgan", "TRAIN.n_gen", 0, "TRAIN.n_gen"),
    ],
)
def test_impossible_values_of_growing_and_classic_networks_are_named(refusal, name, key, value, part):
    assert part in refusal(key, value, name)


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
    name, preset, dim, batch_size, iterations, rate, last_rate, betas, weight, multiple
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


def test_weights_to_export_are_those_to_evaluate_unless_named():
    name = "EVAL.pretrained_gen_model_path=a"
    assert composed("wgangp_mnist", name).INFER.pretrained_gen_model_path == "a"
    assert composed("wgangp_mnist", name, "INFER.pretrained_gen_model_path=b").INFER.pretrained_gen_model_path == "b"


# --- unknown keys ---


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("sead", "seed"),
        ("TRAIN.epoch", "epochs"),
        ("TRAIN.ema.decy", "decay"),
        ("TRAIN.optimizer.beta", "beta2 or beta1"),
        ("TRAIN.lr_scheduler_gen.learnig_rate", "learning_rate"),
        ("train", "TRAIN"),
        ("prest", "preset"),
        ("MODEL.gen_net.dims", "dim"),
        ("MODEL.dis_net.dims", "dim"),
        ("DATA.nam", "name"),
        ("LOSS.penalty_weigth", "penalty_weight"),
        ("EVAL.num_sample", "num_samples"),
        ("INFER.num_image", "num_images"),
        ("VIS.num_image", "num_images"),
    ],
)
def test_unknown_key_is_named_with_what_may_be_meant(refusal, key, meant):
    assert f"\n  {key}: unknown key. Did you mean {meant}" in refusal(key, 1)


def test_unknown_key_like_no_other_lists_the_group(refusal):
    assert refusal("VIS.qqq", 1).endswith("\n  VIS.qqq: unknown key. There are num_images.")


def test_unknown_keys_inside_a_yaml_are_refused(tmp_path):
    """Hydra itself lets them pass."""
    (tmp_path / "mine.yaml").write_text(
        "defaults: [wgangp_toy, _self_]\n"
        "TRAIN: {epoch: 3, ema: {decy: 0.5}}\n"
        "MODEL: {gen_net: {width: 64}}\n"
        "LOOS: {penalty_weight: 1}\n"
    )
    cfg = composed("mine", f"hydra.searchpath=[file://{CONF}]", folder=tmp_path)
    with pytest.raises(InputError) as error:
        config.check(cfg)
    lines = str(error.value).splitlines()
    assert {re.split("[:=]", line.strip())[0] for line in lines[1:]} == {
        "TRAIN.epoch",
        "TRAIN.ema.decy",
        "MODEL.gen_net.width",
        "LOOS",
    }


# --- keys that an experiment has no use for ---

ELSEWHERE = {
    "DATA.name": {"wgangp_mnist", "wgangp_cifar10"},
    "DATA.num_samples": {"wgangp_mnist", "wgangp_cifar10"},
    "DATA.data_path": {"wgangp_toy"},
    "DATA.dequantize": set(PRIMARY) - {"wgangp_cifar10", "transfergan"},
    "DATA.classes": set(PRIMARY) - {"transfergan"},
    "DATA.coloured": set(PRIMARY) - {"transfergan"},
    "DATA.num_images": set(PRIMARY) - {"transfergan"},
    "EVAL.pretrained_dis_model_path": set(PRIMARY) - {"wgangp_toy"},
    "EVAL.splits": {"wgangp_toy"},
    "EVAL.num_images": {"wgangp_toy", "wgangp_mnist", "wgangp_cifar10"},
    "MODEL.architecture": set(PRIMARY) - {"wgangp_cifar10"},
    "MODEL.scale": set(PRIMARY) - {"pgan"},
    "MODEL.gen_net.depths": {"wgangp_toy", "wgangp_mnist", "wgangp_cifar10", "transfergan"},
    "MODEL.gen_net.resolution": set(PRIMARY) - {"transfergan"},
    "MODEL.gen_net.negative_slope": set(PRIMARY),
    "MODEL.dis_net.negative_slope": set(PRIMARY) - {"wgangp_mnist"},
    "MODEL.dis_net.latent_dim": set(PRIMARY),
    "STUDY": set(PRIMARY) - {"transfergan"},
    "TRAIN.batch_size": {"pgan"},
    "TRAIN.collapse": set(PRIMARY) - {"dcgan"},
    "TRAIN.gen_batch_multiple": {"pgan", "dcgan"},
    "TRAIN.lr_scheduler_gen": {"pgan"},
    "TRAIN.n_gen": set(PRIMARY) - {"dcgan"},
    "TRAIN.num_eval_samples": {"wgangp_toy"},
    "TRAIN.reset_average": set(PRIMARY) - {"pgan"},
    "TRAIN.stages": set(PRIMARY) - {"pgan"},
    "TRAIN.start_scale": set(PRIMARY) - {"pgan"},
    "TRAIN.swa": set(PRIMARY),
    "TRANSFER": set(PRIMARY) - {"transfergan"},
    "prim": set(PRIMARY),
}


@pytest.mark.parametrize("key", ELSEWHERE)
def test_a_key_is_taken_only_where_it_is_read(defaults, refusal, key):
    for name in ELSEWHERE[key]:
        assert OmegaConf.select(defaults[name], key, default="missing") == "missing"
        assert f"\n  {key}: unknown key. " in refusal(key, 1, name)
    for name in set(PRIMARY) - ELSEWHERE[key]:
        assert OmegaConf.select(defaults[name], key, default="missing") != "missing"


@pytest.mark.parametrize(
    ("name", "key", "advice"),
    [
        ("wgangp_toy", "TRAIN.swa", "The generator's average is TRAIN.ema."),
        ("pgan", "TRAIN.batch_size", "Each of TRAIN.stages has its own."),
        ("pgan", "TRAIN.lr_scheduler_gen", "Each of TRAIN.stages has its own learning_rate."),
    ],
)
def test_what_there_is_instead_of_a_key_is_told(refusal, name, key, advice):
    assert f"{key}: unknown key. {advice}" in refusal(key, 1, name)


@pytest.mark.parametrize(
    ("name", "data_sets"),
    [
        ("wgangp_toy", ["8gaussians", "25gaussians", "swissroll"]),
        ("pgan", ["faces", "cifar10", "pictures"]),
        ("dcgan", ["faces", "mnist", "cifar10", "pictures"]),
        ("transfergan", ["faces", "mnist", "cifar10", "pictures"]),
    ],
)
def test_data_sets_are_those_that_an_experiment_can_read(defaults, refusal, name, data_sets):
    for data_set in data_sets:
        cfg = defaults[name].copy()
        cfg.DATA.name = data_set
        config.check(cfg)
    for data_set in {"8gaussians", "25gaussians", "swissroll", "faces", "mnist", "cifar10", "pictures"} - {*data_sets}:
        assert f"DATA.name={data_set}: " in refusal("DATA.name", data_set, name)


def test_stages_decide_the_number_of_epochs(refusal):
    assert "TRAIN.epochs=2: it follows from TRAIN.stages; leave it 1." in refusal("TRAIN.epochs", 2, "pgan")


# --- keys that need each other ---


@pytest.mark.parametrize("objective", ["non_saturating", "minimax", "least_squares", "hinge"])
def test_labels_are_smoothed_only_for_a_loss_that_classifies(defaults, refusal, objective):
    cfg = defaults["wgangp_cifar10"].copy()
    cfg.LOSS.real_target = 0.9
    with pytest.raises(InputError, match="LOSS.real_target=0.9: LOSS.objective=wasserstein has no target"):
        config.check(cfg)
    cfg.LOSS.objective = objective
    config.check(cfg)


def test_an_average_starts_afresh_only_where_there_is_one(defaults):
    cfg = defaults["pgan"].copy()
    cfg.TRAIN.reset_average = True
    config.check(cfg)
    cfg.TRAIN.ema.use_ema = False
    with pytest.raises(InputError, match=r"TRAIN.reset_average=True: .*TRAIN.ema.use_ema=true"):
        config.check(cfg)


# --- a schema of one's own ---


class Network:
    def __init__(self, input_keys: list[str], width: int, hidden: int = 0, bias: bool = True):
        pass


class Mine(config.Experiment):
    """As an experiment of a user's own."""

    MODEL: config.networks(Network, [Network, Network], depth=int)
    DATA: dict
    TRAIN: dict
    EVAL: dict


@pytest.fixture
def mine(defaults, monkeypatch):
    """A configuration whose schema is ``Mine``."""
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    network = {"input_keys": ["x"], "width": 3}
    values = OmegaConf.to_container(defaults["wgangp_toy"], resolve=True)
    return {**values, "schema": "mine.Mine", "MODEL": {"depth": 1, "gen_net": network, "dis_net": {**network}}}


def test_a_schema_of_ones_own_is_found_by_its_path(mine):
    config.check(mine)
    mine["DATA"]["anything"] = 3
    config.check(mine)
    mine["sead"] = 3
    with pytest.raises(InputError, match="sead: unknown key. Did you mean seed"):
        config.check(mine)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wdth": 3}, "MODEL.gen_net.wdth: unknown key. Did you mean width?"),
        ({"width": "wide"}, "MODEL.gen_net.width=wide: "),  # by the annotation
        ({"hidden": -1}, "MODEL.gen_net.hidden=-1: "),  # by the name, as of the suite's networks
        ({"bias": 1}, "MODEL.gen_net.bias=1: "),
    ],
)
def test_a_networks_keys_are_its_constructors(mine, change, message):
    mine["MODEL"]["gen_net"].update(change)
    with pytest.raises(InputError) as error:
        config.check(mine)
    assert message in str(error.value)


def test_a_networks_argument_without_a_default_must_be_given(mine):
    del mine["MODEL"]["dis_net"]["width"]
    with pytest.raises(InputError, match=r"MODEL.dis_net.width: missing"):
        config.check(mine)


@pytest.mark.parametrize("name", ["nowhere.Mine", "ppsci_gan.config.Nothing", "Mine"])
def test_a_schema_that_is_not_there_is_named(mine, name):
    with pytest.raises(InputError, match=f"schema={name}: "):
        config.check({**mine, "schema": name})


def test_a_configuration_without_a_schema_is_refused(mine):
    del mine["schema"]
    with pytest.raises(InputError, match="schema is not set: name a class like"):
        config.check(mine)


# --- impossible values ---

NOT_POSITIVE = [
    "TRAIN.epochs",
    "TRAIN.iters_per_epoch",
    "TRAIN.batch_size",
    "TRAIN.gen_batch_multiple",
    "TRAIN.n_critic",
    "TRAIN.update_freq",
    "TRAIN.eval_freq",
    "TRAIN.start_eval_epoch",
    "TRAIN.ema.avg_freq",
    "TRAIN.lr_scheduler_gen.learning_rate",
    "TRAIN.lr_scheduler_dis.learning_rate",
    "MODEL.gen_net.dim",
    "MODEL.dis_net.dim",
    "DATA.num_samples",
    "LOSS.penalty_interval",
    "EVAL.num_samples",
    "EVAL.batch_size",
    "INFER.num_images",
    "INFER.batch_size",
    "VIS.num_images",
    "log_freq",
]
NEGATIVE = [
    "seed",
    "TRAIN.save_freq",
    "TRAIN.sample_freq",
    "TRAIN.lr_scheduler_gen.end_lr",
    "LOSS.penalty_weight",
    "LOSS.penalty_target",
    "LOSS.acgan_scale",
    "LOSS.acgan_scale_g",
    "TRAIN.optimizer.beta1",
    "TRAIN.optimizer.beta2",
]
OUT_OF_RANGE = (
    [(key, 0) for key in NOT_POSITIVE]
    + [(key, -1) for key in NOT_POSITIVE + NEGATIVE]
    + [
        ("seed", 2**32),
        ("TRAIN.optimizer.beta1", 1.0),
        ("TRAIN.ema.decay", 0.0),
        ("TRAIN.ema.decay", 1.0),
        ("TRAIN.lr_scheduler_gen.learning_rate", float("inf")),
        ("LOSS.penalty_weight", float("nan")),
        ("to_static", True),
        ("TRAIN.pretrained_model_path", "a.pdparams"),
        ("EVAL.pretrained_model_path", "a.pdparams"),
        ("EVAL.compute_metric_by_batch", True),
        ("INFER.pretrained_model_path", "a.pdparams"),
        ("INFER.gpu_id", 1),
        ("mode", "evaluate"),
        ("device", "tpu"),
        ("log_level", "loud"),
        ("MODEL.gen_net.input_keys", []),
        ("DATA.name", "moons"),
        ("INFER.engine", "torch"),
        ("amp_level", "O3"),
        ("amp_dtype", "half"),
        ("LOSS.penalty_gradient", "analytic"),
    ]
)
OF_ANOTHER_TYPE = [
    ("TRAIN.epochs", "many"),
    ("TRAIN.epochs", 1e3),  # would reach range() as a float
    ("TRAIN.epochs", True),
    ("TRAIN.epochs", None),
    ("TRAIN.batch_size", "64"),
    ("TRAIN.eval_during_train", "maybe"),
    ("TRAIN.eval_during_train", "no"),  # true, to Python
    ("TRAIN.lr_scheduler_gen.learning_rate", "fast"),
    ("TRAIN.optimizer", "adam"),
    ("TRAIN.checkpoint_path", 3),
    ("MODEL.gen_net.dim", [64]),
    ("MODEL.gen_net.input_keys", "noise"),
    ("DATA.num_samples", None),
    ("LOSS.penalty_one_sided", 1),
    ("output_dir", None),
    ("seed", None),
    ("device", 0),
    ("wandb_config", 3),
]


@pytest.mark.parametrize(("key", "value"), OUT_OF_RANGE + OF_ANOTHER_TYPE)
def test_impossible_value_is_refused_by_name(refusal, key, value):
    line = next(line for line in refusal(key, value).splitlines()[1:] if line.startswith(f"  {key}"))
    assert line.startswith(f"  {key}={value}: ")


@pytest.mark.parametrize("name", ["wgangp_mnist", "wgangp_cifar10"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TRAIN.num_eval_samples", 0),
        ("EVAL.splits", 0),
        ("EVAL.subset_size", 1.5),
        ("EVAL.scores", "score"),
        ("TRAIN.best_score", 3),
        ("EVAL.inception.weights", 3),
        ("DATA.data_path", 7),
    ],
)
def test_impossible_value_of_a_score_is_refused_by_name(refusal, name, key, value):
    assert f"  {key}={value}: " in refusal(key, value, name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TRAIN.save_freq", 0),
        ("TRAIN.sample_freq", 0),
        ("TRAIN.lr_scheduler_gen.end_lr", 0),
        ("TRAIN.optimizer.beta1", 0),
        ("TRAIN.batch_size", 1),
        ("LOSS.penalty_weight", 0),
        ("LOSS.penalty_weight", 10),  # an integer where a float is meant
        ("seed", 0),
        ("seed", 2**32 - 1),
        ("device", "npu:3"),
    ],
)
def test_values_at_the_edge_are_taken(defaults, key, value):
    cfg = defaults["wgangp_toy"].copy()
    OmegaConf.update(cfg, key, value)
    config.check(cfg)


def test_architecture_is_one_of_two(refusal):
    message = refusal("MODEL.architecture", "vgg", "wgangp_cifar10")
    assert "MODEL.architecture=vgg: Input should be 'resnet' or 'dcgan'" in message


@pytest.mark.parametrize("key", ["MODEL.architecture", "MODEL.gen_net.normalize", "DATA.dequantize"])
def test_null_is_no_value_for_a_key_of_cifar10(refusal, key):
    assert f"{key}=None: " in refusal(key, None, "wgangp_cifar10")


def test_device_is_refused_in_plain_words(refusal):
    assert "device=tpu: write auto, cpu, gpu, npu or xpu" in refusal("device", "tpu")


def test_all_errors_are_told_at_once(defaults):
    cfg = defaults["wgangp_toy"].copy()
    for key in ("TRAIN.epochs", "EVAL.num_samples", "VIS.num_images"):
        OmegaConf.update(cfg, key, -1)
    with pytest.raises(InputError) as error:
        config.check(cfg)
    told = sorted(line.split(":")[0].strip() for line in str(error.value).splitlines()[1:])
    assert told == ["EVAL.num_samples=-1", "TRAIN.epochs=-1", "VIS.num_images=-1"]


def test_missing_keys_are_named(defaults):
    values = OmegaConf.to_container(defaults["wgangp_toy"], resolve=True)
    del values["TRAIN"]["epochs"], values["LOSS"]
    with pytest.raises(InputError) as error:
        config.check(values)
    assert sorted(str(error.value).splitlines()[1:]) == ["  LOSS: missing", "  TRAIN.epochs: missing"]


def test_interpolation_that_leads_nowhere(refusal):
    message = refusal("EVAL.pretrained_gen_model_path", "${nothing}")
    assert "EVAL.pretrained_gen_model_path: Interpolation key 'nothing' not found" in message


@pytest.mark.parametrize(("mode", "group"), [("eval", "EVAL"), ("export", "INFER")])
def test_weights_must_be_given(refusal, defaults, mode, group):
    message = refusal("mode", mode, "wgangp_mnist")
    assert f"{group}.pretrained_gen_model_path is not set: mode={mode} needs" in message
