"""What networks start from: the standard deviation of every layer, for every preset, by the references' formulas.

Formulas are written here as the references have them, from a layer's inputs, outputs, kernel and stride.
"""

import importlib
import re

import numpy as np
import paddle
import pytest
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"
PRESETS = sorted((file.parent.name, file.stem) for file in CONF.glob("preset/*/*.yaml"))
PRESETS += sorted({(name, "none") for name, _ in PRESETS})
WIDTH = 24  # of the tests' networks, where a preset's is more
CUT = 0.8796  # what cutting a normal distribution at two deviations leaves of its deviation


class Layer:
    """Inputs, outputs and kernel of a layer."""

    def __init__(self, shape, transposed=False):
        self.area = int(np.prod(shape[2:]))
        self.inputs, self.outputs = shape[:2] if transposed or len(shape) == 2 else shape[1::-1]


# --- igul222/improved_wgan_training: tflib/ops, all uniform ---


def linear(layer):
    return np.sqrt(2 / (layer.inputs + layer.outputs))


def linear_he(layer):
    return np.sqrt(2 / layer.inputs)


def conv(gain, stride=1):
    return lambda layer: np.sqrt(gain / (layer.area * (layer.inputs + layer.outputs / stride**2)))


def deconv(gain, stride=2):
    return lambda layer: np.sqrt(gain / (layer.area * (layer.inputs / stride**2 + layer.outputs)))


POINTS = {r"hidden\.": linear_he, r"output\.": linear}
STRIDED = {r"(input|output)\.": linear, r"up\.": deconv(4), r"down\.": conv(4, stride=2)}
BLOCKS = {r"blocks\.\d\.conv\d\.": conv(4), r"blocks\.\d\.shortcut\.": conv(2)}
HEADS = {"generator": {r"input\.": linear}, "critic": {r"(output|classify)\.": linear}}
AT_32 = {player: {**BLOCKS, **heads} for player, heads in HEADS.items()}
AT_64 = {player: dict(rules) for player, rules in AT_32.items()}
AT_32["generator"][r"output\."] = conv(2)  # gan_cifar_resnet.py: he_init=False
AT_64["generator"][r"output\."] = conv(4)  # gan_64x64.py and transfer_gan.py: as any other convolution
AT_64["critic"][r"input\."] = conv(2)


# --- Karras' networks.py and pytorch_GAN_zoo, normal: what weights of deviation 1 become where they are used ---


def gain(value):
    return lambda layer: value / np.sqrt(layer.inputs * layer.area)


HE = {r".*": gain(np.sqrt(2))}
KARRAS = {
    "generator": {r"first\.": gain(np.sqrt(2) / 4), r"to_image\.": gain(1), **HE},
    "critic": {r"(output|classify)\.": gain(1), **HE},
}
ZOO = {"generator": HE, "critic": HE}

# --- carpedm20/DCGAN-tensorflow: ops.py, normal ---

CLASSIC = {r"downs\.": lambda layer: 0.02 * CUT, r".*": lambda layer: 0.02}


def rules_of(name, cfg):
    """Return the reference's formula for each player's layers, first match first, and whether they are uniform."""
    if name == "wgangp_toy":
        return {"generator": POINTS, "critic": POINTS}, True
    if name == "wgangp_mnist" or cfg.MODEL.get("architecture") == "dcgan":
        return {"generator": STRIDED, "critic": STRIDED}, True
    if name in ("wgangp_cifar10", "transfergan"):
        return AT_64 if cfg.MODEL.gen_net.get("resolution") == 64 else AT_32, True
    if name == "pgan":
        return ZOO if cfg.MODEL.gen_net.he_everywhere else KARRAS, False
    return {"generator": CLASSIC, "critic": CLASSIC}, False


def networks(name, cfg):
    module = "wgangp" if name == "transfergan" else name.split("_")[0]
    model = importlib.import_module(f"ppsci_gan.networks.{module}")
    prefix = {
        "wgangp_toy": "WganGpToy",
        "wgangp_mnist": "WganGpMnist",
        "pgan": "Pgan",
        "dcgan": "Dcgan",
    }.get(name, "WganGpCifar10Dcgan" if cfg.MODEL.get("architecture") == "dcgan" else "WganGpCifar10")
    generator = getattr(model, f"{prefix}Generator")(**cfg.MODEL.gen_net)
    return {"generator": generator, "critic": getattr(model, f"{prefix}Discriminator")(**cfg.MODEL.dis_net)}


def narrowed(cfg):
    """Make the networks narrow, which the formulas follow."""
    for net in (cfg.MODEL.gen_net, cfg.MODEL.dis_net):
        for key in {"dim", "hidden", "latent_dim"} & set(net):
            net[key] = min(net[key], WIDTH)
        if "depths" in net:
            net.depths = [min(depth, WIDTH) for depth in net.depths]
    return cfg


def factors(network):
    """Return by what equalised layers multiply their weights."""
    layers = dict(network.named_sublayers())
    return {f"{name}.layer.weight": layer.scale for name, layer in layers.items() if hasattr(layer, "scale_bias")}


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_layer_starts_as_the_references(name, preset):
    with initialize_config_dir(str(CONF), version_base=None):
        cfg = compose(name, [f"preset={preset}"])
    OmegaConf.set_struct(cfg, False)
    rules, uniform = rules_of(name, cfg)
    paddle.seed(0)
    for player, network in networks(name, narrowed(cfg)).items():
        factor_of = factors(network)
        transposed = {
            f"{key}.weight" for key, layer in network.named_sublayers() if isinstance(layer, paddle.nn.Conv2DTranspose)
        }
        for key, value in network.state_dict().items():
            array = value.numpy()
            if key in ("growth", "published_arithmetic"):
                continue
            if array.ndim < 2 or re.search(r"(scale|offset)$", key):  # scales, variances, offsets, means, biases
                assert (array == (1 if re.search(r"(scale|weight|_variance)$", key) else 0)).all(), key
                continue
            formula = next(rule for pattern, rule in rules[player].items() if re.match(pattern, key))
            expected = formula(Layer(array.shape, key in transposed))
            # Five times the standard error of a normal sample's deviation; a uniform one's is less.
            allowed = 5 / np.sqrt(2 * array.size)
            assert array.std() * factor_of.get(key, 1.0) == pytest.approx(expected, rel=allowed), (player, key)
            if uniform:
                assert np.abs(array).max() <= np.sqrt(3) * expected * (1 + 1e-6), (player, key)
            elif array.size > 1000:
                limit = 2 * 0.02 if key.startswith("downs") else np.inf
                largest = np.abs(array).max() * factor_of.get(key, 1.0)
                assert np.sqrt(3) * expected < largest <= limit, (player, key)
