"""What a configuration may hold: a schema per experiment, named in its YAML as ``schema``.

Defaults are in ``conf/``; schemas only check. An unknown key or an impossible value is refused by name.
"""

from ppsci_gan.config.checking import check
from ppsci_gan.config.checking import explain_unknown
from ppsci_gan.config.experiments import Dcgan
from ppsci_gan.config.experiments import Experiment
from ppsci_gan.config.experiments import Pgan
from ppsci_gan.config.experiments import TransferGan
from ppsci_gan.config.experiments import WganGpCifar10
from ppsci_gan.config.experiments import WganGpMnist
from ppsci_gan.config.experiments import WganGpToy
from ppsci_gan.config.needs import check_needs
from ppsci_gan.config.networks import make_model_schema
from ppsci_gan.config.networks import make_network_schema

__all__ = [
    "Dcgan",
    "Experiment",
    "Pgan",
    "TransferGan",
    "WganGpCifar10",
    "WganGpMnist",
    "WganGpToy",
    "check",
    "check_needs",
    "explain_unknown",
    "make_model_schema",
    "make_network_schema",
]
