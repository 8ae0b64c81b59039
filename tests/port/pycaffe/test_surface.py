"""port.pycaffe: the names that scripts import, the messages, global settings, drawing."""

import importlib

import pytest
from google.protobuf import text_format

import port.pycaffe as caffe
from port.pycaffe import draw, mode
from port.pycaffe.proto import caffe_pb2

# What python/caffe/__init__.py of BVLC Caffe 1.0 makes available.
NAMES = '''AdaDeltaSolver AdaGradSolver AdamSolver Classifier Detector Layer NCCL Net NetSpec
NesterovSolver RMSPropSolver SGDSolver TEST TRAIN Timer __version__ get_solver has_nccl init_log io
layer_type_list layers log net_spec params proto set_device set_mode_cpu set_mode_gpu
set_multiprocess set_random_seed set_solver_count set_solver_rank solver_count solver_rank
to_proto'''.split()


@pytest.mark.parametrize('name', NAMES)
def test_name_is_there(name) -> None:
    assert hasattr(caffe, name)


@pytest.mark.parametrize('name', ['io', 'draw', 'classifier', 'detector', 'net_spec', 'coord_map',
                                  'pycaffe', '_caffe', 'proto', 'proto.caffe_pb2'])
def test_submodule_can_be_imported(name) -> None:
    assert importlib.import_module(f'port.pycaffe.{name}').__doc__


def test_layer_types_and_phases() -> None:
    assert {'Data', 'Convolution', 'InnerProduct', 'Python'} <= set(caffe.layer_type_list())
    assert (caffe.TRAIN, caffe.TEST) == (0, 1)


def test_net_spec_and_crop() -> None:
    from port.pycaffe.coord_map import crop
    n = caffe.NetSpec()
    n.data = caffe.layers.Input(shape=dict(dim=[1, 3, 8, 8]))
    n.conv = caffe.layers.Convolution(n.data, num_output=2, kernel_size=3, pad=4)
    n.pool = caffe.layers.Pooling(n.conv, pool=caffe.params.Pooling.MAX, kernel_size=1)
    n.score = crop(n.pool, n.data)
    net = n.to_proto()
    assert [layer.type for layer in net.layer] == ['Input', 'Convolution', 'Pooling', 'Crop']
    assert list(net.layer[3].crop_param.offset) == [3]


def test_messages_and_enums() -> None:
    net = caffe_pb2.NetParameter()
    text_format.Merge('name: "n" layer { name: "p" type: "Pooling" pooling_param { pool: AVE } }',
                      net)
    assert net.layer[0].pooling_param.pool == caffe_pb2.PoolingParameter.AVE
    assert text_format.MessageToString(net).startswith('name: "n"')
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST) == (0, 1) and caffe_pb2.Phase.Name(1) == 'TEST'
    assert caffe_pb2.V1LayerParameter.LayerType.Value('CONVOLUTION') == 4
    assert caffe_pb2.LayerParameter.LayerType.Value('CONVOLUTION') == 4
    assert caffe_pb2.SolverParameter.SolverMode.Name(caffe_pb2.SolverParameter.GPU) == 'GPU'
    assert caffe_pb2._NETPARAMETER is caffe_pb2.NetParameter.DESCRIPTOR
    for name in ('BlobProto', 'Datum', 'FillerParameter', 'NetStateRule', 'SolverState'):
        assert getattr(caffe_pb2, name)().SerializeToString() == b''


def test_settings() -> None:
    assert caffe.solver_count() == 1 and caffe.solver_rank() == 0 and not caffe.has_nccl()
    caffe.set_solver_count(2)
    caffe.set_solver_rank(1)
    caffe.set_multiprocess(True)
    assert caffe.solver_count() == 2 and caffe.solver_rank() == 1
    caffe.set_solver_count(1)
    caffe.set_solver_rank(0)
    caffe.set_mode_cpu()
    caffe.set_device(0)
    assert mode.device().type == 'cpu'
    with pytest.raises(RuntimeError, match='Multi-GPU execution not available'):
        caffe.NCCL(None, None)


def test_a_gpu_where_there_is_none(monkeypatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(RuntimeError, match='there is no CUDA device here; use set_mode_cpu'):
        caffe.set_mode_gpu()
    mode.cpu_only()
    caffe.set_mode_gpu()
    mode.cpu_only(False)
    assert mode.device().type == 'cpu'


def test_seed_repeats_fillers(write) -> None:
    net = write('layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 9 } } '
                '} layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" '
                'inner_product_param { num_output: 3 weight_filler { type: "gaussian" } } }')
    arrays = []
    for seed in (1, 1, 2):
        caffe.set_random_seed(seed)
        arrays.append(caffe.Net(net, caffe.TEST).params['a'][0].data.copy())
    assert (arrays[0] == arrays[1]).all() and (arrays[0] != arrays[2]).any()


def test_timer() -> None:
    timer = caffe.Timer()
    timer.start()
    timer.stop()
    assert timer.ms >= 0


@pytest.mark.parametrize(('level', 'shown'), [(0, True), (2, False)])
def test_log(capsys, level, shown) -> None:
    caffe.init_log(level, True)
    try:
        caffe.log('as caffe says')
    finally:
        mode.end_log()
    assert ('] as caffe says' in capsys.readouterr().err) == shown


NET = '''name: "n"
layer { name: "d" type: "Data" top: "x" data_param { batch_size: 4 } }
layer { name: "c" type: "Convolution" bottom: "x" top: "y" param { lr_mult: 2 }
        convolution_param { num_output: 7 kernel_size: 3 } }
layer { name: "p" type: "Pooling" bottom: "y" top: "z" include { phase: TEST }
        pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "r" type: "ReLU" bottom: "y" top: "y" }
'''


@pytest.fixture
def net() -> caffe_pb2.NetParameter:
    return text_format.Parse(NET, caffe_pb2.NetParameter())


def test_drawing_labels(net) -> None:
    data, conv, pool, _ = net.layer
    assert draw.get_edge_label(data) == 'Batch 4' and draw.get_edge_label(conv) == '7'
    assert draw.get_layer_label(pool, 'TB') == (
        '"p (Pooling AVE) kernel size: 2 stride: 2 pad: 0"')
    assert draw.get_layer_label(conv, 'LR', display_lrm=True) == (
        r'"c\n(Convolution)\nkernel size: 3\nstride: 1\npad: 0\nlr mult: 2.0, 1.0"')
    assert draw.get_pooling_types_dict() == {0: 'MAX', 1: 'AVE', 2: 'STOCHASTIC'}
    assert draw.choose_color_by_layertype('Pooling') == '#FF9900'
    with pytest.raises(ValueError, match='do not have a learning rate multiplier'):
        draw.get_layer_lr_mult(pool)


def test_drawing_as_text(net, tmp_path) -> None:
    draw.draw_net_to_file(net, str(tmp_path / 'n.dot'), 'TB')
    text = (tmp_path / 'n.dot').read_text()
    assert text.startswith('digraph "n" {\nrankdir=TB;') and text.count('[label="7"]') == 1
    assert '"c_Convolution" -> "y_blob"' in text and '"y_blob" -> "r_ReLU"' in text
    assert '#90EE90' in text                         # the in-place layer
    train = draw.draw_net(net, 'LR', 'raw', phase=caffe.TRAIN).decode()
    assert 'p_Pooling' in text and 'p_Pooling' not in train


def test_drawing_without_graphviz(net, monkeypatch) -> None:
    monkeypatch.setattr('shutil.which', lambda name: None)
    assert draw.draw_net(net, 'LR').startswith(b'\x89PNG')
    assert draw.draw_net(caffe_pb2.NetParameter(), 'LR', 'svg').startswith(b'<?xml')
