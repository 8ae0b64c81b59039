"""Run a deploy net on pictures (published infer.py): RGB to BGR, mean off, scores, argmax."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from port.crf.crf_weights import CrfWeights
from port.data.readers import read_rgb
from port.engine.net import Net
from port.predict.predictor import predictor, score_layers
from port.scoring.crf_labels import crf_labels

__all__ = ['Predictor', 'Unusable', 'Writing', 'decoded', 'score_layers']
AHEAD = 2      # pictures decoded while one is computed
WRITERS = 2    # threads that write results


class Unusable(ValueError):
    """A picture that cannot be labelled; others can."""


class Predictor:
    """A callable from a picture to its labels.

    net: a deploy net of one image input. mean: BGR, subtracted. layer: the score blob.
    precision, skip: as port.predictor takes them. crf: weights of a dense CRF that refines the
    scores, on the picture's plain RGB as DeepLab's own program does.
    """

    def __init__(self, net: Net, mean: Sequence[float], layer: str | None = None,
                 precision: str = 'float32', skip: bool = True,
                 crf: CrfWeights | None = None) -> None:
        if len(net.inputs) > 1:
            raise ValueError(f'the net takes {len(net.inputs)} inputs ({", ".join(net.inputs)}); '
                             'pictures can be given to nets of one image input only')
        self.net = net
        self.predict = predictor(net, None, precision, layer=layer, mean=mean, skip=skip)
        self.layer, self.crf = self.predict.layer, crf

    def scores(self, rgb: np.ndarray) -> torch.Tensor:
        """Return the scores, classes x H x W, of an H x W x 3 uint8 RGB picture."""
        return self.predict(self.predict.planes(rgb)[None])[0]

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return the labels, H x W int64, of an H x W x 3 uint8 RGB picture.

        Raises ValueError where the blob is not of the picture's size.
        """
        scores = self.scores(rgb)
        if scores.shape[1:] != rgb.shape[:2]:
            raise ValueError(f'blob {self.layer!r} has the shape {list(scores.shape)} (channels, '
                             f'height, width), the picture is {rgb.shape[0]} high and '
                             f'{rgb.shape[1]} wide: no labels of it; the outputs to label by are '
                             f'{", ".join(score_layers(self.net))}')
        if self.crf is None:
            return scores.argmax(0).cpu().numpy()
        return crf_labels(self.net, self.layer, scores.cpu().numpy(), rgb, self.crf)

    def file(self, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the labels of a picture file."""
        rgb = read_rgb(Path(path), upright=True)
        return rgb, self(rgb)


class Writing:
    """Files written by threads while the next pictures are computed.

    A failure is raised by the next call, or at the end.
    """

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(WRITERS, 'write')
        self.under_way: deque[Future[object]] = deque()

    def __call__(self, work: Callable[[], object]) -> None:
        """Do the work soon; wait where much of it is waiting already."""
        self.under_way.append(self.pool.submit(work))
        while len(self.under_way) > 2 * WRITERS:
            self.under_way.popleft().result()

    def __enter__(self) -> 'Writing':
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        self.pool.shutdown()
        for done in self.under_way if kind is None else ():
            done.result()


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise Unusable(f'{path}: is no file, but a broken link, a pipe or a folder')
    try:
        return read_rgb(path, upright=True)
    except (ValueError, OSError) as error:
        raise Unusable(str(error)) from error


def decoded(paths: Iterable[Path]) -> Iterator[Future]:
    """Yield a future of the RGB pixels of each file in turn; the next ones are read meanwhile.

    A future raises Unusable for a file that is no picture.
    """
    with ThreadPoolExecutor(1, 'decode') as pool:
        waiting: deque[Future] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(_read, Path(path)))
                if len(waiting) > AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()
