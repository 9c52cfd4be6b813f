"""Which keys an experiment takes: those that it reads, and a mistyped one is told what is near."""

import re

import pytest
from omegaconf import OmegaConf

from ppsci_gan import config
from ppsci_gan.config.checking import find_schema
from ppsci_gan.config.groups import Strict
from ppsci_gan.data.images import DATA_SETS
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"
PRIMARY = ["dcgan", "pgan", "transfergan", "wgangp_cifar10", "wgangp_mnist", "wgangp_toy"]


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
    group = key[: key.rfind(".") + 1]
    names = " or ".join(f"{group}{name}" for name in meant.split(" or "))
    assert f"\n  {key}: unknown key. Did you mean {names}" in refusal(key, 1)


def test_unknown_key_like_no_other_lists_the_group(refusal):
    assert refusal("VIS.qqq", 1).endswith("\n  VIS.qqq: unknown key. There are num_images.")


def test_unknown_keys_inside_a_yaml_are_refused(composed, tmp_path):
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


def accepted(schema, group=""):
    """Every key that a schema takes, with its groups; those of a list's entries not among them."""
    for name, field in schema.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Strict):
            yield from accepted(field.annotation, f"{group}{name}.")
        else:
            yield f"{group}{name}"


@pytest.mark.parametrize("name", PRIMARY)
def test_a_schema_takes_what_the_yaml_has(defaults, name):
    """And nothing that would have to be added with a plus sign; that all of it is read is another test."""
    cfg = defaults[name]
    keys = list(accepted(find_schema(cfg.schema)))
    assert all(OmegaConf.select(cfg, key, default="missing") != "missing" for key in keys)
    assert len(keys) > 80


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
    "EVAL.num_images": {"wgangp_toy"},
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
        ("dcgan", ["faces", *DATA_SETS, "pictures"]),
        ("transfergan", ["faces", *DATA_SETS, "pictures"]),
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
