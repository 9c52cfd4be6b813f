"""Composed configurations, and what is told about a wrong one."""

import pytest
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from ppsci_gan import config
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"


@pytest.fixture(autouse=True, scope="session")
def scripts():
    """A schema may be in its experiment's script, whose folder is on the path where it runs."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in sorted((REPOSITORY / "examples").iterdir()):
            patch.syspath_prepend(str(folder))
        yield


@pytest.fixture(scope="session")
def composed():
    """``composed(name, *overrides)`` is the configuration that such a command line gives."""

    def of_command(name, *overrides, folder=CONF):
        with initialize_config_dir(str(folder), version_base=None):
            return compose(name, list(overrides))

    return of_command


@pytest.fixture(scope="session")
def defaults(composed):
    """Every experiment's configuration, to be copied."""
    names = [file.stem for file in CONF.glob("*.yaml") if file.stem not in ("gan_default", "images")]
    return {name: composed(name) for name in names}


@pytest.fixture
def refusal(defaults):
    """``refusal(key, value, experiment)`` is the message about its configuration, or a given one, with that value."""

    def message(key, value, of="wgangp_toy"):
        cfg = (defaults[of] if isinstance(of, str) else of).copy()
        OmegaConf.set_struct(cfg, False)
        OmegaConf.update(cfg, key, value)
        with pytest.raises(InputError) as error:
            config.check(cfg)
        return str(error.value)

    return message
