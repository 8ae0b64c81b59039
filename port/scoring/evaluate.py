"""Score a net over its test split: histograms of every head, and the mean IU of every image."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from netspec.schema import write_atomic
from port.commands.score import class_names, data_instance, heads
from port.engine.net import Net
from port.scoring.metrics import Scores, fast_hist, plain


@dataclass
class Evaluation:
    """What one pass over the test split gave.

    scores: by head's score blob, the first is the main one. images: name -> mean IU of its own
    classes by the main head. seconds: of the pass. trained: seconds of training before it.
    """

    iteration: int
    scores: dict[str, Scores]
    images: dict[str, float] = field(default_factory=dict)
    loss: float = float('nan')
    seconds: float = 0.0
    trained: float = 0.0

    @property
    def main(self) -> Scores:
        """The scores of the first head."""
        return next(iter(self.scores.values()))

    def write(self, path: Path) -> None:
        """Write everything as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        figures = {'iteration': self.iteration, 'loss': plain(self.loss),
                   'seconds': self.seconds, 'trained': self.trained,
                   'heads': {name: scores.as_dict() for name, scores in self.scores.items()},
                   'images': {name: plain(value) for name, value in self.images.items()}}
        write_atomic(path, [json.dumps(figures).encode()])


def read(path: Path) -> Evaluation:
    """Read what `write` wrote."""
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    scores = {name: Scores(np.array(head['hist']), tuple(c['class'] for c in head['classes']))
              for name, head in found['heads'].items()}
    images = {name: float('nan') if value is None else value
              for name, value in found['images'].items()}
    loss = float('nan') if found['loss'] is None else found['loss']
    return Evaluation(found['iteration'], scores, images, loss, found['seconds'],
                      found['trained'])


class Interrupted(RuntimeError):
    """A stop was asked for; everything so far is on disk."""


def evaluate(net: Net, iteration: int, images: int | None = None,
             asked: Callable[[], bool] = lambda: False,
             forward: Callable[[], Any] | None = None) -> Evaluation:
    """Run a net in the TEST phase over its split (or the first images of it) and count.

    forward: what runs the net, in place of its run_forward. Raises Interrupted as soon
    as `asked` says that a stop was asked for.
    """
    data, pairs = data_instance(net), heads(net)
    names = list(data.indices)[:images]
    data.start(0)
    forward = forward or net.run_forward
    start, loss = time.monotonic(), 0.0
    hists: dict[str, np.ndarray] = {}
    own: dict[str, float] = {}
    for name in tqdm(names, desc='score', leave=False, disable=not sys.stderr.isatty()):
        if asked():
            raise Interrupted(f'stopped while scoring iteration {iteration}')
        loss += float(forward())
        for blob, label in pairs:
            predicted = net.blobs[blob].data[0].argmax(0).cpu().numpy()
            truth = net.blobs[label].data[0, 0].cpu().numpy()
            hist = fast_hist(truth, predicted, net.blobs[blob].shape[1])
            hists[blob] = hists.get(blob, 0) + hist
            own.setdefault(name, Scores(hist).mean_iu)
    scores = {blob: Scores(hist, class_names(data, len(hist))) for blob, hist in hists.items()}
    return Evaluation(iteration, scores, own, loss / len(names), time.monotonic() - start)
