"""Inception-v3 as TensorFlow published it on 2015-12-05: the network behind published Inception Scores and FIDs.

It differs from later Inception-v3: 1008 classes, average pooling that excludes the padding, max pooling in the last
block (https://arxiv.org/abs/1512.00567; the graph classify_image_graph_def.pb). Layer names are those of pytorch-fid
and torch-fidelity.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn
from ppsci.utils import logger

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import sha256
from ppsci_gan.networks import layers

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
PUBLISHED = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
SOURCE = f"""Its weights are published at either of these addresses, SHA-256 {SHA256}:
  {PUBLISHED[0]}
  {PUBLISHED[1]}
Give the address, to have the file downloaded and checked, or a file that you have."""
WHOSE = "in the literature"
NAME = "inception"  # prefix of the scores
VERSION = "2015-12-05"
INPUT_SIZE = 299
RESIZE = f"{INPUT_SIZE}, bilinear as TensorFlow 1"
FEATURE_DIM, NUM_CLASSES = 2048, 1008


class Inception(nn.Layer):
    """Pooled features and logits of images of any size.

    Images are resized and scaled as in TensorFlow 1: bilinearly, sampling pixel i at i * size / 299, without
    antialiasing; then (pixel - 128) / 128.

    Attributes:
        published: Whether the weights are the published ones; set by ``load``.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.features.inception import Inception
        >>> inception = Inception().eval()
        >>> features = inception(paddle.zeros([1, 3, 32, 32], "uint8"))
        >>> tuple(features.shape), tuple(inception.logits(features).shape)
        ((1, 2048), (1, 1008))
    """

    published = False

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = BlockA(192, pool_channels=32)
        self.Mixed_5c = BlockA(256, pool_channels=64)
        self.Mixed_5d = BlockA(288, pool_channels=64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, 128)
        self.Mixed_6c = BlockC(768, 160)
        self.Mixed_6d = BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, _mean_pool)
        self.Mixed_7c = BlockE(2048, _max_pool)
        self.fc = nn.Linear(FEATURE_DIM, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of the last pooling layer (pool3), float32 [N, 2048].

        Args:
            images: uint8 [N, 3 or 1, H, W]; grey ones are repeated to three channels.
        """
        if images.shape[1] == 1:
            images = images.expand([-1, 3, -1, -1])
        x = (resize(images.astype(self.fc.weight.dtype)) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = layers.pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = layers.pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(axis=[2, 3])

    def logits(self, features: Tensor, bias: bool = False) -> Tensor:
        """Return the classes' logits, float32 [N, 1008].

        Args:
            features: Result of ``forward``.
            bias: Whether to add the last layer's bias; published Inception Scores are computed without it.
        """
        return F.linear(features, self.fc.weight, self.fc.bias if bias else None)

    def rename_published(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Convert PyTorch's names and layout to Paddle's; return other arrays unchanged.

        Args:
            arrays: Arrays by parameter name.
        """
        if not any(name.endswith(".running_mean") for name in arrays):
            return arrays
        own = {}
        for name, value in arrays.items():
            name = name.replace(".running_mean", "._mean").replace(".running_var", "._variance")
            if not name.endswith(".num_batches_tracked") and not name.startswith("AuxLogits."):
                own[name] = value.T if name == "fc.weight" else value
        return own


class Convolution(nn.Layer):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, size, stride: int = 1, padding=0):
        super().__init__()
        self.conv = layers.Conv2D(channels_in, channels_out, size, stride, padding, bias_attr=False)
        self.bn = nn.BatchNorm2D(channels_out, epsilon=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, [N, C', H', W']."""
        return layers.conv2d_norm_relu(self.conv, self.bn, x)


class BlockA(nn.Layer):
    """35 x 35 pixels: parallel 1x1, 5x5 and double 3x3 convolutions."""

    def __init__(self, channels: int, pool_channels: int):
        super().__init__()
        self.branch1x1 = Convolution(channels, 64, 1)
        self.branch5x5_1 = Convolution(channels, 48, 1)
        self.branch5x5_2 = Convolution(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Convolution(channels, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, padding=1)
        self.branch_pool = Convolution(channels, pool_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, [N, C', H', W']."""
        branches = [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(_mean_pool(x)),
        ]
        return layers.concat(branches)


class BlockB(nn.Layer):
    """From 35 to 17 pixels."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch3x3 = Convolution(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = Convolution(channels, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, [N, C', H', W']."""
        branches = [
            self.branch3x3(x),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            layers.pool2d(x, 3, stride=2),
        ]
        return layers.concat(branches)


class BlockC(nn.Layer):
    """17 x 17 pixels: 7x7 convolutions factorised into 1x7 and 7x1."""

    def __init__(self, channels: int, inner: int):
        super().__init__()
        wide, high = {"size": (1, 7), "padding": (0, 3)}, {"size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = Convolution(channels, 192, 1)
        self.branch7x7_1 = Convolution(channels, inner, 1)
        self.branch7x7_2 = Convolution(inner, inner, **wide)
        self.branch7x7_3 = Convolution(inner, 192, **high)
        self.branch7x7dbl_1 = Convolution(channels, inner, 1)
        self.branch7x7dbl_2 = Convolution(inner, inner, **high)
        self.branch7x7dbl_3 = Convolution(inner, inner, **wide)
        self.branch7x7dbl_4 = Convolution(inner, inner, **high)
        self.branch7x7dbl_5 = Convolution(inner, 192, **wide)
        self.branch_pool = Convolution(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, [N, C', H', W']."""
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        branches = [
            self.branch1x1(x),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(double)),
            self.branch_pool(_mean_pool(x)),
        ]
        return layers.concat(branches)


class BlockD(nn.Layer):
    """From 17 to 8 pixels."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch3x3_1 = Convolution(channels, 192, 1)
        self.branch3x3_2 = Convolution(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Convolution(channels, 192, 1)
        self.branch7x7x3_2 = Convolution(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Convolution(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Convolution(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, [N, C', H', W']."""
        branches = [
            self.branch3x3_2(self.branch3x3_1(x)),
            self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))),
            layers.pool2d(x, 3, stride=2),
        ]
        return layers.concat(branches)


class BlockE(nn.Layer):
    """8 x 8 pixels: 3x3 convolutions as parallel 1x3 and 3x1.

    Args:
        channels: Input channels.
        pool: Pooling of the last branch, in which the graph's two blocks of this kind differ.
    """

    def __init__(self, channels: int, pool: Callable[..., paddle.Tensor]):
        super().__init__()
        wide, high = {"size": (1, 3), "padding": (0, 1)}, {"size": (3, 1), "padding": (1, 0)}
        self.pool = pool
        self.branch1x1 = Convolution(channels, 320, 1)
        self.branch3x3_1 = Convolution(channels, 384, 1)
        self.branch3x3_2a = Convolution(384, 384, **wide)
        self.branch3x3_2b = Convolution(384, 384, **high)
        self.branch3x3dbl_1 = Convolution(channels, 448, 1)
        self.branch3x3dbl_2 = Convolution(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Convolution(384, 384, **wide)
        self.branch3x3dbl_3b = Convolution(384, 384, **high)
        self.branch_pool = Convolution(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, [N, C', H', W']."""
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(self.pool(x)),
        ]
        return layers.concat(branches)


def resize(images: Tensor, size: int = INPUT_SIZE) -> Tensor:
    """Resize as TensorFlow 1 does: bilinearly, sampling pixel i at i * old size / new size.

    Later frameworks align pixel centres, which shifts the image by half a pixel and changes scores.

    Args:
        images: Floats [N, C, H, W].
        size: New height and width.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.features.inception import resize
        >>> resize(paddle.to_tensor([[[[0.0, 4.0]]]]), 4)[0, 0, 0].tolist()
        [0.0, 2.0, 4.0, 4.0]
    """
    rows, columns = (_interpolation(length, size).astype(images.dtype) for length in images.shape[2:])
    return rows @ images @ columns.T


def _interpolation(old: int, new: int) -> Tensor:
    """Return interpolation weights [new, old], with positions in float32 as in TensorFlow."""
    places = np.arange(new, dtype=np.float32) * np.float32(old / new)
    lower = np.minimum(np.floor(places).astype(np.int64), old - 1)
    upper = np.minimum(lower + 1, old - 1)
    fraction = places - lower
    matrix = np.zeros([new, old], np.float32)
    np.add.at(matrix, (np.arange(new), lower), 1 - fraction)
    np.add.at(matrix, (np.arange(new), upper), fraction)
    return paddle.to_tensor(matrix)


def _mean_pool(x):
    return layers.pool2d(x, 3, stride=1, padding=1, maximum=False)  # excludes the padding


def _max_pool(x):
    return layers.pool2d(x, 3, stride=1, padding=1)


def convert(source: str, target: str) -> None:
    """Convert published weights to safetensors, which load twice as fast and without pickle.

    Args:
        source: ``.pth`` file of pytorch-fid or torch-fidelity, or its URL.
        target: ``.safetensors`` file to write.
    """
    network = load(source)
    arrays = {f"inception/{name}": value.numpy() for name, value in network.state_dict().items()}
    origin = {"source_sha256": SHA256, "network_sha256": weights.digest(network)} if network.published else {}
    weights.save_checkpoint(target, arrays, {"network": "inception", **origin})


def load(path: str) -> Inception:
    """Return the network with given weights; its ``published`` says whether they are the published ones.

    Args:
        path: ``.pth`` of pytorch-fid or torch-fidelity, a file written by ``convert``, or the URL of either. Weights
            that are not the published ones log a warning; from a published address they are refused.

    Raises:
        InputError: The file is missing or holds another network's weights.
    """
    network, source = Inception(), _add_checksum(path)
    try:
        weights.load(network, source, "EVAL.inception.weights", "inception")
    except InputError as error:
        raise InputError(f"{error}\nInception of 2015-12-05 is wanted here. {SOURCE}") from error
    network.published = _is_published(weights.find(source), network)
    if not network.published:
        logger.warning(
            f"{weights.shown(path)} is not the published file of Inception's weights (SHA-256 {SHA256}), nor converted "
            "from it: its scores do not compare with the literature's."
        )
    return network.eval()


def _add_checksum(path: str) -> str:
    # Not left to the user: Hydra takes no # in an override without quotes.
    return f"{path}#{SHA256}" if path in PUBLISHED else path


def _is_published(file: Path, network: Inception) -> bool:
    """Whether a file, by its content, is the published one or a conversion of it."""
    if file.suffix != ".safetensors":
        return sha256(file) == SHA256
    state = weights.read_checkpoint(file)[1]
    # The second digest shows that the arrays are unchanged since their conversion.
    return state.get("source_sha256") == SHA256 and state.get("network_sha256") == weights.digest(network)
