"""A schema of one's own, and networks' keys by their constructors."""

import sys

import pytest
from omegaconf import OmegaConf

from ppsci_gan import config
from ppsci_gan.errors import InputError


class Network:
    def __init__(self, input_keys: list[str], width: int, hidden: int = 0, bias: bool = True):
        pass


class Mine(config.Experiment):
    """As an experiment of a user's own."""

    MODEL: config.make_model_schema(Network, [Network, Network], depth=int)
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
        ({"wdth": 3}, "MODEL.gen_net.wdth: unknown key. Did you mean MODEL.gen_net.width?"),
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
