"""Scores of an image looked at several times: at other scales, and mirrored.

The answer is the mean of the views' probabilities. DeepLab's own nets of three scales (PAMI 2017,
section 3.2) take maxima of scores inside the net instead; for any net's answers the mean of
probabilities is what test-time averaging usually means.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

LEAST = float(np.finfo(np.float32).tiny)     # what a probability of 0 counts as in a logarithm
Arrays = Mapping[str, np.ndarray | torch.Tensor]
Run = Callable[[dict[str, torch.Tensor]], torch.Tensor]


@dataclass(frozen=True)
class Views:
    """At which scales, height and width alike, and whether mirrored too."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    @property
    def several(self) -> bool:
        """Whether there is more to see than the image as it is."""
        return self.flip or self.scales != (1.0,)

    def scores(self, run: Run, arrays: Arrays, probable: bool = False) -> torch.Tensor:
        """Return scores, N x classes x H x W, of images N x C x H x W by the input's name.

        run: from images of any size to scores of that size. probable: the net's outputs are
        probabilities, and so is the answer; else it is the logarithm of the mean of their softmax,
        which has the same largest class, and the same softmax.
        """
        images = {name: torch.as_tensor(array) for name, array in arrays.items()}
        height, width = next(iter(images.values())).shape[2:]
        total, count = torch.zeros(()), 0
        for scale in self.scales:
            size = max(1, round(scale * height)), max(1, round(scale * width))
            scaled = {name: _resized(image, size) for name, image in images.items()}
            for mirrored in (False, True)[:1 + self.flip]:
                seen = {n: i.flip(3) for n, i in scaled.items()} if mirrored else scaled
                found = run(seen)
                if tuple(found.shape[2:]) != size:
                    raise ValueError(f'scores of {tuple(found.shape[2:])} for images of {size} '
                                     '(height, width): these scales need scores as large as the '
                                     'image')
                found = found if probable else found.softmax(1)
                found = found.flip(3) if mirrored else found
                total, count = total + _resized(found, (height, width)), count + 1
        mean = total / count
        return mean if probable else mean.clamp(min=LEAST).log()


def _resized(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return images or probabilities at another size: between neighbours, means where smaller."""
    if tuple(images.shape[2:]) == size:
        return images
    return interpolate(images, size, mode='bilinear', align_corners=False, antialias=True)
