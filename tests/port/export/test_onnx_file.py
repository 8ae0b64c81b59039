"""Nets as ONNX files: every variant agrees with our executor; lean, whole, and with its facts."""

import json
import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from netspec.families import make_net
from netspec.families.fcn import fcn
from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.export import onnx_file as export_onnx
from port.export.onnx_file import compare, export, holds, random_weights

WIDTH = 1 / 16


def deploy(name: str) -> Net:
    net = Net(make_net(name, 'deploy', width=WIDTH), TEST)
    random_weights(net, 5)
    return net


def run(path: Path, **arrays: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return session.run(None, arrays)


def props(model: onnx.ModelProto) -> dict[str, str]:
    return {p.key: p.value for p in model.metadata_props}


def dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


@pytest.fixture(scope='module')
def voc8() -> Net:
    return deploy('voc-fcn8s')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[pytest.mark.slow] * (row.grid > 8))    # three ResNet-101s
    for name, row in VARIANTS.items()])
def test_every_variant(name: str, tmp_path: Path) -> None:
    net = deploy(name)
    path = export(net, tmp_path / 'm.onnx', name)
    frame, free = VARIANTS[name].frame, [(33, 250), (50, 47)]
    sizes = [frame] if frame else free if VARIANTS[name].grid == 1 else [(33, 97), (65, 33)]
    assert holds(compare(net, path, sizes))
    model = onnx.load(path)
    assert [o.name for o in model.graph.output] == net.outputs
    assert [i.name for i in model.graph.input] == net.inputs
    for value in (*model.graph.input, *model.graph.output):
        batch, channels, height, width = dims(value)
        assert (batch, height, width) == ('batch', 'height', 'width') and channels > 0
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert model.opset_import[0].version >= 17
    assert props(model)['variant'] == name


def test_the_graph_is_as_lean_as_by_hand(voc8: Net, tmp_path: Path) -> None:
    model = onnx.load(export(voc8, tmp_path / 'm.onnx'))
    kinds = Counter(node.op_type for node in model.graph.node)
    # 15 layers of VGG16, 3 scores; 3 upsamplings; for each of 3 crops one Shape, Add and Slice
    assert kinds == {'Conv': 18, 'Relu': 15, 'MaxPool': 5, 'ConvTranspose': 3, 'Shape': 3,
                     'Slice': 3, 'Add': 5}
    weights = {t.name: t for t in model.graph.initializer}
    assert list(weights['upscore8.weight'].dims) == [21, 1, 16, 16]


def test_training_layers_leave_nothing(tmp_path: Path) -> None:
    net = fcn('voc-fcn32s', 'deploy', width=WIDTH)
    net.layer.add(name='drop', type='Dropout', bottom=['score'], top=['score'])
    net.layer.add(name='copy', type='Split', bottom=['score'], top=['one', 'two'])
    net.layer.add(name='end', type='Silence', bottom=['two'])
    model = onnx.load(export(Net(net, TEST), tmp_path / 'm.onnx'))
    assert [o.name for o in model.graph.output] == ['one']
    assert model.graph.node[-1].op_type == 'Slice'


def test_metadata_of_two_heads(tmp_path: Path) -> None:
    found = props(onnx.load(export(deploy('siftflow-fcn32s'), tmp_path / 'm.onnx',
                                   'siftflow-fcn32s')))
    names = json.loads(found['class_names'])
    assert len(names['score_sem']) == 33 and names['score_geo'] == ['sky', 'horizontal', 'vertical']
    assert json.loads(found['mean']) == {'data': [114.578, 115.294, 108.353]}
    assert json.loads(found['channel_order']) == {'data': 'BGR'}


def test_other_classes_have_no_names(tmp_path: Path) -> None:
    net = Net(fcn('voc-fcn32s', 'deploy', width=WIDTH, classes=4), TEST)
    found = props(onnx.load(export(net, tmp_path / 'm.onnx', 'voc-fcn32s')))
    assert json.loads(found['class_names']) == {}


def test_preprocess_and_argmax(voc8: Net, tmp_path: Path) -> None:
    path = export(voc8, tmp_path / 'm.onnx', 'voc-fcn8s', preprocess=True, argmax=True)
    rgb = np.random.RandomState(3).randint(0, 256, (2, 40, 61, 3)).astype(np.uint8)
    (labels,) = run(path, data=rgb)
    bgr = rgb[..., ::-1].astype(np.float32) - np.float32(VARIANTS['voc-fcn8s'].mean)
    scores = voc8.forward(data=np.ascontiguousarray(bgr.transpose(0, 3, 1, 2)))['score'].numpy()
    assert labels.dtype == np.int64 and labels.shape == (2, 40, 61)
    assert (labels == scores.argmax(1)).mean() >= .9999
    model = onnx.load(path)
    assert [o.name for o in model.graph.output] == ['label']
    assert dims(model.graph.input[0]) == ['batch', 'height', 'width', 3]
    assert json.loads(props(model)['class_names'])['label'][15] == 'person'
    assert holds(compare(voc8, path, [(33, 20)]))


@pytest.mark.parametrize('name', ['nyud-fcn32s-color-d', 'nyud-fcn32s-hha'])
def test_preprocess_of_depth_and_hha(name: str, tmp_path: Path) -> None:
    net = deploy(name)
    assert holds(compare(net, export(net, tmp_path / 'm.onnx', name, preprocess=True), [(45, 38)]))


def test_external_data(voc8: Net, tmp_path: Path) -> None:
    whole = export(voc8, tmp_path / 'whole.onnx', 'voc-fcn8s')
    path = export(voc8, tmp_path / 'm.onnx', 'voc-fcn8s', external_above=1000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['m.onnx', 'm.onnx.data', 'whole.onnx']
    assert path.stat().st_size < 50_000 < whole.stat().st_size
    x = np.random.RandomState(3).uniform(-120, 120, (1, 3, 35, 40)).astype('f')
    assert np.array_equal(run(path, data=x)[0], run(whole, data=x)[0])
    large = {t.name: {e.key: e.value for e in t.external_data}
             for t in onnx.load(path, load_external_data=False).graph.initializer
             if t.external_data}
    assert all(int(e['offset']) % 4096 == 0 for e in large.values())
    assert {e['location'] for e in large.values()} == {'m.onnx.data'}
    assert 'fc6.weight' in large


def test_data_of_a_replaced_file_goes(voc8: Net, tmp_path: Path) -> None:
    export(voc8, tmp_path / 'm.onnx', external_above=1000)
    export(voc8, tmp_path / 'm.onnx')
    assert [p.name for p in tmp_path.iterdir()] == ['m.onnx']


def test_links_and_pipes_stay(voc8: Net, tmp_path: Path) -> None:
    """The data of a model behind a link lie where the link leads."""
    (tmp_path / 'there').mkdir()
    (tmp_path / 'm.onnx').symlink_to('there/real.onnx')
    export(voc8, tmp_path / 'm.onnx', external_above=1000)
    assert (tmp_path / 'm.onnx').is_symlink()
    assert sorted(p.name for p in (tmp_path / 'there').iterdir()) == ['real.onnx', 'real.onnx.data']
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ValueError, match='pipe: is no file, and weights of this size'):
        export(voc8, tmp_path / 'pipe', external_above=1000)
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / 'pipe').read_bytes()))
    reader.start()
    export(voc8, tmp_path / 'pipe')
    reader.join(10)
    assert onnx.load_from_string(got[0]).graph.node and (tmp_path / 'pipe').is_fifo()


def test_a_failure_leaves_what_was_there(voc8: Net, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'm.onnx'
    path.write_bytes(b'before')

    def fail(*args, **kwargs):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(export_onnx.onnx.checker, 'check_model', fail)
    with pytest.raises(OSError, match='No space'):
        export(voc8, path)
    assert [p.name for p in tmp_path.iterdir()] == ['m.onnx'] and path.read_bytes() == b'before'


def test_refusals(voc8: Net, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='does not exist; make it first'):
        export(voc8, tmp_path / 'none' / 'm.onnx')
    with pytest.raises(KeyError, match="did you mean 'voc-fcn8s'"):
        export(voc8, tmp_path / 'm.onnx', 'voc-fcn8')
    with pytest.raises(ValueError, match="input 'data' has no known mean"):
        export(voc8, tmp_path / 'm.onnx', preprocess=True)
    with pytest.raises(ValueError, match='TRAIN phase'):
        export(Net(fcn('voc-fcn32s', 'deploy', width=WIDTH), TRAIN), tmp_path / 'm.onnx')
    assert not list(tmp_path.iterdir())


def test_the_net_still_runs_as_before(voc8: Net, tmp_path: Path) -> None:
    x = np.random.RandomState(4).uniform(-120, 120, (1, 3, 35, 40)).astype('f')
    before = voc8.forward(data=x)['score'].clone()
    export(voc8, tmp_path / 'm.onnx')
    assert np.array_equal(voc8.forward(data=x)['score'], before)


@pytest.mark.parametrize('opset', [15, 18, 21])
@pytest.mark.parametrize('name', ['voc-fcn8s', 'camvid-fcn-basic', 'deeplab-msc-largefov'])
def test_other_opsets_compute_the_same(name: str, opset: int, tmp_path: Path) -> None:
    net = deploy(name)
    path = export(net, tmp_path / 'n.onnx', name, opset=opset)
    assert [(o.domain, o.version) for o in onnx.load(path).opset_import] == [('', opset)]
    onnx.checker.check_model(path, full_check=True)
    assert holds(compare(net, path, [(49, 65)], 1))


def test_reductions_say_their_axes_as_the_opset_wants(tmp_path: Path) -> None:
    """ReduceMean's axes were an attribute up to opset 17, and are an input since."""
    text = ('layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 4 '
            'dim: 5 } } } layer { name: "r" type: "Reduction" bottom: "d" top: "r" '
            'reduction_param { operation: MEAN axis: 1 } }')
    (tmp_path / 'n.prototxt').write_text(text)
    net = Net(tmp_path / 'n.prototxt', TEST)
    for opset, inputs in ((17, 1), (18, 2), (21, 2)):
        model = onnx.load(export(net, tmp_path / 'n.onnx', opset=opset))
        onnx.checker.check_model(model, full_check=True)
        (mean,) = (node for node in model.graph.node if node.op_type == 'ReduceMean')
        assert len(mean.input) == inputs


def test_what_an_opset_lacks_is_told(voc8: Net, tmp_path: Path) -> None:
    for opset in (14, 999):
        with pytest.raises(ValueError, match=rf'opset {opset}: expected 15 to \d+, the newest'):
            export(voc8, tmp_path / 'n.onnx', opset=opset)
    assert not list(tmp_path.iterdir())
