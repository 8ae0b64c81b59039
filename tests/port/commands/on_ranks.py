"""A small training for the tests of ranks: net and solver, its weights, how far two lie apart."""

from pathlib import Path

import numpy as np

import surgery
from netspec.schema import parse_solver, print_solver
from port.training.solver import Solver

MOVED = 0.01      # of the way that each parameter moved: float32 sums in another order, 50 steps on
RUN = 50
LAYERS = '''
layer { name: "data" type: "Python" top: "data" top: "label" python_param {
    module: "voc_layers" layer: "SBDDSegDataLayer" param_str: "{'sbdd_dir': '%s', \
'split': 'train', 'seed': 5, 'mean': (104.007, 116.669, 122.679)}" } }
layer { name: "one" type: "Convolution" bottom: "data" top: "one" convolution_param {
    num_output: 8 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "one" top: "one" }
layer { name: "fixed" type: "Convolution" bottom: "one" top: "fixed" param { lr_mult: 0 }
        param { lr_mult: 0 } convolution_param {
    num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
%s
layer { name: "score" type: "Convolution" bottom: "fixed" top: "score" param { lr_mult: 1 }
        param { lr_mult: 2 } convolution_param {
    num_output: 21 kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "up" type: "Deconvolution" bottom: "score" top: "up" param { lr_mult: 0 }
        convolution_param { num_output: 21 kernel_size: 2 stride: 2 bias_term: false group: 21
        weight_filler { type: "bilinear" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "up" bottom: "label" top: "loss"
        loss_param { ignore_label: 255 } }
'''
DROPOUT = 'layer { name: "drop" type: "Dropout" bottom: "fixed" top: "fixed" }'
NORM = 'layer { name: "norm" type: "BatchNorm" bottom: "fixed" top: "fixed" }'
SOLVER = '''net: "net.prototxt" base_lr: 1e-4 lr_policy: "step" stepsize: 20 gamma: 0.5
momentum: 0.9 weight_decay: 0.01 max_iter: %d random_seed: 3 snapshot_prefix: "%s" display: 5 '''


def write(folder: Path, sbdd: str, steps: int = RUN, more: str = '', between: str = '') -> Path:
    """Write net and solver into a new folder; return the solver file."""
    folder.mkdir()
    (folder / 'net.prototxt').write_text(LAYERS % (sbdd, between))
    settings = parse_solver(SOLVER % (steps, folder / 's'))
    settings.MergeFrom(parse_solver(more))
    (folder / 'solver.prototxt').write_text(print_solver(settings))
    return folder / 'solver.prototxt'


def weights(solver: Path, iteration: int = RUN) -> dict[tuple[str, int], np.ndarray]:
    held = surgery.read_weights(solver.parent / f's_iter_{iteration}.caffemodel')
    return {(layer, i): np.array(blob) for layer, blobs in held.items()
            for i, blob in enumerate(blobs)}


def beginning(solver: Path) -> dict[tuple[str, int], np.ndarray]:
    """The weights that a solver begins with."""
    net = Solver(solver).net
    return {(layer, i): blob.data.numpy().copy() for layer, blobs in net.params.items()
            for i, blob in enumerate(blobs)}


def apart(one: dict, other: dict, start: dict) -> dict[tuple[str, int], float]:
    """How far two trainings lie apart, as a share of the way that each parameter moved."""
    norm = np.linalg.norm
    return {key: float(norm(one[key] - other[key]) / norm(other[key] - start[key]))
            for key in start if not np.array_equal(other[key], start[key])}


def hold(one: dict, other: dict, start: dict) -> None:
    found = apart(one, other, start)
    assert {layer for layer, _ in found} == {'one', 'score'}, 'these move, the fixed ones do not'
    assert max(found.values()) < MOVED, found


def trained(torchrun, ranks: int, solver: Path, *more: object) -> list:
    ended = torchrun.fcn(ranks, 'train', '--solver', solver, *more)
    assert [one.status for one in ended] == [0] * ranks, [one.err for one in ended]
    return ended
