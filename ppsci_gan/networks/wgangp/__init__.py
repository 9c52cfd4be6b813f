"""Networks of the WGAN-GP examples: generators and critics for 2-D points, MNIST and CIFAR-10.

Dict in, dict out, as every ``ppsci.arch.Arch``. Sizes and initialisation are those of the paper's reference
implementation (igul222/improved_wgan_training). Weights that PaddleScience published load directly.
"""

from ppsci_gan.networks.wgangp.dcgan import WganGpCifar10DcganDiscriminator
from ppsci_gan.networks.wgangp.dcgan import WganGpCifar10DcganGenerator
from ppsci_gan.networks.wgangp.mnist import WganGpMnistDiscriminator
from ppsci_gan.networks.wgangp.mnist import WganGpMnistGenerator
from ppsci_gan.networks.wgangp.resnet import WganGpCifar10Discriminator
from ppsci_gan.networks.wgangp.resnet import WganGpCifar10Generator
from ppsci_gan.networks.wgangp.toy import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp.toy import WganGpToyGenerator

__all__ = [
    "WganGpCifar10DcganDiscriminator",
    "WganGpCifar10DcganGenerator",
    "WganGpCifar10Discriminator",
    "WganGpCifar10Generator",
    "WganGpMnistDiscriminator",
    "WganGpMnistGenerator",
    "WganGpToyDiscriminator",
    "WganGpToyGenerator",
]
