"""The networks' layers, fast on the CPU.

On the CPU, in float32 and dynamic mode, they use oneDNN (``ppsci_gan.devices.onednn``); otherwise (other devices, half
precision, export, a wheel without that library) Paddle's own kernels. Values and gradients agree up to the rounding of
float32.

oneDNN's results are stored channels last and stay so from layer to layer; Paddle's other operations copy them. They can
be differentiated once. A gradient penalty needs the gradient written out (``ppsci_gan.networks.traced``), or Paddle's
kernels: ``with layers.use_paddle_kernels(): ...``.
"""

from ppsci_gan.networks.layers.activations import leaky_relu
from ppsci_gan.networks.layers.activations import rectifier_gradient
from ppsci_gan.networks.layers.activations import relu
from ppsci_gan.networks.layers.branches import add
from ppsci_gan.networks.layers.branches import concat
from ppsci_gan.networks.layers.branches import fork
from ppsci_gan.networks.layers.convolutions import Conv2D
from ppsci_gan.networks.layers.convolutions import Conv2DTranspose
from ppsci_gan.networks.layers.convolutions import conv2d
from ppsci_gan.networks.layers.convolutions import conv2d_input_gradient
from ppsci_gan.networks.layers.convolutions import conv2d_norm_relu
from ppsci_gan.networks.layers.convolutions import conv2d_transpose
from ppsci_gan.networks.layers.dense import Linear
from ppsci_gan.networks.layers.dense import linear
from ppsci_gan.networks.layers.kernels import KERNELS
from ppsci_gan.networks.layers.kernels import NAMES
from ppsci_gan.networks.layers.kernels import choose_kernels
from ppsci_gan.networks.layers.kernels import use_paddle_kernels
from ppsci_gan.networks.layers.kernels import uses_onednn
from ppsci_gan.networks.layers.normalization import BatchNorm2D
from ppsci_gan.networks.layers.normalization import LayerNorm2D
from ppsci_gan.networks.layers.normalization import layer_norm2d
from ppsci_gan.networks.layers.normalization import layer_norm2d_gradient
from ppsci_gan.networks.layers.normalization import modulate
from ppsci_gan.networks.layers.normalization import pixel_norm
from ppsci_gan.networks.layers.resampling import avg_pool2d
from ppsci_gan.networks.layers.resampling import avg_pool2d_gradient
from ppsci_gan.networks.layers.resampling import pool2d
from ppsci_gan.networks.layers.resampling import upsample2d

__all__ = [
    "BatchNorm2D",
    "Conv2D",
    "Conv2DTranspose",
    "KERNELS",
    "LayerNorm2D",
    "Linear",
    "NAMES",
    "add",
    "avg_pool2d",
    "avg_pool2d_gradient",
    "choose_kernels",
    "concat",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_norm_relu",
    "conv2d_transpose",
    "fork",
    "layer_norm2d",
    "layer_norm2d_gradient",
    "leaky_relu",
    "linear",
    "modulate",
    "pixel_norm",
    "pool2d",
    "rectifier_gradient",
    "relu",
    "upsample2d",
    "use_paddle_kernels",
    "uses_onednn",
]
