"""Images at every resolution that a growing network passes through."""

from __future__ import annotations

import numpy as np

from ppsci_gan.errors import InputError

SMALLEST = 4


def levels(images: np.ndarray, batch_size: int = 1024) -> dict[int, np.ndarray]:
    """Return images at their own resolution and at halves of it, down to 4 x 4 pixels.

    Args:
        images: uint8 [N, C, R, R], R a power of two from 4 on.
        batch_size: Images that are held as floats at a time.

    Returns:
        uint8 [N, C, r, r] by r: means of 2 x 2 pixels of the next finer level, rounded.

    Raises:
        InputError: Images of another shape.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data import pyramid
        >>> {size: level.shape for size, level in pyramid.levels(np.zeros([2, 3, 16, 16], np.uint8)).items()}
        {16: (2, 3, 16, 16), 8: (2, 3, 8, 8), 4: (2, 3, 4, 4)}
    """
    size = images.shape[-1]
    if images.ndim != 4 or images.shape[2] != size or size < SMALLEST or size & (size - 1):
        raise InputError(f"images of shape {list(images.shape[1:])}: a pyramid takes squares of 4, 8, 16, ... pixels.")
    found = {size: images}
    while size > SMALLEST:
        finer, size = found[size], size // 2
        coarser = np.empty([*finer.shape[:2], size, size], np.uint8)
        for start in range(0, len(finer), batch_size):
            part = finer[start : start + batch_size].astype(np.uint16)
            total = part[..., ::2, ::2] + part[..., 1::2, ::2] + part[..., ::2, 1::2] + part[..., 1::2, 1::2]
            coarser[start : start + len(part)] = (total + 2) // 4
        found[size] = coarser
    return found
