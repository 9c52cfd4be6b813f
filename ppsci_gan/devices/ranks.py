"""Data-parallel training: communication among processes, the ranks.

``python -m paddle.distributed.launch`` starts the ranks. With a single one, no function communicates.
"""

from __future__ import annotations

import functools
import platform
import re
from collections.abc import Callable
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import paddle
import paddle.distributed as dist
import psutil
from paddle import Tensor
from paddle import nn
from paddle.autograd import PyLayer
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

BATCH_NORMS = (nn.BatchNorm1D, nn.BatchNorm2D)


def is_first() -> bool:
    """Whether this is the rank that writes files.

    Examples:
        >>> from ppsci_gan.devices import ranks
        >>> ranks.is_first()
        True
    """
    return dist.get_rank() == 0


def count() -> int:
    """Return the number of ranks.

    Examples:
        >>> from ppsci_gan.devices import ranks
        >>> ranks.count()
        1
    """
    return dist.get_world_size()


def start() -> None:
    """Join the other ranks, if any. Select the device first."""
    if dist.get_world_size() > 1 and not dist.is_initialized():
        dist.init_parallel_env()
        _find_peers()


@functools.lru_cache(maxsize=1)
def _find_peers() -> list[Peer]:
    """Return all ranks' processes, in order; the first call is by all ranks together."""
    me = psutil.Process()
    own = f"{platform.node()[:200]} {me.pid} {me.create_time()}"
    padded = np.frombuffer(own.encode().ljust(256, b"\0"), "uint8")
    texts = [row.tobytes().rstrip(b"\0").decode() for row in _gather(padded)]
    return [Peer(machine, int(number), float(started)) for machine, number, started in map(str.split, texts)]


class Peer(NamedTuple):
    """The process of a rank.

    Attributes:
        machine: Name of its machine.
        number: Of the process.
        started: When it did, in seconds, as another process may get its number.
    """

    machine: str
    number: int
    started: float

    def state(self) -> str | None:
        """Return what keeps a process of this machine from answering; None if nothing does."""
        try:
            process = psutil.Process(self.number)
            status = process.status()
            if process.create_time() != self.started or status == psutil.STATUS_ZOMBIE:
                return "has ended or was killed"
        except psutil.NoSuchProcess:
            return "has ended or was killed"
        return "is stopped" if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP) else None


def explain_peer_failure(error: Exception) -> str:
    """Return which ranks do not answer, and what can be known about them.

    Args:
        error: For which ``is_peer_failure``.

    Examples:
        >>> from ppsci_gan.devices import ranks
        >>> ranks.explain_peer_failure(RuntimeError("gloo: Connection reset by peer"))
        'another rank has failed (gloo: Connection reset by peer). Its own log says why.'
    """
    peers = _find_peers() if dist.is_initialized() else []
    here = platform.node()[:200]
    states = {rank: peer.state() for rank, peer in enumerate(peers) if peer.machine == here}
    failed = [
        f"rank {rank} (process {peers[rank].number}) {state}" for rank, state in states.items() if state is not None
    ]
    elsewhere = [f"rank {rank} on {peer.machine}" for rank, peer in enumerate(peers) if peer.machine != here]
    if not failed and elsewhere:
        failed = [f"one of {', '.join(elsewhere)} has failed"]
    reason = str(error).splitlines()[-1][:200]
    which = "; ".join(failed) or "another rank has failed"
    return f"{which} ({reason}). Its own log says why."


@functools.lru_cache(maxsize=1)
def _host_group() -> dist.communication.group.Group | None:
    """Return the group for host memory; None, the default group, on a CPU."""
    return None if paddle.device.get_device() == "cpu" else dist.new_group(backend="gloo")


def _gather(values: np.ndarray) -> list[np.ndarray]:
    """Return the arrays of all ranks, which have the same shape and type."""
    gathered: list[Tensor] = []
    dist.all_gather(gathered, paddle.to_tensor(values, place=paddle.CPUPlace()), group=_host_group())
    return [tensor.numpy() for tensor in gathered]


def any_rank(flag: bool) -> bool:
    """Whether a flag is set on any rank; all ranks must call it.

    Args:
        flag: This rank's flag.

    Examples:
        >>> from ppsci_gan.devices import ranks
        >>> ranks.any_rank(False)
        False
    """
    return flag if dist.get_world_size() == 1 else bool(np.any(_gather(np.array([flag], "uint8"))))


def mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over ranks; all ranks must call it.

    Args:
        values: This rank's values, of the same shape on every rank.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.devices import ranks
        >>> ranks.mean(np.array([1.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    return values if dist.get_world_size() == 1 else np.mean(_gather(values), axis=0)


def wait_for_all() -> None:
    """Wait until every rank has called this."""
    any_rank(False)


def is_peer_failure(error: Exception) -> bool:
    """Whether an error means that another rank has failed.

    Args:
        error: Exception from a distributed computation.

    Examples:
        >>> from ppsci_gan.devices import ranks
        >>> ranks.is_peer_failure(RuntimeError("gloo: Connection reset by peer"))  # there is no other
        False
    """
    return dist.get_world_size() > 1 and re.search(r"gloo|[Cc]onnection|peer", str(error)) is not None


def broadcast_text(text: str) -> str:
    """Return the first rank's text; all ranks must call it.

    Args:
        text: This rank's text, at most 4096 bytes in UTF-8.

    Examples:
        >>> from ppsci_gan.devices import ranks
        >>> ranks.broadcast_text("outputs")
        'outputs'
    """
    if dist.get_world_size() == 1:
        return text
    padded = np.frombuffer(text.encode().ljust(4096, b"\0"), "uint8")
    return _gather(padded)[0].tobytes().rstrip(b"\0").decode()


def map_rows(function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Apply a function to rows, divided among the ranks.

    Args:
        function: Maps [n, ...] to [n, ...], row by row.
        rows: The same [N, ...] on every rank.

    Returns:
        [N, ...], in the order of ``rows``, on every rank.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.devices import ranks
        >>> ranks.map_rows(lambda rows: 2 * rows, np.arange(3)).tolist()
        [0, 2, 4]
    """
    rank, ranks = dist.get_rank(), dist.get_world_size()
    if ranks == 1:
        return function(rows)
    longest = -(-len(rows) // ranks)
    part = function(rows[np.arange(rank, rank + longest * ranks, ranks) % len(rows)])  # wraps around for equal parts
    result = np.empty((longest * ranks, *part.shape[1:]), part.dtype)
    for other, other_part in enumerate(_gather(np.ascontiguousarray(part))):
        result[other::ranks] = other_part
    return result[: len(rows)]


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over ranks.

    Args:
        parameters: The same parameters on every rank; those without a gradient are skipped.
    """
    if dist.get_world_size() > 1:
        fused_allreduce_gradients(list(parameters), None)


def synchronise_batch_norm(network: nn.Layer) -> None:
    """Compute batch normalisation's training statistics over the batches of all ranks.

    A step then does not depend on how its batch is divided. Paddle's own SyncBatchNorm supports GPUs only.

    Args:
        network: Network to change in place; names of parameters and buffers stay.
    """
    if dist.get_world_size() > 1:
        for layer in network.sublayers(include_self=True):
            if isinstance(layer, BATCH_NORMS):
                layer.forward = functools.partial(_batch_norm, layer)


class _SumOverRanks(PyLayer):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _SumOverRanks.forward(ctx, gradient)


def _batch_norm(layer: nn.Layer, x: Tensor) -> Tensor:
    if not layer.training:
        return type(layer).forward(layer, x)
    axes = [0, *range(2, x.ndim)]
    per_channel = [1, -1] + [1] * (x.ndim - 2)
    values = x.astype("float32") if x.dtype in (paddle.float16, paddle.bfloat16) else x
    count = x.size // x.shape[1] * dist.get_world_size()
    mean = _SumOverRanks.apply(values.sum(axes)) / count
    centred = values - mean.reshape(per_channel)
    variance = _SumOverRanks.apply((centred * centred).sum(axes)) / count
    result = centred / paddle.sqrt(variance + layer._epsilon).reshape(per_channel)
    if layer.weight is not None:
        result = result * layer.weight.reshape(per_channel)
    if layer.bias is not None:
        result = result + layer.bias.reshape(per_channel)
    with paddle.no_grad():
        for running, value in ((layer._mean, mean), (layer._variance, variance)):
            running.set_value(running * layer._momentum + value * (1 - layer._momentum))
    return result.astype(x.dtype)
