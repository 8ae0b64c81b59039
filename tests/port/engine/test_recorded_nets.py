"""Published nets at full width, and narrow ones in training, against what Caffe recorded of them.

The weights are not in the records: each blob is drawn from a seed made of its name, as the
recording did. `nets` needs 134 M parameters a net, `trajectories` CamVid's frames.
"""

import re
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import port.pycaffe as caffe

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / 'tests' / 'golden'
NETS = sorted(p.stem for p in (GOLDEN / 'nets').glob('*.npz'))
TRAJECTORIES = ('fcn32s_accumulated', 'fcn32s_heavy', 'fcn8s_atonce_heavy')
SCORES = {'label': 'score', 'sem': 'score_sem', 'geo': 'score_geo'}
# Of each array's own largest value: float32 through up to 40 layers, and 40 steps of momentum.
FORWARD, LOSS, WEIGHTS = 1e-3, 5e-4, 1e-3
# Units of the blank padding lie so near zero that the order of summing decides their ReLU. A
# net sums in Caffe's order on a CPU (port/engine/caffe_order.py); cuDNN has orders of its own.
GRADIENT = {'cpu': 5e-3, 'cuda': 1e-2}
BIASES = 0.1      # they start at zero and move by 1e-7, where noise of 1e-6 shifts them by 4 %

pytestmark = pytest.mark.slow


@pytest.fixture(params=['cpu', pytest.param('cuda', marks=pytest.mark.gpu)], autouse=True)
def device(request):
    """Compute here."""
    if request.param == 'cuda':
        caffe.set_mode_gpu()
    yield request.param
    caffe.set_mode_cpu()


def drawn(what: str) -> np.random.RandomState:
    """The generator that the recording used for a blob: seeded with the CRC-32 of its name."""
    return np.random.RandomState(zlib.crc32(what.encode()))


def close(ours, theirs, tolerance: float, what: str) -> None:
    ours, theirs = np.asarray(ours, 'd'), np.asarray(theirs, 'd')
    assert ours.shape == theirs.shape, what
    peak = np.abs(theirs).max()
    assert np.abs(ours - theirs).max() <= tolerance * max(peak, 1e-6) + 2e-5 * min(1, peak), what


def bilinear(size: int) -> np.ndarray:
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = 1 - np.abs(np.arange(size) - centre) / factor
    return np.outer(line, line)


def draw_weights(net, scores: float, biases: float) -> None:
    """He et al.'s deviations; bilinear upsampling; score layers times `scores`; Scale as it is."""
    types = dict(zip(net._layer_names, [layer.type for layer in net.layers], strict=True))
    for name, blobs in net.params.items():
        if types[name] == 'Deconvolution':
            weight = blobs[0].data
            weight[...] = 0
            weight[range(len(weight)), range(len(weight))] = bilinear(weight.shape[-1])
        elif types[name] != 'Scale':
            for i, blob in enumerate(blobs):
                values = drawn(f'{name}:{i}').standard_normal(blob.data.shape).astype('f')
                factor = biases if i else np.sqrt(2 / np.prod(blob.data.shape[1:])) * (
                    scores if name.startswith('score') else 1)
                blob.data[...] = values * np.float32(factor)


def without_data_layer(name: str, record, folder: Path) -> Path:
    """Write a row's training net with Input layers in the place of its data layer."""
    path = next(p for p in (ROOT / 'prototxt' / name).glob('train*.prototxt'))
    first, *layers = re.split(r'^(?=layer \{)', path.read_text(), flags=re.M)[1:]
    tops = re.findall(r'top: "(\w+)"', first)
    inputs = [f'layer {{ name: "{top}" type: "Input" top: "{top}" input_param {{ shape {{ '
              f'{" ".join(f"dim: {d}" for d in record[f"shape:{top}"])} }} }} }}\n' for top in tops]
    (folder / 'net.prototxt').write_text(''.join(inputs + layers))
    return folder / 'net.prototxt'


def feed(net, record) -> None:
    """Draw the inputs: images within 130 of zero; labels of every class, the top row ignored."""
    for blob in net.inputs:
        shape, random = tuple(record[f'shape:{blob}']), drawn(f'in:{blob}')
        if blob in SCORES:
            array = random.randint(0, int(record[f'shape:{SCORES[blob]}'][1]), shape).astype('f')
            array[:, :, 0] = 255
        else:
            array = random.uniform(-120, 130, shape).astype('f')
        net.blobs[blob].data[...] = array


def keyed(record, kind: str) -> list[tuple[list[str], np.ndarray]]:
    return [(key.split(':')[1:], record[key]) for key in record.files
            if key.startswith(f'{kind}:')]


@pytest.mark.parametrize('name', NETS)
def test_net_at_full_width(name: str, device: str, tmp_path: Path) -> None:
    record = np.load(GOLDEN / 'nets' / f'{name}.npz')
    net = caffe.Net(str(without_data_layer(name, record, tmp_path)), caffe.TEST)
    draw_weights(net, scores=1, biases=0.1)
    feed(net, record)
    net.forward()
    for (blob,), shape in keyed(record, 'shape'):
        assert tuple(net.blobs[blob].data.shape) == tuple(shape), blob
    for (blob,), value in keyed(record, 'out'):
        close(net.blobs[blob].data[:, :, ::5, ::7], value, FORWARD, blob)
    for (blob,), value in keyed(record, 'loss'):
        close(net.blobs[blob].data, value, FORWARD, blob)
    for (blob,), labels in keyed(record, 'argmax'):
        assert (net.blobs[blob].data[0].argmax(0) == labels).mean() > 0.999
    net.backward()
    for (layer, i), value in keyed(record, 'gpick'):
        gradient = net.params[layer][int(i)].diff
        places = drawn(f'pick:{layer}:{i}').randint(0, gradient.size, 32)
        peak = record[f'gstat:{layer}:{i}'][1]
        off = np.abs(gradient.ravel()[places] - value).max()
        assert off <= GRADIENT[device] * peak + 1e-12, f'gradient of {layer}[{i}]'


@pytest.mark.data
@pytest.mark.parametrize('name', TRAJECTORIES)
def test_trajectory(name: str, shared: Path, monkeypatch) -> None:
    """Losses of 20 or 40 iterations on 12 frames of CamVid, and the weights at the end."""
    folder = shared / 'oracle' / 'trajectories'
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder.parent / 'solvers'))
    monkeypatch.delitem(sys.modules, 'array_data', raising=False)
    monkeypatch.setitem(sys.modules, 'caffe', caffe)
    record = np.load(f'{name}.npz')
    solver = caffe.get_solver(f'{name}.solver.prototxt')
    draw_weights(solver.net, scores=0.01, biases=0)
    for t, loss in enumerate(record['loss'], 1):
        solver.step(1)
        close(float(solver.net.blobs['loss'].data), loss, LOSS, f'loss at {t}')
    for (layer, i), value in keyed(record, 'pick'):
        weights = solver.net.params[layer][int(i)].data
        places = drawn(f'pick:{layer}:{i}').randint(0, weights.size, 64)
        off = np.abs(weights.ravel()[places] - value).max()
        assert off <= (BIASES if i == '1' else WEIGHTS) * np.abs(value).max(), f'{layer}[{i}]'
