"""Impossible values are refused by name, and so are keys that need each other."""

import re

import pytest
from omegaconf import OmegaConf

from ppsci_gan import config
from ppsci_gan.errors import InputError

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
    cfg = defaults["wgangp_mnist"].copy()
    cfg.EVAL.pretrained_gen_model_path = None
    message = refusal("mode", mode, cfg)
    assert f"{group}.pretrained_gen_model_path is not set: mode={mode} needs" in message


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
        ("pgan", "TRAIN.stages", [STAGE, {**STAGE, "stable_images": 0}], "this stage shows no images"),
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


# --- keys that need each other ---


@pytest.mark.parametrize(
    ("sizes", "start", "message"),
    [
        ([8, 4], 0, "TRAIN.stages has resolutions [8, 4]: they must not become smaller."),
        ([4, 12], 0, "TRAIN.stages has resolutions [4, 12]; MODEL.gen_net.depths=[6, 4, 4] has 3 scales: [4, 8, 16]."),
        ([4, 32], 0, "TRAIN.stages has resolutions [4, 32]; MODEL.gen_net.depths=[6, 4, 4] has 3 scales: [4, 8, 16]."),
        ([4, 8], 2, "TRAIN.start_scale=2: TRAIN.stages ends with 8 pixels."),
        ([8, 8, 16], 2, None),
    ],
)
def test_networks_grow_through_the_stages(defaults, sizes, start, message):
    cfg = defaults["pgan"].copy()
    cfg.MODEL.gen_net.depths = [6, 4, 4]
    cfg.TRAIN.stages = [{**STAGE, "resolution": size} for size in sizes]
    cfg.TRAIN.start_scale = start
    if message is None:
        config.check(cfg)
        return
    with pytest.raises(InputError, match=re.escape(message)):
        config.check(cfg)
    cfg.mode = "eval"  # the weights, not the stages, say which networks
    config.check(cfg)


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
