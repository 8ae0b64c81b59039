"""Run a deploy net on pictures (published infer.py): RGB to BGR, mean off, scores, argmax."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from port.data.readers import read_rgb
from port.net import Net
from port.predict import predictor, score_layers

__all__ = ['Predictor', 'decoded', 'score_layers']
AHEAD = 2      # pictures decoded while one is computed


class Predictor:
    """A callable from a picture to its labels.

    net: a deploy net of one image input. mean: BGR, subtracted. layer: the score blob.
    precision: as port.predictor takes it.
    """

    def __init__(self, net: Net, mean: Sequence[float], layer: str | None = None,
                 precision: str = 'float32') -> None:
        if len(net.inputs) != 1:
            raise ValueError(f'the net takes {len(net.inputs)} inputs ({", ".join(net.inputs)}); '
                             'pictures can be given to nets of one image input only')
        self.net, self.predict = net, predictor(net, None, precision, layer=layer, mean=mean)
        self.layer = self.predict.layer

    def scores(self, rgb: np.ndarray) -> torch.Tensor:
        """Return the scores, classes x H x W, of an H x W x 3 uint8 RGB picture."""
        return self.predict(self.predict.planes(rgb)[None])[0]

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return the labels, H x W int64, of an H x W x 3 uint8 RGB picture."""
        return self.scores(rgb).argmax(0).cpu().numpy()

    def file(self, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the labels of a picture file."""
        rgb = read_rgb(Path(path))
        return rgb, self(rgb)


def decoded(paths: Iterable[Path]) -> Iterator[np.ndarray]:
    """Yield the RGB pixels of each file in turn; the next ones are read meanwhile."""
    with ThreadPoolExecutor(1, 'decode') as pool:
        waiting: deque[Future] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(read_rgb, Path(path)))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
