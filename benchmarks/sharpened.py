"""Claim: a dense CRF sharpens what a trained DeepLab net says, and raises its mean IU.

Draws scenes, trains deeplab-largefov on them at a narrow width and on small crops, finds the CRF's
weights on the first half of the validation scenes as `fcn crf search` does, and counts on the other
half, which nothing was chosen by. One thread takes some six minutes.
    python benchmarks/sharpened.py [--width 0.125] [--iterations 700] [--scenes 80] [--size 161x209]
--picture FILE: also draw some scenes of that half, their truth, the net's labels, and those after
the CRF (docs/sharpened.png).
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from forward import machine

from netspec.experiments import Experiment
from netspec.generate import data_roots
from netspec.variants import VARIANTS
from port.crf.crf_weights import CrfWeights
from port.data.label_pictures import color_seg, make_palette, write_sheet
from port.data.scenes import draw_dataset
from port.engine.net import Net
from port.engine.starting_weights import prepare
from port.scoring.crf_labels import CrfOfData, crf_labels
from port.scoring.crf_search import CrfSearch, net_pictures
from port.scoring.evaluate import heads
from port.scoring.metrics import Scores, fast_hist
from port.training.solver import Solver

ROW, CLASSES, BATCH = 'deeplab-largefov', 21, 4
GRID: dict[str, tuple[float, ...]] = {'bi_w': (3, 5, 8), 'bi_xy': (10, 30, 50),
                                      'bi_rgb': (5, 10, 15)}
SHOWN = 3                                       # scenes in the picture
Seen = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]    # scene, truth, net's labels, CRF's


def train(args: argparse.Namespace, folder: Path) -> Net:
    """Return the trained net with the validation scenes."""
    size = tuple(int(v) for v in args.size.split('x'))
    data = draw_dataset(folder / 'data', args.scenes, max(2, args.scenes // 4), size)
    crop = min(129, (min(size) - 1) // 8 * 8 + 1)
    row = replace(VARIANTS[ROW], batch=BATCH, crops=(crop, max(size)))
    options = dict(base_lr=1e-3, lr_policy='poly', power=0.9, max_iter=args.iterations,
                   snapshot=None, snapshot_prefix=str(folder / 's'), test_iter=1, display=0,
                   random_seed=1)
    texts = Experiment(ROW, row).contents(folder, options, width=args.width,
                                          data_root=data_roots(row, data))
    for path, text in texts.items():
        path.write_text(text)
    solver = Solver(folder / 'solver.prototxt', finite=True)
    prepare(solver.net)
    solver.step(args.iterations)
    net = solver.test_nets[0]
    net.share_from(solver.net)
    return net


def searched(net: Net, images: int, folder: Path) -> CrfWeights:
    """Return the CRF's weights that are best on the first images."""
    (score, label), = heads(net)
    search = CrfSearch(folder / 'search.json', {}, GRID, rounds=2)
    return search.run(net_pictures(net, score, label), images, CLASSES)[0]


def seen(net: Net, crf: CrfWeights, first: int, last: int) -> list[Seen]:
    """Return what the net and the CRF make of those images."""
    (score, label), = heads(net)
    reader, rows = CrfOfData(net), []
    for number, (labels, truth) in enumerate(net_pictures(net, score, label)(0)):
        if number == last:
            return rows
        if number >= first:
            rgb = reader.picture()
            scores = reader.scores(score, rgb)
            rows.append((rgb, truth.astype(int), labels(None),
                         crf_labels(net, score, scores, rgb, crf)))
    return rows


def scored(rows: list[Seen], which: int) -> dict[str, float]:
    """Return the figures of the net's labels (2) or the CRF's (3)."""
    found = Scores(sum(fast_hist(row[1], row[which], CLASSES) for row in rows))
    return {'mean IU': round(found.mean_iu, 4), 'pixel accuracy': round(found.pixel_acc, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=float, default=0.125)
    parser.add_argument('--iterations', type=int, default=700)
    parser.add_argument('--scenes', type=int, default=80, help='to train on; a quarter to score')
    parser.add_argument('--size', default='161x209')
    parser.add_argument('--picture', help='where to draw')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        net = train(args, Path(name))
        count = max(2, args.scenes // 4)
        crf = searched(net, count // 2, Path(name))
        rows = seen(net, crf, count // 2, count)
    plain, refined = scored(rows, 2), scored(rows, 3)
    if args.picture:
        palette = make_palette(256)
        write_sheet(args.picture, [[rgb, *(color_seg(v, palette) for v in labels)]
                                   for rgb, *labels in rows[:SHOWN]],
                    ['scene', 'truth', 'net', f'net and CRF {crf}'])
    print(json.dumps({'net': ROW, 'width': args.width, 'iterations': args.iterations,
                      'scored scenes': len(rows), 'crf': str(crf), 'net alone': plain,
                      'net and CRF': refined, 'machine': machine()}, indent=1))
    sys.exit(not refined['mean IU'] > plain['mean IU'])


if __name__ == '__main__':
    main()
