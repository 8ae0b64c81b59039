"""The main job in small: draw a dataset, generate narrow VOC nets, train 32s, 16s and 8s in stages
with the heavy schedule (momentum 0.99, summed loss), score, picture, export, compare.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import surgery
from netspec.generate import write_variant
from netspec.known_weights import kept_file
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.data.label_pictures import (
    color_seg,
    make_palette,
    read_losses,
    sheet,
    write_beside,
    write_loss_curve,
    write_picture,
)
from port.data.legend import over_legend
from port.data.readers import read_index
from port.data.scenes import draw_dataset
from port.data.voc import CLASSES
from port.engine.net import Net, Weights
from port.engine.starting_weights import prepare
from port.export.onnx_file import Agreement, compare, export, holds
from port.predict.labelled import Predictor
from port.scoring.evaluate import evaluate
from port.scoring.metrics import Scores
from port.training import glog
from port.training.job import run
from port.training.solver import Solver


@dataclass(frozen=True)
class DemoStage:
    """One net of the chain and how long it trains."""

    name: str
    base_lr: float
    iterations: int


@dataclass(frozen=True)
class DemoPlan:
    """What the demo does; the numbers fit two CPU cores and a few minutes."""

    stages: tuple[DemoStage, ...]
    width: float = 0.125
    train: int = 240
    val: int = 30
    size: tuple[int, int] = (160, 224)
    clip_gradients: float = 2e5
    seed: int = 1337
    floor: float = 0.60       # the mean IU that FCN-8s must reach
    pictures: int = 6
    start: str = ''           # the net whose weights, which come along, the first stage starts from
    solver: Mapping[str, Any] = field(default_factory=dict)    # further fields


PLAN = DemoPlan((DemoStage('voc-fcn32s', 1e-8, 900), DemoStage('voc-fcn16s', 1e-8, 400),
             DemoStage('voc-fcn8s', 1e-8, 400)))
# In a minute: SqueezeNet's nets, from the weights that come along, by Adam as those were trained.
QUICK = DemoPlan((DemoStage('voc-fcn16s-squeezenet', 3e-4, 70),
              DemoStage('voc-fcn8s-squeezenet', 1e-4, 35),
              DemoStage('voc-fcn4s-squeezenet', 1e-4, 35)), width=1.0, train=120, val=20,
             clip_gradients=-1, floor=0.40, start='camvid-fcn16s-squeezenet',
             solver={'type': 'Adam', 'momentum': 0.9, 'momentum2': 0.999})


@dataclass
class Result:
    """What one stage came to."""

    stage: DemoStage
    folder: Path
    weights: str
    scores: Scores
    seconds: float


def make_nets(plan: DemoPlan, out: Path) -> dict[str, Path]:
    """Draw the data and write the nets and solvers; return each net's folder."""
    data = draw_dataset(out / 'data', plan.train, plan.val, plan.size, plan.seed).resolve()
    roots = {'sbdd_dir': str(data / 'sbdd' / 'dataset'), 'voc_dir': str(data / 'pascal/VOC2011')}
    folders = {}
    for stage in plan.stages:
        folders[stage.name] = out / stage.name
        options = dict(base_lr=stage.base_lr, lr_policy='poly', power=0.9,
                       clip_gradients=plan.clip_gradients, max_iter=stage.iterations,
                       snapshot=None, snapshot_prefix='snapshot/train', test_iter=plan.val,
                       random_seed=plan.seed) | dict(plan.solver)
        write_variant(stage.name, folders[stage.name], solver_options=options, width=plan.width,
                      data_root=roots)
    return folders


def train_stage(stage: DemoStage, folder: Path, weights: Weights | None, hidden: bool) -> str:
    """Train one net from the coarser one's weights; return the path of its own."""
    solver = Solver(folder / 'solver.prototxt', finite=True)
    handler = glog.to_file(Path(f'{solver.prefix}.log'))
    try:
        if weights:
            solver.net.copy_from(weights)
        prepare(solver.net)
        run(solver, hidden, hidden, stage.name)
    finally:
        glog.stop(handler)
    return solver.weights_path


def first_weights(plan: DemoPlan) -> Weights | None:
    """Return what the first stage starts from: the weights that come along, but for the scores of
    other classes; None for fillers.
    """
    if not plan.start:
        return None
    kept = kept_file(plan.start)
    if kept is None:
        raise FileNotFoundError(f'the weights of {plan.start} are not here: this installation '
                                'lacks weights/; leave --quick out')
    return {name: blobs for name, blobs in surgery.read_weights(kept).items()
            if 'score' not in name}


def run_stages(plan: DemoPlan, folders: dict[str, Path], say: Callable[[str], None],
               hidden: bool) -> list[Result]:
    """Train and score every stage, each from the one before."""
    results: list[Result] = []
    how = plan.solver.get('type', 'momentum 0.99')
    for stage in plan.stages:
        start = time.monotonic()
        say(f'training {stage.name}: {stage.iterations} iterations, {how}, summed loss')
        before = results[-1].weights if results else first_weights(plan)
        weights = train_stage(stage, folders[stage.name], before, hidden)
        seconds = time.monotonic() - start
        net = Net(folders[stage.name] / 'val.prototxt', TEST, weights=weights)
        results.append(Result(stage, folders[stage.name], weights, evaluate(net).main, seconds))
        say(f'{stage.name}: mean IU {100 * results[-1].scores.mean_iu:.1f}')
    return results


def predictions(results: list[Result], names: list[str], truths: list[np.ndarray],
                voc: Path) -> list[list]:
    """Return a row a picture: image, truth, and each stage's labels in colours."""
    palette = make_palette(256)
    predictors = [Predictor(Net(r.folder / 'deploy.prototxt', TEST, weights=r.weights),
                            VARIANTS[r.stage.name].mean) for r in results]
    rows = []
    for name, truth in zip(names, truths, strict=True):
        labels, image = [], None
        for predictor in predictors:
            image, predicted = predictor.file(voc / 'JPEGImages' / f'{name}.jpg')
            labels.append(predicted)
        rows.append([image, color_seg(truth, palette), *(color_seg(p, palette) for p in labels)])
    return rows


def draw_results(plan: DemoPlan, results: list[Result], out: Path) -> tuple[Path, Path]:
    """Write the sheet of predictions over a legend, and the loss curve; return their paths."""
    voc = out / 'data' / 'pascal' / 'VOC2011'
    names = (voc / 'ImageSets/Segmentation/seg11valid.txt').read_text().split()[:plan.pictures]
    titles = ['image', 'truth', *(r.stage.name.replace('voc-fcn', 'FCN-') for r in results)]
    truths = [read_index(voc / 'SegmentationClass' / f'{name}.png') for name in names]
    drawn = sheet(predictions(results, names, truths, voc), titles)
    curve = out / 'loss.png'
    path = write_picture(out / 'sheet.png', over_legend(drawn, np.stack(truths), CLASSES,
                                                        make_palette(256)))
    write_loss_curve(curve, {r.stage.name: read_losses(r.folder / 'snapshot' / 'train.log')
                             for r in results})
    return path, curve


def export_last(plan: DemoPlan, results: list[Result], out: Path) -> tuple[Path, Agreement]:
    """Export the finest net as ONNX; return the file and how ONNX Runtime agrees with us."""
    last = results[-1]
    net = Net(last.folder / 'deploy.prototxt', TEST, weights=last.weights)
    path = export(net, out / f'{last.stage.name}.onnx', last.stage.name)
    row = compare(net, path, [plan.size])[0]
    if not holds([row]):
        raise ArithmeticError(f'{path}: ONNX Runtime and ours differ: {row}')
    return path, row


def table(results: list[Result]) -> str:
    """Return the closing table: a row a stage, the four metrics in percent."""
    wide = max(len(r.stage.name) for r in results)
    lines = [f'{"net":<{wide}} {"iterations":>10} {"seconds":>8} {"pixel acc":>10} {"mean acc":>9} '
             f'{"mean IU":>8} {"f.w. IU":>8}']
    for r in results:
        four = ' '.join(f'{100 * v:>{w}.1f}' for v, w in
                        zip(r.scores.metrics.values(), (10, 9, 8, 8), strict=True))
        lines.append(f'{r.stage.name:<{wide}} {r.stage.iterations:>10} {r.seconds:>8.0f} {four}')
    return '\n'.join(lines)


def check(plan: DemoPlan, results: list[Result]) -> None:
    """Raise ArithmeticError where the finest net is not the best, or below the floor."""
    coarse, fine = results[0].scores.mean_iu, results[-1].scores.mean_iu
    if not fine > coarse:
        raise ArithmeticError(f'mean IU of {results[-1].stage.name} ({fine:.3f}) is not above '
                              f'that of {results[0].stage.name} ({coarse:.3f})')
    if fine < plan.floor:
        raise ArithmeticError(f'mean IU of {results[-1].stage.name} is {fine:.3f}; expected at '
                              f'least {plan.floor:.2f}')


def write_figures(results: list[Result], path: Path) -> None:
    """Write every stage's figures as JSON."""
    figures = {r.stage.name: r.scores.as_dict() | {'seconds': r.seconds} for r in results}
    write_beside(path, lambda p: p.write_text(json.dumps(figures, indent=2)))
