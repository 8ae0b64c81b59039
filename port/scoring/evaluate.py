"""The loop that scores: a net runs over its test split once, and its labels are counted.

`fcn score`, `fcn reproduce`, `fcn demo` and the published drivers' compute_hist (seg_tests.py)
all count by `count`.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netspec.schema import read_json, spare, write_atomic
from netspec.schema.messages import TEST, NetParameter
from port.crf.crf_weights import CrfWeights
from port.data import datasets
from port.data.label_pictures import write_label
from port.data.listed import image_names
from port.data.seg_layer import SegDataLayer
from port.distributed.alone import ALONE, Alone
from port.engine.net import Net, Weights
from port.engine.starting_weights import load
from port.images.read_ahead import check_share
from port.layers.bases.image_list import ImageListLayer
from port.scoring.crf_labels import CrfOfData
from port.scoring.metrics import Scores, fast_hist, host, largest, plain
from port.training.signals import Interrupted

Forward = Callable[[], torch.Tensor | float]                    # one pass; returns the loss
Progress = Callable[[Sequence[str]], Iterable[str]]             # shows how far the loop has come
Labels = Callable[[str], np.ndarray]                            # of a score blob, H x W
Heads = Sequence[tuple[str, str]]                               # (score blob, label blob)
# Is shown each frame: its name, the score blob, truth and prediction H x W, and how many classes.
See = Callable[[str, str, np.ndarray, np.ndarray, int], None]


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
    found = read_json(path, 'scoring')
    try:
        scores = {name: Scores(np.array(head['hist']), tuple(c['class'] for c in head['classes']))
                  for name, head in found['heads'].items()}
        images = {name: float('nan') if value is None else value
                  for name, value in found['images'].items()}
        loss = float('nan') if found['loss'] is None else found['loss']
        return Evaluation(found['iteration'], scores, images, loss, found['seconds'],
                          found['trained'])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: this scoring is damaged ({type(error).__name__} {error}); '
                         'remove it, and it is scored again') from None


# -- what a net says of itself ---------------------------------------------------------------------

def listed_data(net: Net) -> ImageListLayer | None:
    """Return the layer that feeds a net from a list of images (DeepLab's ImageSegData), if any."""
    return next((node.layer for node in net.nodes if isinstance(node.layer, ImageListLayer)), None)


def data_instance(net: Net) -> Any:
    """Return the Python data layer that feeds a net and knows its list; None if it has none.

    One of the user's own, as the published repository's, has `indices` and may have no more.
    """
    for node in net.nodes:
        instance = getattr(node.layer, 'instance', None)
        if instance is not None and hasattr(instance, 'indices'):
            return instance
    return None


def heads(net: Net) -> list[tuple[str, str]]:
    """Return (score blob, label blob) of every SoftmaxWithLoss of a net; of every SegAccuracy of
    one without losses, as DeepLab's testing nets are.
    """
    found: dict[str, list[tuple[str, str]]] = {'SoftmaxWithLoss': [], 'SegAccuracy': []}
    for entry in net.entries:
        if entry.param.type in found:
            found[entry.param.type].append((entry.param.bottom[0], entry.param.bottom[1]))
    return found['SoftmaxWithLoss'] or found['SegAccuracy']


def names_of(data: Any) -> list[str]:
    """Return the names of the images that a data layer gives, in its order."""
    if isinstance(data, ImageListLayer):
        names = image_names([line[0] for line in data.lines])
        return [names[data.pick(i)] for i in range(data.count)]
    return [str(name) for name in data.indices]


def seek(data: object, place: int) -> None:
    """Have a data layer give the image at a place of its list next, and then those that follow,
    where it can be told: also a list for training, which it would draw at random.
    """
    if isinstance(data, SegDataLayer):
        data.random = False
        data.start(place)
    if isinstance(data, ImageListLayer):
        data.restore(data.state() | {'item': place})


def class_names_of(data: object, count: int) -> tuple[str, ...]:
    """Return the dataset's class names where a list of that length is its own, else ()."""
    return next((names for names in datasets.class_lists(data) if len(names) == count), ())


def files_read(data: object) -> Iterator[Path]:
    """Yield the list, the images and the labels that a data layer reads, where it names them."""
    if isinstance(data, ImageListLayer):
        yield from map(Path, (data.param.image_data_param.source, *data.files()))
    if isinstance(data, SegDataLayer):
        yield data.split_file()
        for name in data.indices:
            yield from data.files(name).values()


# -- the loop --------------------------------------------------------------------------------------

@dataclass
class Tally:
    """What the loop counted: a histogram for each head, the mean IU of each image, the losses of
    the passes.
    """

    hists: dict[str, np.ndarray]
    images: dict[str, float]
    losses: list[float]

    @property
    def loss(self) -> float:
        """The mean over the passes."""
        return sum(self.losses) / len(self.losses)

    def joined(self, ranks: Alone) -> 'Tally':
        """Return what all ranks counted: their histograms added, and the rest in their order."""
        if ranks.size == 1:
            return self
        whole = Tally({score: hist.copy() * 0 for score, hist in self.hists.items()}, {}, [])
        mine = ({score: hist.tolist() for score, hist in self.hists.items()},
                list(self.images.items()), self.losses)
        for hists, images, losses in ranks.gathered(mine):
            for score, hist in hists.items():
                whole.hists[score] += np.array(hist, np.int64)
            for name, value in images:
                whole.images.setdefault(name, value)
            whole.losses += losses
        return whole


def count(blobs: Mapping[str, Any], forward: Forward, names: Iterable[str], pairs: Heads,
          folders: Mapping[str, Path], labels: Labels | None = None,
          observers: Sequence[See] = ()) -> Tally:
    """Run a pass for each name and count its labels by every head.

    blobs: the net's, of this engine or of pycaffe, by name. folders: where a head's predictions
    go as NAME.png, for the heads that it names. A pass holds one image, as the published nets do.
    labels: what labels by a head's score blob, in place of the largest score. observers: are shown
    each frame.
    """
    hists: dict[str, np.ndarray] = {}
    images: dict[str, float] = {}
    losses: list[float] = []
    for name in names:
        losses.append(float(forward()))
        for score, label in pairs:
            scores = blobs[score].data[0]
            predicted = labels(score) if labels else largest(scores)
            truth = host(blobs[label].data[0, 0])
            hist = fast_hist(truth, predicted, len(scores))
            hists[score] = hists.get(score, 0) + hist
            images.setdefault(name, Scores(hist).mean_iu)       # that of the first head
            for see in observers:
                see(name, score, truth, predicted, len(scores))
            if score in folders:
                place = folders[score] / f'{name}.png'
                place.parent.mkdir(parents=True, exist_ok=True)
                write_label(place, predicted)
    return Tally(hists, images, losses)


def evaluate(net: Net, images: int | None = None, *, iteration: int = 0,
             save: Path | None = None, forward: Forward | None = None,
             crf: CrfWeights | None = None, labels: Labels | None = None,
             progress: Progress = iter,
             observers: Sequence[See] = (), asked: Callable[[], bool] = lambda: False,
             ranks: Alone = ALONE) -> Evaluation:
    """Run a net in the TEST phase over its split, or the first `images` of it, and count.

    iteration: only noted. save: folder for the predictions, with a folder in it for each head
    where there are several. forward: what runs the net, in place of its run_forward. crf: weights
    of a dense CRF that refines the scores on the plain picture. labels: what labels by a score
    blob, in its place. observers: are shown each frame; of several ranks, those of its own.
    ranks: each runs its share of the images, and all return the same figures.
    Raises Interrupted as soon as `asked` says that a stop was asked for; ValueError for a net
    without labels, and where `save` would replace what is read.
    """
    pairs, data = heads(net), data_instance(net) or listed_data(net)
    names = _names(pairs, data, images)
    folders = {score: save if len(pairs) == 1 else save / score for score, _ in pairs if save}
    places = [folder / f'{name}.png' for folder in folders.values() for name in names]
    mine = ranks.share(len(names))
    with ranks.agreed():
        _check_ranks(ranks, data, len(names))
        if save:
            _check_inside(save, places)
            spare(places, files_read(data), 'give another folder with --save')
        seek(data, mine.start)

    def until_asked() -> Iterator[str]:
        own = names[mine.start:mine.stop]
        for name in progress(own) if ranks.first else own:
            if asked():
                raise Interrupted(f'stopped while scoring iteration {iteration}')
            yield name
    start, labels = time.monotonic(), labels or (CrfOfData(net, crf) if crf else None)
    found = count(net.blobs, forward or net.run_forward, until_asked(), pairs, folders, labels,
                  observers).joined(ranks)
    scores = {score: Scores(hist, class_names_of(data, len(hist)))
              for score, hist in found.hists.items()}
    lossless = not any(any(node.layer.loss_weights) for node in net.nodes)
    return Evaluation(iteration, scores, found.images, float('nan') if lossless else found.loss,
                      time.monotonic() - start)


def _check_ranks(ranks: Alone, data: object, images: int) -> None:
    """Raise ValueError where several ranks cannot share the images."""
    check_share(ranks.size, images, 'the images to score')
    if ranks.size > 1 and not isinstance(data, SegDataLayer | ImageListLayer):
        raise ValueError(f'{type(data).__name__} cannot be told which image to read next, so that '
                         f'{ranks.size} ranks cannot share its images; score in one process')


def _check_inside(save: Path, places: Iterable[Path]) -> None:
    """Raise ValueError where a name, of a list or of a blob, leads out of a folder to write to."""
    inside = os.path.abspath(save)
    for place in places:
        if os.path.commonpath((inside, os.path.abspath(place))) != inside:
            raise ValueError(f'a prediction would go to {place}, out of {save}: mend the list of '
                             'the split, or score without --save')


def _names(pairs: Heads, data: Any, images: int | None) -> list[str]:
    """Return the names of the images to score; ValueError for a net that cannot be scored."""
    if not pairs:
        raise ValueError('the net has no SoftmaxWithLoss or SegAccuracy layer that names a score '
                         'and a label; '
                         'score the net with data (train, val, test), not deploy')
    if data is None:
        if images is None:
            raise ValueError('the data layer does not say how many images it has; give --limit')
        return [f'{i:06d}' for i in range(images)]
    if isinstance(data, ImageListLayer):
        if data.batch > 1:
            raise ValueError(f'image_data_param: batch_size is {data.batch}, but images are scored '
                             'one by one; score the net of the test split, or set batch_size: 1')
    elif isinstance(data, SegDataLayer) and data.batch > 1:
        raise ValueError(f'{data.where()}: gives {data.batch} images a pass, but images are scored '
                         'one by one; score the net of the test split, or take batch out of '
                         'param_str')
    return names_of(data)[:images]


def score(model: Net | NetParameter | str | Path, weights: Weights | None = None,
          images: int | None = None, device: torch.device | str = 'cpu') -> Evaluation:
    """Score a net with data and labels on its split: port.score('val.prototxt', 'w.caffemodel').

    model: a Net, or what one is made of. images: only the first so many. The result's `main` are
    the scores of the first head (mean_iu, pixel_acc, …; text() is the table), `images` the mean IU
    of every image. Raises ValueError, FileNotFoundError saying what cannot be scored.
    """
    net = model if isinstance(model, Net) else Net(model, TEST, device=device)
    if weights is not None:
        load(net, weights)
    return evaluate(net, images)
