"""Convolution, pooling and normalisation on the CPU by oneDNN, from the library in Paddle's own wheel.

Paddle's dynamic mode never calls that library; it convolves image by image with small matrix products, two to four
times slower. This module calls oneDNN's C interface through ctypes, without compilation. Its functions take and return
plain float32 tensors without gradients; ``ppsci_gan.networks.layers`` builds differentiable layers on them.

Images keep their shape [N, C, H, W], but are stored channels last (strides of [N, H, W, C]), which oneDNN's kernels
read and write directly. Inputs with another layout are reordered.

Reference: oneDNN's C interface, version 3 (https://uxlfoundation.github.io/oneDNN); constants are those of its header
dnnl_types.h, which do not change within a major version.
"""

from ppsci_gan.devices.onednn.convolutions import Geometry
from ppsci_gan.devices.onednn.convolutions import convolution
from ppsci_gan.devices.onednn.convolutions import convolution_transposed
from ppsci_gan.devices.onednn.convolutions import convolution_weight_gradient
from ppsci_gan.devices.onednn.convolutions import output_shape
from ppsci_gan.devices.onednn.elementwise import add
from ppsci_gan.devices.onednn.elementwise import relu
from ppsci_gan.devices.onednn.elementwise import relu_gradient
from ppsci_gan.devices.onednn.elementwise import scale_
from ppsci_gan.devices.onednn.layouts import empty_image
from ppsci_gan.devices.onednn.layouts import is_channels_last
from ppsci_gan.devices.onednn.layouts import ones
from ppsci_gan.devices.onednn.layouts import to_channels_last
from ppsci_gan.devices.onednn.library import MAJOR_VERSION
from ppsci_gan.devices.onednn.library import is_available
from ppsci_gan.devices.onednn.normalization import batch_norm
from ppsci_gan.devices.onednn.normalization import batch_norm_gradient
from ppsci_gan.devices.onednn.normalization import layer_norm
from ppsci_gan.devices.onednn.normalization import layer_norm_gradient
from ppsci_gan.devices.onednn.normalization import repeat_for_pixels
from ppsci_gan.devices.onednn.normalization import sum_over_pixels
from ppsci_gan.devices.onednn.primitives import CACHED_PRIMITIVES
from ppsci_gan.devices.onednn.products import linear
from ppsci_gan.devices.onednn.products import sum_rows
from ppsci_gan.devices.onednn.resampling import mean_pool_gradient
from ppsci_gan.devices.onednn.resampling import pool
from ppsci_gan.devices.onednn.resampling import repeat_pixels

__all__ = [
    "CACHED_PRIMITIVES",
    "Geometry",
    "MAJOR_VERSION",
    "add",
    "batch_norm",
    "batch_norm_gradient",
    "convolution",
    "convolution_transposed",
    "convolution_weight_gradient",
    "empty_image",
    "is_available",
    "is_channels_last",
    "layer_norm",
    "layer_norm_gradient",
    "linear",
    "mean_pool_gradient",
    "ones",
    "output_shape",
    "pool",
    "relu",
    "relu_gradient",
    "repeat_for_pixels",
    "repeat_pixels",
    "scale_",
    "sum_over_pixels",
    "sum_rows",
    "to_channels_last",
]
