"""Claim: with VOC-sized JPEGs and SBDD's .mat labels the loader feeds over 60 pairs a second.

Draws such files, then runs SBDDSegDataLayer alone: without reading ahead, and with it.
    python benchmarks/loading.py [--pairs 300]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse
from PIL import Image

from port.blob import Blob
from port.data.scenes import draw_scene
from port.data.voc import MEAN, SBDDSegDataLayer

FILES, SIZE = 40, (375, 500)


def write_files(root: Path) -> None:
    """Write FILES pairs as SBDD stores them, the sparse boundaries of 20 classes included."""
    rng = np.random.default_rng(0)
    for folder in ('img', 'cls'):
        (root / folder).mkdir()
    for i in range(FILES):
        pixels, labels = draw_scene(SIZE, rng)
        Image.fromarray(pixels).save(root / 'img' / f'{i}.jpg', quality=92)
        edges = np.empty((20, 1), object)
        for k in range(20):
            edges[k, 0] = scipy.sparse.csc_matrix((labels == k + 1) & (np.roll(labels, 1) != k + 1))
        struct = {'Boundaries': edges, 'Segmentation': labels,
                  'CategoriesPresent': np.unique(labels)[:, None]}
        scipy.io.savemat(root / 'cls' / f'{i}.mat', {'GTcls': struct}, do_compression=True)
    (root / 'train.txt').write_text(''.join(f'{i}\n' for i in range(FILES)))


def rate(root: Path, prefetch: int, pairs: int) -> float:
    """Time the layer's reshape and forward; pairs a second."""
    layer = SBDDSegDataLayer()
    layer.param_str = repr({'sbdd_dir': str(root), 'split': 'train', 'seed': 1337,
                            'mean': MEAN, 'prefetch': prefetch})
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    start = time.perf_counter()
    for _ in range(pairs):
        layer.reshape([], top)
        layer.forward([], top)
    return pairs / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pairs', type=int, default=300)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        for prefetch in (0, 4):
            print(f'read ahead {prefetch}: {rate(Path(folder), prefetch, pairs):.0f} pairs/s '
                  f'of {SIZE[1]}x{SIZE[0]}')


if __name__ == '__main__':
    main()
