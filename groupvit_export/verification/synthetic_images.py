"""Images for comparing engines with the reference: made from a seed, with edges, gradients and texture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def synthetic_images(seed: int, count: int, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Make images that a grouping block has something to decide on.

    White noise will not do: all its patches look alike, and every margin is small.

    Args:
        seed: of NumPy's PCG64; the same images everywhere.
        size: (height, width).

    Returns:
        `count` arrays uint8 [H, W, 3].
    """
    random = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[0:height, 0:width] / max(size)
    images = []
    for _ in range(count):
        slope = random.normal(size=(2, 3))
        image = random.uniform(0, 255, 3) + 120 * (y[..., None] * slope[0] + x[..., None] * slope[1])
        for _ in range(random.integers(3, 9)):
            center_y, center_x, radius = random.uniform(size=3) * (1, 1, 0.3)
            inside = (np.abs(y - center_y) ** 2 + np.abs(x - center_x) ** 2) < radius**2
            if random.uniform() < 0.5:
                inside = (np.abs(y - center_y) < radius) & (np.abs(x - center_x) < radius / 2)
            image[inside] = random.uniform(0, 255, 3)
        image += random.normal(scale=random.uniform(0, 12), size=image.shape)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images


def edge_images(size: tuple[int, int]) -> dict[str, NDArray[np.uint8]]:
    """Images at the edges of what comes: nothing to see, and as much as can be seen.

    Args:
        size: (height, width).

    Returns:
        uint8 [H, W, 3] by name.
    """
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    board = np.where(((y // 4 + x // 4) % 2)[..., None], 255, 0)
    stripes = np.where(((y % 2) == 0)[..., None], (255, 0, 255), (0, 255, 0))
    images = {
        "black": np.zeros((height, width, 3)),
        "white": np.full((height, width, 3), 255),
        "gray": np.full((height, width, 3), 127),
        "checkerboard": np.broadcast_to(board, (height, width, 3)),
        "stripes": np.broadcast_to(stripes, (height, width, 3)),
    }
    return {name: np.ascontiguousarray(image.astype(np.uint8)) for name, image in images.items()}
