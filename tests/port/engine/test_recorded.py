"""Every recorded case, through pycaffe's face: what Caffe computed is what we compute, on the CPU
and on a GPU.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import port.pycaffe as caffe

GOLDEN = Path(__file__).resolve().parents[2] / 'golden'
LAYERS = sorted((GOLDEN / 'layers').glob('*.npz'))
SOLVERS = sorted(p for p in (GOLDEN / 'solvers').glob('*.npz') if p.stem != 'data')
# Two float32 implementations that sum in another order, of each array's own largest value.
LAYER_TOLERANCE, SOLVER_TOLERANCE = 2e-4, 1e-3


@pytest.fixture(params=['cpu', pytest.param('cuda', marks=pytest.mark.gpu)], autouse=True)
def device(request):
    """Compute here."""
    if request.param == 'cuda':
        caffe.set_mode_gpu()
    yield request.param
    caffe.set_mode_cpu()


def close(ours, theirs, what: str, tolerance: float) -> None:
    ours, theirs = np.asarray(ours, 'd'), np.asarray(theirs, 'd')
    assert ours.shape == theirs.shape, what
    if theirs.size:
        peak = np.abs(theirs).max()
        error = np.abs(ours - theirs).max()
        assert error <= tolerance * max(peak, 1e-6) + 2e-5 * min(1, peak), what


def keyed(record, kind: str) -> list[tuple[list[str], np.ndarray]]:
    return [(key.split(':')[1:], record[key]) for key in record.files
            if key.startswith(f'{kind}:')]


@pytest.mark.parametrize('path', LAYERS, ids=lambda p: p.stem)
def test_layer(path: Path) -> None:
    record = np.load(path)
    text = path.with_suffix('.prototxt').read_text()
    phase = caffe.TEST if 'phase: TEST' in text.split('layer')[0] else caffe.TRAIN
    net = caffe.Net(str(path.with_suffix('.prototxt')), phase)
    for (layer, i), value in keyed(record, 'param'):
        net.params[layer][int(i)].data[...] = value
    passes = sorted({key[1] for key, _ in keyed(record, 'in') if len(key) == 2}) or [None]
    for rep in passes:
        for key, value in keyed(record, 'in'):
            if rep is None or key[1] == rep:
                net.blobs[key[0]].data[...] = value
        net.forward()
    for (blob,), value in keyed(record, 'out'):
        close(net.blobs[blob].data, value, f'top {blob}', LAYER_TOLERANCE)
    for (layer, i), value in keyed(record, 'param_after'):
        close(net.params[layer][int(i)].data, value, f'{layer}[{i}]', LAYER_TOLERANCE)
    net.clear_param_diffs()
    for (blob,), value in keyed(record, 'topdiff'):
        net.blobs[blob].diff[...] = value
    if keyed(record, 'diff') or keyed(record, 'pdiff'):
        net.backward()
    for (blob,), value in keyed(record, 'diff'):
        close(net.blobs[blob].diff, value, f'diff of {blob}', LAYER_TOLERANCE)
    for (layer, i), value in keyed(record, 'pdiff'):
        close(net.params[layer][int(i)].diff, value, f'diff of {layer}[{i}]', LAYER_TOLERANCE)


@pytest.fixture
def solver_folder(monkeypatch) -> Path:
    """The folder of the solvers' cases, as the current one; its data layer can be imported."""
    folder = GOLDEN / 'solvers'
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(sys.modules, 'caffe', caffe)
    return folder


def hold(solver, record, kind: str, t: int) -> None:
    for (layer, i, step), value in keyed(record, kind):
        if int(step) == t:
            close(solver.net.params[layer][int(i)].data, value, f'{layer}[{i}] at {t}',
                  SOLVER_TOLERANCE)


@pytest.mark.parametrize('name', [p.stem for p in SOLVERS])
def test_solver(name: str, solver_folder: Path) -> None:
    record = np.load(f'{name}.npz')
    solver = caffe.get_solver(f'{name}.solver.prototxt')
    for (layer, i, step), value in keyed(record, 'param'):
        if step == '0':
            solver.net.params[layer][int(i)].data[...] = value
    for t, loss in enumerate(record['loss'], 1):
        solver.step(1)
        close(solver.net.blobs['loss'].data, loss, f'loss at {t}', SOLVER_TOLERANCE)
        hold(solver, record, 'param', t)


@pytest.mark.parametrize('name', [p.stem.removesuffix('_iter_5') for p in sorted(
    (GOLDEN / 'solvers').glob('*.solverstate'))])
def test_restored_from_caffe(name: str, solver_folder: Path) -> None:
    """Three steps after a snapshot that Caffe itself wrote; the data begins anew, as recorded."""
    record = np.load(f'{name}.npz')
    solver = caffe.get_solver(f'{name}.solver.prototxt')
    solver.restore(f'{name}_iter_5.solverstate')
    assert solver.iter == 5
    hold(solver, record, 'param', 5)
    for t in range(6, 9):
        solver.step(1)
        hold(solver, record, 'resumed', t)
