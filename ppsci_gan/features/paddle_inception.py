"""The Inception Score of PaddleScience's WGAN-GP example, whose documentation gives 5.2 for CIFAR-10.

Its network is ``paddle.vision.models.inception_v3``, trained on ImageNet: other weights, 1000 classes in place of 1008,
other pooling, resizing and scaling than Inception of 2015-12-05. So its scores compare with PaddleScience's only. The
source is ``InceptionScore`` in its examples/wgangp/functions.py.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
import pooch
from paddle import Tensor
from paddle import nn
from paddle.vision.models import inceptionv3
from paddle.vision.ops import ConvNormActivation
from ppsci.utils import logger

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.networks import layers

URL, MD5 = inceptionv3.model_urls["inception_v3"]
SOURCE = f"""Its weights are published at {URL}, MD5 {MD5}.
Give the address, to have the file downloaded and checked, or a file that you have."""
WHOSE = "in PaddleScience's example"
NAME = "paddle_inception"  # prefix of the scores
VERSION = "paddle.vision.models.inception_v3"
INPUT_SIZE = 299
RESIZE = f"{INPUT_SIZE}, bilinear with aligned centres"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PaddleInception(nn.Layer):
    """Pooled features and logits of images of any size.

    Images are resized bilinearly with aligned pixel centres, as ``paddle.nn.functional.interpolate`` does, without
    antialiasing, scaled to 0 to 1 and normalised by ImageNet's mean and deviation.

    Attributes:
        published: Whether the weights are the published ones; set by ``load``.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.features.paddle_inception import PaddleInception
        >>> inception = PaddleInception().eval()
        >>> features = inception(paddle.zeros([1, 3, 32, 32], "uint8"))
        >>> tuple(features.shape), tuple(inception.logits(features).shape)
        ((1, 2048), (1, 1000))
    """

    published = False

    def __init__(self):
        super().__init__()
        self.network = inceptionv3.InceptionV3()
        self.register_buffer("mean", paddle.to_tensor(MEAN).reshape([3, 1, 1]), persistable=False)
        self.register_buffer("deviation", paddle.to_tensor(DEVIATION).reshape([3, 1, 1]), persistable=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features before the last layer, float32 [N, 2048].

        Args:
            images: uint8 [N, 3 or 1, H, W]; grey ones are repeated to three channels.
        """
        if images.shape[1] == 1:
            images = images.expand([-1, 3, -1, -1])
        size = [INPUT_SIZE, INPUT_SIZE]
        x = F.interpolate(images.astype("float32"), size=size, mode="bilinear") / 255
        x = self.network.inception_stem((x - self.mean) / self.deviation)
        for block in self.network.inception_block_list:
            x = block(x)
        return self.network.avg_pool(x).flatten(1)

    def logits(self, features: Tensor) -> Tensor:
        """Return the classes' logits, float32 [N, 1000], without the last layer's bias, as PaddleScience takes them.

        Args:
            features: Result of ``forward``.
        """
        # Paddle's network scales the features by 1 - p in evaluation: its dropout is of mode "downscale_in_infer".
        return F.linear(self.network.dropout(features), self.network.fc.weight)

    def use_fast_layers(self) -> None:
        """Let this suite's layers compute the convolutions, with the same weights: oneDNN's, on the CPU."""
        for parent in [self.network, *self.network.sublayers()]:
            for name, layer in list(parent.named_children()):
                if isinstance(layer, ConvNormActivation):
                    setattr(parent, name, _Convolution(*layer))


class _Convolution(nn.Sequential):
    """Paddle's convolution, batch normalisation and ReLU, computed as one layer."""

    def forward(self, x: Tensor) -> Tensor:
        conv, norm, _ = self
        return layers.conv2d_norm_relu(conv, norm, x)


def load(path: str) -> PaddleInception:
    """Return the network with given weights; its ``published`` says whether they are the published ones.

    Args:
        path: ``.pdparams`` file of ``paddle.vision.models.inception_v3``, or its URL. Weights that are not the
            published ones log a warning; from the published address they are refused.

    Raises:
        InputError: The file is missing or holds another network's weights.
    """
    network, source = PaddleInception(), f"{URL}#md5={MD5}" if path == URL else path
    try:
        weights.load(network.network, source, "EVAL.inception.weights")
    except InputError as error:
        raise InputError(f"{error}\nInception-v3 of paddle.vision is wanted here. {SOURCE}") from error
    network.published = pooch.file_hash(str(weights.find(source)), alg="md5") == MD5
    if not network.published:
        logger.warning(
            f"{weights.shown(path)} is not the published file of Paddle's Inception-v3 (MD5 {MD5}): its scores do "
            "not compare with PaddleScience's."
        )
    network.use_fast_layers()
    return network.eval()
