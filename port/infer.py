"""Run a deploy net on pictures (published infer.py): RGB to BGR, mean off, scores, argmax."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from port.data.readers import planes, read_rgb
from port.net import Net


class Predictor:
    """A callable from a picture to its labels.

    net: a deploy net of one image input. mean: BGR, subtracted. layer: the score blob.
    """

    def __init__(self, net: Net, mean: Sequence[float], layer: str | None = None) -> None:
        if len(net.inputs) != 1:
            raise ValueError(f'the net takes {len(net.inputs)} inputs ({", ".join(net.inputs)}); '
                             'pictures can be given to nets of one image input only')
        self.net, self.mean = net, np.asarray(mean, np.float64)
        self.layer = layer or score_layers(net)[0]

    def scores(self, rgb: np.ndarray) -> torch.Tensor:
        """Return the scores, classes x H x W, of an H x W x 3 uint8 RGB picture."""
        data = planes(np.ascontiguousarray(rgb[:, :, ::-1]), self.mean)[None]
        self.net.forward(**{self.net.inputs[0]: np.asarray(data, np.float32)})
        return self.net.blobs[self.layer].data[0]

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return the labels, H x W int64, of an H x W x 3 uint8 RGB picture."""
        return self.scores(rgb).argmax(0).cpu().numpy()

    def file(self, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the labels of a picture file."""
        rgb = read_rgb(Path(path))
        return rgb, self(rgb)


def score_layers(net: Net) -> list[str]:
    """Return the outputs of a net that are called score…, or else all outputs."""
    return [name for name in net.outputs if name.startswith('score')] or net.outputs
