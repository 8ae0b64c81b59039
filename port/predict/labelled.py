"""Run a deploy net on pictures (published infer.py): RGB to BGR, mean off, scores, argmax."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from port.crf.crf_weights import CrfWeights
from port.data.readers import read_rgb
from port.engine.net import Net
from port.predict.predictor import predictor, score_layers
from port.predict.views import Views
from port.scoring.crf_labels import crf_probabilities, probable
from port.scoring.metrics import largest

__all__ = ['Predictor', 'Unusable', 'Writing', 'decoded', 'score_layers']
AHEAD = 2      # pictures decoded while one is computed
WRITERS = 2    # threads that write results
LATER = 10     # how nice they are to the net
ONE_VIEW = Views()


class Unusable(ValueError):
    """A picture that cannot be labelled; others can."""


class Predictor:
    """A callable from a picture to its labels.

    net: a deploy net of one image input. mean: BGR, subtracted. layer: the score blob.
    precision, exact: as port.predictor takes them. crf: weights of a dense CRF that refines the
    scores, on the picture's plain RGB as DeepLab's own program does. views: at which scales the
    picture is looked at, and whether mirrored too.
    """

    def __init__(self, net: Net, mean: Sequence[float], layer: str | None = None,
                 precision: str = 'float32', exact: bool = False,
                 crf: CrfWeights | None = None, views: Views = ONE_VIEW) -> None:
        if len(net.inputs) > 1:
            raise ValueError(f'the net takes {len(net.inputs)} inputs ({", ".join(net.inputs)}); '
                             'pictures can be given to nets of one image input only')
        self.net = net
        self.predict = predictor(net, None, precision, layer=layer, mean=mean,
                                 exact=exact)
        self.layer, self.crf, self.views = self.predict.layer, crf, views

    def scores(self, rgb: np.ndarray) -> torch.Tensor:
        """Return the scores, classes x H x W, of an H x W x 3 uint8 RGB picture.

        Raises ValueError where the blob is not of the picture's size.
        """
        planes = self.predict.planes(rgb)[None]
        if self.views.several:
            scores = self.views.scores(lambda arrays: self.predict.run(dict(arrays)),
                                       {self.net.inputs[0]: planes},
                                       probable(self.net, self.layer))[0]
        else:
            scores = self.predict(planes)[0]
        if scores.shape[1:] != rgb.shape[:2]:
            raise ValueError(f'blob {self.layer!r} has the shape {list(scores.shape)} (channels, '
                             f'height, width), the picture is {rgb.shape[0]} high and '
                             f'{rgb.shape[1]} wide: no labels of it; the outputs to label by are '
                             f'{", ".join(score_layers(self.net))}')
        return scores

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return the labels, H x W int64, of an H x W x 3 uint8 RGB picture."""
        scores = self.scores(rgb)
        if self.crf is None:
            return largest(scores)
        return self._refined(scores, rgb, self.crf).argmax(0)

    def both(self, rgb: np.ndarray, crf: CrfWeights | None) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, H x W, and probabilities, classes x H x W float32, after a CRF or none."""
        scores = self.scores(rgb)
        if crf is not None:
            refined = self._refined(scores, rgb, crf)
            return refined.argmax(0), np.asarray(refined, np.float32)
        shares = scores if probable(self.net, self.layer) else scores.softmax(0)
        return largest(scores), shares.cpu().numpy()

    def _refined(self, scores: torch.Tensor, rgb: np.ndarray, crf: CrfWeights) -> np.ndarray:
        return crf_probabilities(self.net, self.layer, scores.cpu().numpy(), rgb, crf)

    def file(self, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the labels of a picture file."""
        rgb = read_rgb(Path(path), upright=True)
        return rgb, self(rgb)


def _yield_to_the_net() -> None:
    """Have this thread run where the net leaves a core: its layers wait for the slowest of their
    threads, so that a writer beside them would take the time of all.
    """
    if sys.platform == 'linux':                    # elsewhere a thread has no priority of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LATER)


class Writing:
    """Files written by threads while the next pictures are computed.

    A failure is raised by the next call, or at the end.
    """

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(WRITERS, 'write', _yield_to_the_net)
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
    with ThreadPoolExecutor(1, 'decode', _yield_to_the_net) as pool:
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
