"""Python: pycaffe's own layers of test_python_layer*.py, a loss, state, and what is refused."""

import sys

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN
from port.engine.net import Net

USER = '''
import numpy as np
import caffe

class TimesTen(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str or 10)
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data
    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.factor * top[0].diff

class Raises(caffe.Layer):
    def setup(self, bottom, top):
        raise RuntimeError('of my own')

class Bias(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.add_blob(bottom[0].channels, 1)
        self.blobs[0].data[:, 0] = 2
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + self.blobs[0].data[:, 0]
    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[:, 0] += top[0].diff.sum(0)

class Phase(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top):
        top[0].reshape()
    def forward(self, bottom, top):
        top[0].data[()] = self.phase

class HalfSquare(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception('Need two inputs to compute distance.')
    def reshape(self, bottom, top):
        self.difference = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)
    def forward(self, bottom, top):
        self.difference[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.difference ** 2) / bottom[0].num / 2.
    def backward(self, top, propagate_down, bottom):
        for i, sign in ((0, 1), (1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * self.difference / bottom[i].num

class Counts(caffe.Layer):
    def setup(self, bottom, top):
        self.passes = 0
    def reshape(self, bottom, top):
        top[0].reshape(1 + self.passes % 2, 3)
    def forward(self, bottom, top):
        top[0].data[...] = self.passes
        self.passes += 1
    def state(self):
        return {'passes': self.passes}
    def restore(self, state):
        self.passes = state['passes']

class NoBackward(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): pass

class NotALayer:
    pass
'''


@pytest.fixture(autouse=True)
def user_module(tmp_path, monkeypatch):
    """A module of user layers on sys.path, which import caffe; both are forgotten after."""
    (tmp_path / 'user_layers.py').write_text(USER)
    (tmp_path / 'broken_layers.py').write_text('import absent_package')
    monkeypatch.syspath_prepend(tmp_path)
    had = set(sys.modules)
    yield
    for name in {'caffe', 'user_layers', 'broken_layers'} - had:
        sys.modules.pop(name, None)


def python_layer(cls, name='one', bottom=('data',), top='one', param_str='', extra='',
                 module='user_layers'):
    bottoms = ''.join(f'bottom: "{b}" ' for b in bottom)
    return (f'layer {{ name: "{name}" type: "Python" {bottoms} top: "{top}" {extra} python_param '
            f'{{ module: "{module}" layer: "{cls}" param_str: "{param_str}" }} }}\n')


def net(*layers, phase=TRAIN, shape=(10, 9, 8), inputs=('data',), **options):
    dims = ' '.join(f'dim: {n}' for n in shape)
    head = 'force_backward: true\n' + ''.join(
        f'input: "{name}" input_shape {{ {dims} }}\n' for name in inputs)
    return Net(parse_net(head + ''.join(layers)), phase, **options)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_forward_backward_and_reshape(dtype):
    made = net(python_layer('TimesTen'), python_layer('TimesTen', 'two', ['one'], 'two', '2'),
               dtype=dtype)
    made.forward(data=np.full((10, 9, 8), 8))
    assert (made.blobs['two'].data == 160).all() and made.blobs['two'].data.dtype == dtype
    made.blobs['two'].diff = torch.full((10, 9, 8), 7, dtype=dtype)
    made.backward()
    assert (made.blobs['data'].diff == 140).all()
    made.forward(data=np.ones((4, 4)))
    assert made.blobs['two'].shape == (4, 4)


def test_an_exception_keeps_its_type_and_names_the_layer():
    with pytest.raises(RuntimeError, match='of my own') as caught:
        net(python_layer('Raises', param_str='x'))
    assert caught.value.__notes__ == [
        "in setup of Python layer 'one' (user_layers.Raises), param_str 'x'"]
    with pytest.raises(ValueError, match='could not convert') as caught:
        net(python_layer('TimesTen', param_str='ten'))
    assert "'one'" in str(caught.value)


def test_parameters_learn_and_travel(tmp_path):
    made = net(python_layer('Bias'), shape=(5, 3))
    layer = made.layers[-1]
    assert made.forward(data=np.zeros((5, 3)))['one'].eq(2).all()
    made.blobs['one'].diff = torch.ones(5, 3)
    made.backward()
    assert made.params['one'][0].diff.tolist() == [[5], [5], [5]]
    assert layer.instance.blobs[0].diff.tolist() == [[5], [5], [5]]
    made.save(tmp_path / 'w.caffemodel')
    layer.instance.blobs[0].data[...] = -1
    made.copy_from(tmp_path / 'w.caffemodel')
    assert layer.instance.blobs[0].data.tolist() == [[2], [2], [2]]
    assert len(layer.instance.blobs) == len(list(layer.instance.blobs)) == 1


@pytest.mark.parametrize('phase', [TRAIN, TEST])
def test_phase(phase):
    assert net(python_layer('Phase', bottom=()), phase=phase).forward()['one'] == phase


@pytest.mark.parametrize('weight', [1, 0.25])
def test_a_loss_in_python(weight):
    made = net(python_layer('HalfSquare', bottom=('a', 'b'), extra=f'loss_weight: {weight}'),
               inputs=('a', 'b'), shape=(4, 3))
    a, b = np.random.RandomState(0).randn(2, 4, 3)
    made.forward(a=a, b=b)
    assert float(made.loss) == pytest.approx(weight * ((a - b) ** 2).sum() / 8, rel=1e-6)
    made.backward()
    np.testing.assert_allclose(made.blobs['b'].diff.numpy(), (b - a) / 4, rtol=1e-5)


def test_tops_change_shape_each_pass_and_state_travels():
    made = net(python_layer('Counts', bottom=()))
    assert [made.forward()['one'].tolist() for _ in range(2)] == [[[0] * 3], [[1] * 3] * 2]
    state = made.layers[-1].state()
    other = net(python_layer('Counts', bottom=()))
    other.layers[-1].restore(state)
    assert other.forward()['one'].tolist() == [[2] * 3]
    plain = net(python_layer('TimesTen')).layers[-1]
    plain.restore(None)
    assert plain.state() is None
    with pytest.raises(ValueError, match=r'user_layers.TimesTen, which defines no restore'):
        plain.restore({})


def test_a_gradient_that_nobody_computes_is_refused():
    made = net(python_layer('NoBackward'))
    made.forward()
    with pytest.raises(NotImplementedError, match='must define backward'):
        made.backward()


@pytest.mark.parametrize('cls, module, said', [
    ('TimesTem', 'user_layers', "no class 'TimesTem' in module 'user_la.*did you mean 'Times"),
    ('NotALayer', 'user_layers', "'NotALayer' in module .* is no Python layer; expected a class"),
    ('X', 'voc_layer', "no Python module 'voc_layer'; did you mean 'voc_layers'.* on PYTHONPATH"),
    ('X', '', 'python_param lacks `module`'),
    ('', 'user_layers', 'python_param lacks `layer`')])
def test_refusals(cls, module, said):
    with pytest.raises(ValueError, match=said):
        net(python_layer(cls, module=module))


def test_a_missing_import_of_the_user_is_reported_as_such():
    with pytest.raises(ModuleNotFoundError, match='absent_package'):
        net(python_layer('X', module='broken_layers'))


def test_a_user_module_stands_before_ours(tmp_path):
    (tmp_path / 'voc_layers.py').write_text(USER)
    try:
        assert net(python_layer('TimesTen', module='voc_layers')).layers[-1].instance.factor == 10
    finally:
        sys.modules.pop('voc_layers', None)
