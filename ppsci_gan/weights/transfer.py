"""Initialising a player from another run's weights: what is loaded, starts afresh, or is frozen.

Transferring GANs (Wang et al. 2018, https://arxiv.org/abs/1805.01677) and, for frozen layers, FreezeD (Mo et al. 2020,
https://arxiv.org/abs/2002.10964).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ppsci.utils import logger

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.networks.base import Player

PARTS = ("image", "output", "classes", "statistics")
SHORT = {"generator": "gen", "critic": "dis"}  # a player in the names of configuration keys


class Report(NamedTuple):
    """What happened to every parameter of a player and of its source.

    Classes are in brackets where a parameter's classes fared differently.

    Attributes:
        loaded: From the source, and learning.
        fresh: Not from the source.
        frozen: From the source, and not learning.
        left_over: Of the source, and not used.
    """

    loaded: list[str]
    fresh: list[str]
    frozen: list[str]
    left_over: list[str]


class Transfer(NamedTuple):
    """How a player is initialised from its source.

    Attributes:
        name: ``generator`` or ``critic``.
        path: Its source, as for ``ppsci_gan.weights.files.read``; None for a start from scratch.
        fresh: Parts that start afresh nevertheless: names of ``PARTS``.
        class_map: The source's class for each class of the target, None for a fresh one. None: they are the same.
        freeze: So many blocks do not learn: the first ones of the player, and what is before them.
        keep_average: Whether the source's moving average goes on, beside the weights of its last iteration. Otherwise
            the player starts from what the source's file is used with, which may be the average.
    """

    name: str
    path: str | None
    fresh: Sequence[str] = ()
    class_map: Sequence[int | None] | None = None
    freeze: int = 0
    keep_average: bool = False

    @property
    def key(self) -> str:
        """The network's config group."""
        return f"MODEL.{SHORT[self.name]}_net"

    def load(self, player: Player) -> Report:
        """Load a source's weights into a player, and freeze the layers that are not trained.

        Args:
            player: Newly made; its ``parts``, ``class_axes`` and ``blocks`` say what its parameters are.

        Returns:
            What became of each parameter.

        Raises:
            InputError: The source does not fit in a way that is not asked for, a class is not among its classes, it
                has no average to keep, or a layer to freeze does not exist or has nothing from the source.

        Examples:
            >>> import paddle
            >>> from ppsci_gan.networks.base import Player
            >>> from ppsci_gan.weights.transfer import Transfer
            >>> class Tiny(Player):
            ...     def __init__(self):
            ...         super().__init__(("data",), ("score",))
            ...         self.blocks = paddle.nn.LayerList([paddle.nn.Linear(2, 2)])
            >>> Transfer("critic", None).load(Tiny()).fresh
            ['blocks.0.weight', 'blocks.0.bias']
        """
        self._check_freeze(player)
        self._check_average()
        if self.path is None:
            return Report([], list(player.state_dict()), [], [])
        source = weights.read_renamed(player, self.path, self.name, raw=self.keep_average)
        arrays, report = self.adapt(player, source)
        weights.fill(player, arrays)
        frozen = self._freeze(player, set(report.loaded))
        return report._replace(loaded=[name for name in report.loaded if name not in frozen], frozen=frozen)

    def average(self, player: Player) -> dict[str, np.ndarray]:
        """Return the source's moving average of a player's weights as ``load`` would give them to the player.

        Args:
            player: After ``load`` with ``keep_average``, which refuses a source that has none.
        """
        return self.adapt(player, weights.read_renamed(player, self.path, "averaged"))[0]

    def _check_average(self) -> None:
        if self.keep_average and not weights.has_part(self.path, "averaged"):
            raise InputError(
                f"TRANSFER.average=source: {weights.shown(self.path or 'a start from scratch')} has no moving average; "
                "set TRANSFER.average=fresh."
            )

    def adapt(self, player: Player, arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], Report]:
        """Fit a source's arrays to a player, which keeps its own where they start afresh; report each parameter."""
        own = {name: value.numpy() for name, value in player.state_dict().items()}
        afresh = [name for name in own if self._starts_afresh(player, name)]
        taken = {name: value for name, value in arrays.items() if not self._starts_afresh(player, name)}
        left_over = [name for name in arrays if name not in taken]
        adapted = {name: own[name] for name in afresh}
        report = Report([], afresh, [], left_over)
        for name, theirs in taken.items():
            axis = _class_axis(player, name)
            if self.class_map is None or axis is None or name not in own or theirs.ndim != own[name].ndim:
                adapted[name] = theirs
                report.loaded.append(name)
            else:
                adapted[name] = self._map_classes(own[name], theirs, axis, name, report)
        weights.check(player, adapted, self.path, self.key, self._advice(player, adapted))
        return adapted, report

    def _starts_afresh(self, player: Player, name: str) -> bool:
        return any(part in player.parts and re.match(player.parts[part], name) for part in self.fresh)

    def _map_classes(self, own: np.ndarray, theirs: np.ndarray, axis: int, name: str, report: Report) -> np.ndarray:
        classes, sources = own.shape[axis], theirs.shape[axis]
        if len(self.class_map) != classes:
            raise InputError(
                f"TRANSFER.class_map={list(self.class_map)} is for {len(self.class_map)} classes of the target, which "
                f"has {classes} (MODEL.gen_net.label_num): name the source's class of each, or null for a fresh one."
            )
        outside = [source for source in self.class_map if source is not None and source >= sources]
        if outside:
            raise InputError(
                f"TRANSFER.class_map={list(self.class_map)}: {weights.shown(self.path)} has classes 0 to "
                f"{sources - 1}, not {outside[0]}."
            )
        mapped = np.moveaxis(own.copy(), axis, 0)
        of_source = np.moveaxis(theirs, axis, 0)
        if mapped.shape[1:] != of_source.shape[1:]:
            return theirs  # another width, too: the check tells
        known = [target for target, source in enumerate(self.class_map) if source is not None]
        unknown = sorted(set(range(classes)) - set(known))
        used = [self.class_map[target] for target in known]
        mapped[known] = of_source[used]
        if known:
            report.loaded.append(_with_classes(name, known) if unknown else name)
        if unknown:
            report.fresh.append(_with_classes(name, unknown) if known else name)
        unused = sorted(set(range(sources)) - set(used))
        if unused:
            report.left_over.append(_with_classes(name, unused) if known else name)
        return np.moveaxis(mapped, 0, axis)

    def _advice(self, player: Player, arrays: dict[str, np.ndarray]) -> str:
        """Name the TRANSFER keys that would resolve every mismatch, if there are any."""
        own = {name: tuple(value.shape) for name, value in player.state_dict().items()}
        misfits = list(own.keys() ^ arrays.keys())
        misfits += [name for name in own.keys() & arrays.keys() if own[name] != arrays[name].shape]
        differ_in_classes = all(
            _class_axis(player, n) is not None and n in own and n in arrays and len(own[n]) == arrays[n].ndim
            for n in misfits
        )
        if self.class_map is None and misfits and differ_in_classes:
            return "  Or say which class of the source each of the target's is: TRANSFER.class_map=[...]"
        parts = {next((p for p in PARTS if re.match(player.parts.get(p, "$."), name)), None) for name in misfits}
        if not misfits or None in parts:
            return ""
        return f"  Or let what does not fit start afresh: TRANSFER.fresh=[{','.join(sorted({*self.fresh, *parts}))}]"

    def _check_freeze(self, player: Player) -> None:
        key = f"TRANSFER.freeze_{SHORT[self.name]}={self.freeze}"
        if self.freeze > len(player.blocks):
            raise InputError(f"{key}: the {self.name} has {len(player.blocks)} blocks.")
        if self.freeze and self.path is None:
            raise InputError(f"{key}: the {self.name} starts from scratch, and frozen layers would stay random.")

    def _freeze(self, player: Player, loaded: set[str]) -> list[str]:
        """Freeze the first blocks and the layers before them, except parameters that start afresh."""
        if not self.freeze:
            return []
        before = ("input.", *(f"blocks.{index}." for index in range(self.freeze)))
        frozen = {
            name: parameter
            for name, parameter in player.named_parameters()
            # Statistics, which have no gradient either, go on following what the layers see.
            if name.startswith(before) and name in loaded and not parameter.stop_gradient
        }
        for parameter in frozen.values():
            parameter.stop_gradient = True
        return list(frozen)


def log_reports(reports: dict[str, Report], sources: dict[str, str | None]) -> dict[str, dict]:
    """Log what happened to the players' parameters; return it as plain values, for a file.

    Args:
        reports: By player.
        sources: The files that they come from.

    Examples:
        >>> from ppsci_gan.weights import transfer
        >>> transfer.log_reports({"critic": transfer.Report(["w"], [], [], [])}, {"critic": "a.pdparams"})
        {'critic': {'source': 'a.pdparams', 'loaded': ['w'], 'fresh': [], 'frozen': [], 'left_over': []}}
    """
    sources = {name: path and weights.shown(path) for name, path in sources.items()}
    for name, report in reports.items():
        counts = ", ".join(f"{len(names)} {title.replace('_', ' ')}" for title, names in report._asdict().items())
        logger.message(f"Transfer of the {name} from {sources[name] or 'nothing'}: parameters {counts}")
        for title in ("fresh", "frozen", "left_over"):
            names = getattr(report, title)
            if names and sources[name] is not None:
                logger.message(f"  {title.replace('_', ' ')}: {', '.join(names)}")
    return {name: {"source": sources[name], **report._asdict()} for name, report in reports.items()}


def _class_axis(player: Player, name: str) -> int | None:
    return next((axis for pattern, axis in player.class_axes.items() if re.match(pattern, name)), None)


def _with_classes(name: str, classes: Sequence[int]) -> str:
    return f"{name}[{', '.join(map(str, classes))}]"
