"""A training folder of 2016, in Python 2 and pycaffe, run by `fcn run --py2` without an edit.

The public scripts themselves are not kept here. Where they lie on this machine, name their
folders: FCN_PUBLISHED (the published FCN repository), PYCAFFE_TESTS (BVLC's python/caffe/test).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

LAYERS = '''
import caffe
import numpy as np

class StripesLayer(caffe.Layer):
    """Pictures of two colours, one a class; sizes change from picture to picture."""
    def setup(self, bottom, top):
        if len(top) <> 2:
            raise Exception, "two tops are needed"
        self.sizes = range(12, int(self.param_str), 4)
        self.idx = 0

    def reshape(self, bottom, top):
        size = self.sizes[self.idx % len(self.sizes)]
        self.label = np.zeros((1, size, size), dtype=np.int)
        self.label[:, :, size / 2:] = 1
        self.data = np.concatenate([self.label, 1 - self.label]) * 10.
        top[0].reshape(1, *self.data.shape)
        top[1].reshape(1, *self.label.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.data
        top[1].data[...] = self.label
        self.idx += 1

    def backward(self, top, propagate_down, bottom):
        pass
'''

SURGERY = '''
def fill(net, layers):
    for l in layers:
        print 'filling', l,
        m, k, h, w = net.params[l][0].data.shape
        net.params[l][0].data[range(m), range(k), :, :] = 1. / 4
    print
'''

NET = '''
import caffe
from caffe import layers as L, params as P
from caffe.coord_map import crop

def make(split):
    n = caffe.NetSpec()
    n.data, n.label = L.Python(module='stripes_layers', layer='StripesLayer', ntop=2,
                               param_str='%d' % 20L)
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, pad=8,
                           weight_filler=dict(type='xavier'),
                           param=[dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)])
    n.relu = L.ReLU(n.conv, in_place=True)
    n.pool = L.Pooling(n.relu, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.score_fr = L.Convolution(n.pool, num_output=2, kernel_size=1)
    n.upscore = L.Deconvolution(n.score_fr, param=[dict(lr_mult=0)],
        convolution_param=dict(num_output=2, kernel_size=4, stride=2, bias_term=False))
    n.score = crop(n.upscore, n.data)
    n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_param=dict(normalize=False))
    return n.to_proto()

if __name__ == '__main__':
    for split in ('train', 'val'):
        with open(split + '.prototxt', 'w') as f:
            print >>f, make(split)
'''

SOLVE = '''
import caffe
import surgery
import numpy as np
import sys

caffe.set_device(int(sys.argv[1]))
caffe.set_mode_gpu()
caffe.set_random_seed(3)

solver = caffe.SGDSolver('solver.prototxt')
surgery.fill(solver.net, [k for k in solver.net.params.keys() if 'up' in k])
solver.net.save('init.caffemodel')
solver.net.copy_from('init.caffemodel')

for _ in xrange(2):
    solver.step(60)
    net = solver.test_nets[0]
    net.share_with(solver.net)
    hits = 0
    for i in range(4):
        net.forward()
        guess = net.blobs['score'].data[0].argmax(0)
        hits += (guess == net.blobs['label'].data[0, 0]).mean()
    print '>>> iteration', solver.iter, 'of', net.blobs['score'].channels, 'classes:', hits / 4
print 'percent', 100 * int(hits) / 4, net.params.keys()[0], net.params.has_key('conv')
'''

SOLVER = '''
train_net: "train.prototxt" test_net: "val.prototxt" test_iter: 1 test_interval: 999999
test_initialization: false base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 display: 20
average_loss: 5 max_iter: 1000 snapshot_prefix: "train"
'''


def run(folder: Path, *args: str, **extra: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **extra}
    environment['PYTHONPATH'] = os.pathsep.join([str(folder.parent), str(ROOT)])
    return subprocess.run([sys.executable, '-m', 'port.cli', 'run', '--py2', '--cpu', *args],
                          cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=600)


def test_a_folder_of_2016_trains(tmp_path) -> None:
    folder = tmp_path / 'stripes-fcn2s'
    folder.mkdir()
    for name, text in (('../stripes_layers.py', LAYERS), ('../surgery.py', SURGERY),
                       ('net.py', NET), ('solve.py', SOLVE), ('solver.prototxt', SOLVER)):
        (folder / name).write_text(text)
    made = run(folder, 'net.py')
    assert made.returncode == 0, made.stderr
    assert (folder / 'val.prototxt').read_text().count('offset: ') == 1
    done = run(folder, 'solve.py', '0')
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == 'filling upscore '
    assert [line.split(':')[0] for line in lines[1:3]] == [
        f'>>> iteration {n} of 2 classes' for n in (60, 120)]
    assert float(lines[2].split()[-1]) > 0.9
    assert lines[3].endswith(' conv True')
    assert re.search(r'solver.cpp:\d+\] Iteration 100 \(', done.stderr)


def published() -> list[str]:
    folder = Path(os.environ.get('FCN_PUBLISHED', '/nowhere'))
    return sorted(p.parent.name for p in folder.glob('*/net.py'))


@pytest.mark.slow
@pytest.mark.parametrize('name', published() or [None])
def test_published_generators_write_the_published_nets(tmp_path, name) -> None:
    if name is None:
        pytest.skip('FCN_PUBLISHED names no folder of the published repository')
    source = Path(os.environ['FCN_PUBLISHED']) / name
    folder = Path(shutil.copytree(source, tmp_path / name))
    nets = [p for p in folder.glob('*.prototxt') if p.stem not in ('solver', 'deploy')]
    for path in nets:
        path.unlink()
    assert run(folder, 'net.py').returncode == 0
    for path in nets:
        assert path.read_bytes() == (source / path.name).read_bytes()


@pytest.mark.slow
def test_pycaffes_own_tests(tmp_path) -> None:
    if 'PYCAFFE_TESTS' not in os.environ:
        pytest.skip('PYCAFFE_TESTS does not name the folder python/caffe/test of BVLC/caffe')
    pytest.importorskip('six', reason='pycaffe\'s tests import six')
    (tmp_path / 'all.py').write_text(
        'import sys, unittest\nsys.path.insert(0, sys.argv.pop(1))\n'
        "suite = unittest.defaultTestLoader.discover(sys.path[0], 'test_*.py')\n"
        'sys.exit(not unittest.TextTestRunner().run(suite).wasSuccessful())\n')
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    environment = {**os.environ, 'PYTHONPATH': path, 'GLOG_minloglevel': '3'}
    done = subprocess.run([sys.executable, '-m', 'port.cli', 'run', 'all.py',
                           os.environ['PYCAFFE_TESTS']], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
