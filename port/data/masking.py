"""Hide the foreground or the background of images by their labels (FCN, PAMI 2017, Table 8)."""

from collections.abc import Sequence

import numpy as np

MASKS = ('', 'foreground', 'background', 'both')


def check_mask(mask: str, where: str, classes: Sequence[str], tops: Sequence[str]) -> str:
    """Return a mask's name; ValueError for one that is not known, or where nothing is background.
    """
    if mask not in MASKS:
        raise ValueError(f"{where}: param_str 'mask' is {mask!r}; expected one of "
                         f'{", ".join(m for m in MASKS if m)}')
    if mask and (len(tops) != 2 or list(classes[:1]) != ['background']):
        raise ValueError(f"{where}: param_str 'mask' is {mask!r}, but a mask needs one image, one "
                         'label and a class list that begins with background; here are the tops '
                         f'{", ".join(tops)} and first the class {(*classes, "")[0]!r}')
    return mask


def hide(image: np.ndarray, label: np.ndarray, mask: str, classes: int,
         mean: np.ndarray) -> np.ndarray:
    """Mask a mean-free image, C x H x W, by its labels, 1 x H x W; class 0 is the background.

    What is hidden becomes the mean colour, 0, and so do void pixels: they lie along outlines.
    With both hidden the foreground is white, so that its shape alone is left.
    """
    known = label[0] < classes
    foreground, background = known & (label[0] > 0), known & (label[0] == 0)
    out = np.zeros_like(image)
    if mask == 'both':
        out[:, foreground] = (255 - np.asarray(mean, image.dtype))[:, None]
        return out
    kept = background if mask == 'foreground' else foreground
    out[:, kept] = image[:, kept]
    return out
