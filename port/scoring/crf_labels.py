"""Labels of a net's scores after a dense CRF on the plain RGB picture, as DeepLab's own program.

The picture is had back from what the data layer made of it: colours turned round, mean added.
"""

import numpy as np
import torch

from port.crf import refine
from port.crf.crf_weights import ITERATIONS, CrfWeights
from port.engine.net import Net
from port.engine.wiring import Node
from port.scoring.metrics import largest

LEAST = np.finfo(np.float32).tiny       # what a probability of 0 counts as in a logarithm


def crf_probabilities(net: Net, blob: str, scores: np.ndarray, rgb: np.ndarray, crf: CrfWeights,
                      threads: int | None = None) -> np.ndarray:
    """Return probabilities, C x H x W, of the scores of a net's blob and an RGB picture.

    Scores that a Softmax layer made are probabilities: their logarithms are the scores.
    Raises ValueError where the sizes differ, and MemoryError.
    """
    if probable(net, blob):
        scores = np.log(np.maximum(scores, LEAST))
    return refine(scores, rgb, crf.terms(), ITERATIONS, threads=threads or torch.get_num_threads())


def crf_labels(net: Net, blob: str, scores: np.ndarray, rgb: np.ndarray, crf: CrfWeights,
               threads: int | None = None) -> np.ndarray:
    """Return labels, H x W, of `crf_probabilities`."""
    return crf_probabilities(net, blob, scores, rgb, crf, threads).argmax(0)


def probable(net: Net, blob: str) -> bool:
    """Whether a blob holds probabilities: a Softmax layer makes it."""
    return next((node.layer.type for node in reversed(net.nodes)
                 if any(top.name == blob for top in node.top)), '') == 'Softmax'


class CrfOfData:
    """Labels of a net with a data layer, each of the picture that the data layer gave last."""

    def __init__(self, net: Net, crf: CrfWeights | None = None) -> None:
        self.net, self.crf = net, crf
        self.node, self.mean, self.scale = data_node(net)

    def picture(self) -> np.ndarray:
        """Return the plain picture, H x W x 3 uint8 RGB; of its real size where a third top of
        the data layer says it.
        """
        planes = self.node.top[0].data[0].double().cpu().numpy() / self.scale + self.mean
        rgb = np.rint(planes[::-1]).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
        if len(self.node.top) == 3 and self.node.top[2].shape[1:] == (1, 1, 2):    # data_dim
            height, width = self.node.top[2].data[0].reshape(-1).long().tolist()
            rgb = rgb[:height, :width]
        return rgb

    def scores(self, blob: str, rgb: np.ndarray) -> np.ndarray:
        """Return the scores of the last pass; where the picture was padded, without the padding."""
        data, found = self.node.top[0].shape, self.net.blobs[blob].data[0]
        whole = found.shape[-2:] == data[-2:]
        return (found[:, :rgb.shape[0], :rgb.shape[1]] if whole else found).cpu().numpy()

    def __call__(self, blob: str) -> np.ndarray:
        """Return the labels of the last pass by the scores of a blob, H x W."""
        labels = largest(self.net.blobs[blob].data[0])
        if self.crf is None:
            return labels
        rgb = self.picture()
        real = crf_labels(self.net, blob, self.scores(blob, rgb), rgb, self.crf)
        labels[:real.shape[0], :real.shape[1]] = real
        return labels


def data_node(net: Net) -> tuple[Node, np.ndarray, float]:
    """Return the node whose first top is the picture, the mean that was taken off, 3 x 1 x 1 or
    of the picture's size, and the factor. Raises ValueError where there is none.
    """
    for node in net.nodes:
        if node.bottom or not node.top or node.top[0].shape[1:2] != (3,):
            continue
        transformer = getattr(node.layer, 'transformer', None)
        mean = getattr(getattr(node.layer, 'instance', None), 'mean', None)
        if transformer is not None:
            off = np.zeros((3, 1, 1)) if transformer.mean is None else transformer.mean
            return node, off.astype(float), transformer.param.scale
        if mean is not None and np.size(mean) == 3:
            return node, np.reshape(mean, (3, 1, 1)).astype(float), 1.0
    raise ValueError('--crf needs the plain picture, and no data layer of the net gives three '
                     'colours and says which mean it takes off them')
