"""Runs of tiny nets, and whether their weights are the same."""

from pathlib import Path

import numpy as np
import torch

from port.reproduce.recipe import Settings
from port.reproduce.reproduction import reproduce
from surgery import read_caffemodel

CPU = torch.device('cpu')


def settings(data: Path, name: str = 'voc-fcn16s', **more: object) -> Settings:
    return Settings(name, str(data), **{'width': 0.02, 'block': 4, 'blocks': 2, 'images': 3,
                                        'options': {'base_lr': 1e-8}, **more})


def run(data: Path, out: Path, name: str = 'voc-fcn16s', **more: object) -> dict:
    return reproduce(settings(data, name, **more), out, CPU, lambda line: None,
                     another_length=True)


def arrays(path: Path) -> dict[str, list[np.ndarray]]:
    return {layer: [np.array(a) for a in blobs] for layer, blobs in read_caffemodel(path).items()}


def same(a: Path, b: Path) -> bool:
    """Whether two caffemodels hold the same bits."""
    mine, theirs = arrays(a), arrays(b)
    return mine.keys() == theirs.keys() and all(
        np.array_equal(x, y) for k in mine for x, y in zip(mine[k], theirs[k], strict=True))
