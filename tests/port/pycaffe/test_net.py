"""port.pycaffe.net: constructors, names, stretches of a net, live arrays, weights, callbacks."""

from collections import OrderedDict

import numpy as np
import pytest

import port.pycaffe as caffe

SPLIT = 'x_in_0_split_0'


def test_constructors(write, tmp_path) -> None:
    net = write('''
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
        layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" include { phase: TRAIN }
                inner_product_param { num_output: 1 } }
        layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" include { stage: "s" }
                inner_product_param { num_output: 1 } }
        layer { name: "c" type: "InnerProduct" bottom: "x" top: "c" include { min_level: 2 }
                inner_product_param { num_output: 1 } }''')
    weights = str(tmp_path / 'w.caffemodel')
    first = caffe.Net(net, caffe.TRAIN)
    first.params['a'][0].data[...] = 7
    first.save(weights)
    assert list(first.params) == ['a']
    assert list(caffe.Net(net, caffe.TEST, stages=['s']).params) == ['b']
    assert list(caffe.Net(net, caffe.TEST, level=2).params) == ['c']
    assert list(caffe.Net(net, caffe.TEST, 2, ['s']).params) == ['b', 'c']
    assert list(caffe.Net(network_file=net, phase=caffe.TRAIN).params) == ['a']
    for loaded in (caffe.Net(net, weights, caffe.TRAIN), caffe.Net(net, caffe.TRAIN,
                                                                   weights=weights)):
        assert loaded.params['a'][0].data.tolist() == [[7, 7]]


def test_what_constructors_refuse(write, tmp_path) -> None:
    net = write('layer { name: "in" type: "Input" top: "x" }')
    with pytest.raises(RuntimeError, match='Could not open file .*absent.prototxt'):
        caffe.Net(str(tmp_path / 'absent.prototxt'), caffe.TEST)
    with pytest.raises(RuntimeError, match='Could not open file .*absent.caffemodel'):
        caffe.Net(net, caffe.TEST, weights=str(tmp_path / 'absent.caffemodel'))
    for args in ((net,), (net, 'weights'), (net, 'weights', 1, 2)):
        with pytest.raises(TypeError):
            caffe.Net(*args)


def test_names_leave_automatic_splits_out(forked) -> None:
    names = ['in', 'double', 'triple', 'sum', 'fc']
    assert list(forked._layer_names) == names == list(forked.layer_dict)
    assert [layer.type for layer in forked.layers] == [
        'Input', 'Power', 'Power', 'Eltwise', 'InnerProduct']
    assert list(forked.blobs) == ['x', 'a', 'b', 'y', 'z']
    assert forked.inputs == ['x'] and forked.outputs == ['z']
    assert forked.bottom_names == OrderedDict(zip(names, [[], ['x'], ['x'], ['a', 'b'], ['y']],
                                                  strict=True))
    assert forked.top_names['double'] == ['a']
    assert forked._bottom_ids(3) == [1, 2] and forked._top_ids(4) == [4]
    assert forked._inputs == [0] and forked._outputs == [4]


def test_blobs_of_splits_are_found_by_name_but_not_listed(forked) -> None:
    forked.forward()
    assert forked.blobs[SPLIT].data.tolist() == forked.blobs['x'].data.tolist()
    assert SPLIT not in forked.blobs
    with pytest.raises(KeyError, match='nobody'):
        forked.blobs['nobody']


def test_layers_show_their_blobs(forked) -> None:
    assert forked.layers[4].blobs[0].data is not None
    assert forked.layer_dict['fc'].blobs[0].shape == (4, 3) == forked.params['fc'][0].data.shape
    assert len(forked.layers[0].blobs) == 0
    assert isinstance(forked.layers[0], caffe.Layer)
    forked.layers[4].blobs[1].data[...] = 5
    assert forked.params['fc'][1].data.tolist() == [5] * 4
    assert forked.params['fc'][-1] is forked.params['fc'][1]


def test_forward_takes_inputs_and_returns_outputs(forked) -> None:
    x = np.ones((2, 3))
    out = forked.forward(x=x, blobs=['y'])
    assert set(out) == {'z', 'y'}
    assert out['y'].tolist() == (5 * x).tolist()
    assert np.allclose(out['z'], 5 * x @ forked.params['fc'][0].data.T, atol=1e-5)


@pytest.mark.parametrize(('inputs', 'message'), [
    ({'w': np.ones((2, 3))}, 'Input blob arguments do not match net inputs.'),
    ({'x': np.ones((4, 3))}, 'Input is not batch sized')])
def test_inputs_that_do_not_fit(forked, inputs, message) -> None:
    with pytest.raises(Exception, match=message):
        forked.forward(**inputs)


def test_forward_in_stretches(forked) -> None:
    assert set(forked.forward(end='double')) == {'a'}
    assert not forked.blobs['b'].data.any()
    forked.blobs['x'].data[...] = 1                 # after its copies were made
    assert forked.forward(start='triple', end='triple')['b'].tolist() == [[3] * 3] * 2
    out = forked.forward(start='sum', end='sum')['y']
    assert out.tolist() == [[0 + 3, 2 + 3, 4 + 3], [6 + 3, 8 + 3, 10 + 3]]
    assert list(forked.forward(start='fc')) == ['z']


def test_an_unknown_layer_is_a_value_error(forked) -> None:
    for call in (forked.forward, forked.backward):
        with pytest.raises(ValueError, match="'conv9' is not in the list of layers: in, double"):
            call(start='conv9')


def test_forward_by_index_returns_the_loss(write) -> None:
    net = caffe.Net(write('''
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 4 } } }
        layer { name: "l" type: "Reduction" bottom: "x" top: "l" loss_weight: 2 }'''), caffe.TEST)
    net.blobs['x'].data[...] = 3
    assert net._forward(0, 1) == 2 * 4 * 3
    assert net._forward(0, 0) == 0
    assert net.blob_loss_weights == OrderedDict(x=0, l=2)
    with pytest.raises(IndexError):
        net._forward(0, 2)


def test_backward_returns_input_diffs(forked) -> None:
    forked.forward()
    dz = np.ones((2, 4), np.float32)
    out = forked.backward(z=dz, diffs=['y'])
    dy = dz @ forked.params['fc'][0].data
    assert set(out) == {'x', 'y'}
    assert np.allclose(out['y'], dy) and np.allclose(out['x'], 5 * dy)
    assert np.allclose(forked.params['fc'][1].diff, [2] * 4)
    with pytest.raises(Exception, match='Top diff arguments do not match net outputs.'):
        forked.backward(y=dy)


def test_backward_in_stretches(forked) -> None:
    forked.forward()
    forked.blobs['y'].diff[...] = 1
    assert set(forked.backward(start='sum', end='sum')) == {'a', 'b'}
    assert (forked.blobs['b'].diff == 1).all() and not forked.blobs['x'].diff.any()
    assert (forked.backward(start='triple', end='triple')['x'] == 3).all()    # its part only
    out = forked.backward(start='triple', end='double')
    assert (out['x'] == 5).all() and (forked.blobs['x'].diff == 5).all()      # added up


def test_callbacks_get_the_index_that_the_user_sees(forked) -> None:
    seen = []
    forked.before_forward(lambda i: seen.append(('bf', i)))
    forked.after_forward(lambda i: seen.append(('af', i)))
    forked.before_backward(lambda i: seen.append(('bb', i)))
    forked.after_backward(lambda i: seen.append(('ab', i)))
    forked.forward(start='double', end='triple')
    assert seen == [('bf', 1), ('af', 1), ('bf', 2), ('af', 2)]
    seen.clear()
    forked.backward()
    assert seen == [(when, i) for i in (4, 3, 2, 1, 0) for when in ('bb', 'ab')]


def test_arrays_stay_live(forked) -> None:
    z, row = forked.blobs['z'].data, forked.blobs['y'].data[1]
    forked.forward()
    assert z.any() and row.tolist() == [15, 20, 25]
    assert np.shares_memory(z, forked.blobs['z'].data)
    weights = forked.params['fc'][0].data
    weights[...] = 0
    assert not forked.forward()['z'].any()
    del z, row
    with pytest.raises(AttributeError):
        forked.blobs['x'].data = np.zeros((2, 3))


def test_blob_shapes(forked) -> None:
    blob = forked.blobs['x']
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 1, 1, 6)
    blob.reshape(5, 3)
    assert list(blob.shape) == [5, 3] and blob.data.shape == (5, 3) == blob.diff.shape
    forked.reshape()
    assert list(forked.blobs['z'].shape) == [5, 4]
    blob.reshape(1, 3)
    assert forked.forward()['z'].shape == (1, 4)


def test_arrays_outlive_the_net(write) -> None:
    net = caffe.Net(write(
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 9 } } }'),
        caffe.TEST)
    net.params['p'][0].data[...] = 2
    array, blob = net.params['p'][0].data, net.params['p'][0]
    del net
    assert array.sum() == 18 and blob.data.sum() == 18


def test_clear_param_diffs(forked) -> None:
    diff = forked.params['fc'][0].diff
    diff[...] = 1
    forked.clear_param_diffs()
    assert not diff.any()


@pytest.mark.parametrize(('save', 'load', 'name'), [
    ('save', 'copy_from', 'w.caffemodel'), ('save', 'copy_from', 'w.h5'),
    ('save_hdf5', 'load_hdf5', 'w.h5'), ('save_hdf5', 'load_hdf5', 'w.any'),
    ('save_hdf5', 'copy_from', 'w.h5')])
def test_weights_in_and_out(forked, write, tmp_path, save, load, name) -> None:
    path = str(tmp_path / name)
    getattr(forked, save)(path)
    head = (tmp_path / name).read_bytes()[:4]
    assert (head == b'\x89HDF') == (save == 'save_hdf5')
    before = forked.params['fc'][0].data.copy()
    forked.params['fc'][0].data[...] = 0
    if (save, name) != ('save', 'w.h5'):            # Caffe goes by the ending when it reads
        getattr(forked, load)(path)
        assert np.array_equal(forked.params['fc'][0].data, before)


def test_share_with(forked, tmp_path) -> None:
    other = caffe.Net(str(tmp_path / 'net.prototxt'), caffe.TEST)
    other.share_with(forked)
    forked.params['fc'][0].data[...] = 4
    assert (other.params['fc'][0].data == 4).all()
    assert np.shares_memory(other.params['fc'][0].data, forked.params['fc'][0].data)


def test_python_layers_are_the_users_own_objects(write, monkeypatch, tmp_path) -> None:
    (tmp_path / 'ten_layers.py').write_text('''
import port.pycaffe as caffe
class Ten(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        self.blobs.add_blob(1)
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data
    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = self.factor * top[0].diff
        self.blobs[0].diff[...] += 1
''')
    monkeypatch.syspath_prepend(tmp_path)
    net = caffe.Net(write('''force_backward: true
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 } } }
        layer { name: "p" type: "Python" bottom: "x" top: "y"
                python_param { module: "ten_layers" layer: "Ten" param_str: "10" } }'''),
                    caffe.TRAIN)
    layer = net.layers[1]
    assert type(layer).__name__ == 'Ten' and layer.type == 'Python' and layer.phase == caffe.TRAIN
    layer.factor = 4
    assert net.forward(x=np.array([1, 2]))['y'].tolist() == [4, 8]
    assert net.backward(y=np.array([1, 1]))['x'].tolist() == [4, 4]
    assert net.params['p'][0].diff.tolist() == [1] == layer.blobs[0].diff.tolist()


@pytest.mark.parametrize(('module', 'name', 'error'), [
    ('no_such_module', 'X', ImportError), ('port.data.voc', 'NoSuchLayer', AttributeError)])
def test_missing_python_layers_raise_what_python_raises(write, module, name, error) -> None:
    with pytest.raises(error):
        caffe.Net(write(f'layer {{ name: "p" type: "Python" top: "y" python_param {{ '
                        f'module: "{module}" layer: "{name}" }} }}'), caffe.TEST)


UNNAMED = """
layer { name: "x" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "l0" type: "EuclideanLoss" bottom: "x" bottom: "t" }
layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "y" loss_weight: 2 }
layer { name: "r" type: "Power" bottom: "y" top: "z" power_param { scale: 3 } }
"""


def test_tops_that_only_caffe_names(tmp_path) -> None:
    """What Caffe itself gave: a loss's top without a name, and an output that is a loss as well."""
    (tmp_path / 'n.prototxt').write_text(UNNAMED)
    net = caffe.Net(str(tmp_path / 'n.prototxt'), caffe.TRAIN)
    net.blobs['x'].data[...] = 1
    assert list(net.blobs) == ['x', 't', '(automatic)', 'y', 'z']
    assert ['(automatic)'] in net.top_names.values()
    assert net.forward() == {'y_l_0_split_0': 1.5, 'z': 4.5}
    assert net.outputs == ['y_l_0_split_0', 'z']
    assert list(net.blob_loss_weights.values()) == [0, 0, 1, 1, 0]
    assert net.blob_loss_weights['y_l_0_split_0'] == 2
    assert net.blobs['(automatic)'].data == 1.5 and net.blobs['y_l_0_split_0'].diff == 2
