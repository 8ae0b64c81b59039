"""What a predictor answers: scores, and the labels, names, probabilities and overlays of them."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from PIL import Image

from port.data.label_pictures import make_palette, vis_seg
from port.scoring.metrics import largest


class Prediction(torch.Tensor):
    """Scores, N x classes x H x W float32: a tensor like any other (np.asarray gives the numbers;
    what is computed of it is a plain tensor) that knows what its channels mean.

    names: of the classes, () where the net says none. palette: 256 x 3 uint8, the colours of
    overlays. pictures: what was labelled, H x W x 3 uint8 RGB each; () where arrays of a net's
    input were given. alone: one picture was given, so that its labels and probabilities have no
    axis N.
    """

    names: tuple[str, ...] = ()         # a value, as older tensors have names of their own
    palette: np.ndarray
    pictures: tuple[np.ndarray, ...]
    alone: bool

    # Whatever torch computes of it is a plain tensor: a part of the scores has other labels.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def of(scores: torch.Tensor, names: Sequence[str] = (), palette: np.ndarray | None = None,
           pictures: Sequence[np.ndarray] = (), alone: bool = False) -> 'Prediction':
        """Return the scores, which are not copied, with what is known of them."""
        with torch.inference_mode(False):
            made: Prediction = torch.Tensor._make_subclass(Prediction, scores)
        made.names, made.pictures, made.alone = tuple(names), tuple(pictures), alone
        made.palette = make_palette(256) if palette is None else palette
        return made

    @property
    def labels(self) -> np.ndarray:
        """The class of the largest score of each position: N x H x W int64, or H x W."""
        return self._each(self.max(1).indices)

    def probabilities(self) -> np.ndarray:
        """Return the softmax of the scores: N x classes x H x W float32, or classes x H x W."""
        return self._each(self.softmax(1))

    def overlay(self, alpha: float = 0.5) -> Any:
        """Return the labels in colour over the picture, a PIL image; a list of them for several.

        Raises ValueError where arrays were given, of which no picture is known.
        """
        if not self.pictures:
            raise ValueError('no picture to lay the labels over: give image files, PIL images or '
                             'H x W x 3 uint8 RGB arrays to the predictor, or lay them over '
                             'yourself with port.data.label_pictures.vis_seg')
        all_labels = largest(self, 1)
        made = [Image.fromarray(vis_seg(picture, labels, self.palette, alpha))
                for picture, labels in zip(self.pictures, all_labels, strict=True)]
        return made[0] if self.alone else made

    def _each(self, values: torch.Tensor) -> np.ndarray:
        array = values.cpu().numpy()
        return array[0] if self.alone else array

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        raise TypeError('copy what you want of a prediction: .labels, or .clone() of the scores')
