"""What a run says in one line."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

REAL, STD = "_of_real", "_std"


def describe_evaluation(scores: Mapping[str, float], main: str | None, best: Sequence[str]) -> str:
    """Return a line of all scores of an evaluation, those of raw and of averaged weights beside each other.

    Args:
        scores: By ``eval_<kind>/<metric>.<key>``, of which a kind is raw or averaged. ``<key>_of_real`` is what real
            data score.
        main: ``<metric>.<key>`` that chooses the best checkpoint, and comes first; None for none.
        best: Kinds that are the best so far by it.

    Examples:
        >>> from ppsci_gan.training.lines import describe_evaluation
        >>> scores = {"eval_raw/points.modes": 7.0, "eval_raw/points.modes_of_real": 8.0}
        >>> scores["eval_raw/points.distance"] = 0.25
        >>> scores.update({"eval_averaged/points.modes": 8.0, "eval_averaged/points.distance": 0.125})
        >>> describe_evaluation(scores, "points.distance", ["averaged"])
        'points.distance: raw 0.25, averaged 0.125 (best so far); points.modes: raw 7, averaged 8, real 8'
    """
    kinds = {kind: {} for kind in ("raw", "averaged")}
    for name, value in scores.items():
        kind, _, score = name.partition("/")
        kinds[kind.removeprefix("eval_")][score] = value
    names = [name for name in kinds["raw"] if not name.removesuffix(REAL).endswith(STD) and not name.endswith(REAL)]
    names.sort(key=lambda name: name != main)  # the others keep their order
    parts = []
    for name in names:
        values = [
            f"{kind} {found[name]:.4g}" + (" (best so far)" if name == main and kind in best else "")
            for kind, found in kinds.items()
            if name in found
        ]
        real = kinds["raw"].get(f"{name}{REAL}")
        parts.append(f"{name}: {', '.join(values + ([] if real is None else [f'real {real:.4g}']))}")
    return "; ".join(parts)
