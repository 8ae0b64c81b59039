"""A net's shapes from its prototxt: those of the running net, without its memory or its code."""

import tracemalloc
from pathlib import Path

import pytest

from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN
from netspec.variants import VARIANTS
from port.describe.net_shapes import ShapedNet, shaped_net
from port.describe.summary import summarize, table
from port.engine.net import Net

GOLDEN = Path(__file__).resolve().parents[2] / 'golden' / 'layers'
CASES = [path for path in sorted(GOLDEN.glob('*.prototxt')) if 'filter' not in path.stem]
DATA = '''layer { name: "data" type: "Input" top: "data"
    input_param { shape { dim: [1, 3, 1000, 1000] } } }\n'''


def shaped(text: str, size: tuple[int, int] | None = None) -> ShapedNet:
    return shaped_net(parse_net(text), TEST, size)


def same_as_running(ours: ShapedNet, net: Net) -> None:
    """Compare with what a running net has: the last shape of each blob, parameters by layer."""
    shapes = {name: shape for layer in ours.layers
              for name, shape in zip(layer.tops, layer.top_shapes, strict=True)}
    shapes.pop('(automatic)', None)
    assert shapes == {name: blob.shape for name, blob in net.blobs.items()}
    params = {layer.name: [param.shape for param in layer.params] for layer in ours.layers}
    assert {name: found for name, found in params.items() if found} == {
        name: [blob.shape for blob in blobs] for name, blobs in net.params.items()}


@pytest.mark.parametrize('path', CASES, ids=lambda path: path.stem)
def test_recorded_nets(path: Path) -> None:
    same_as_running(shaped_net(str(path), TEST), Net(str(path), TEST))


@pytest.mark.parametrize('name', ['voc-fcn8s', 'voc-fcn-alexnet', 'camvid-segnet-basic'])
def test_published_nets(name: str) -> None:
    assert name in VARIANTS
    net = fcn(name, 'deploy', width=1 / 16)
    same_as_running(shaped_net(net, TEST), Net(net, TEST))


def test_a_few_bytes_take_no_memory() -> None:
    """A net of 60 terabytes of weights is counted in a megabyte."""
    net = DATA + '''layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 5000000 } }'''
    shaped(net)                                           # what is imported and kept counts once
    tracemalloc.start()
    rows = summarize(shaped(net))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows[1].learnt == 3_000_000 * 5_000_000 + 5_000_000 and peak < 2 ** 20
    assert '15,000,005,000,000 parameters learnt' in table(rows)


def test_a_python_layer_is_not_run() -> None:
    net = shaped(DATA + '''
        layer { name: "mine" type: "Python" bottom: "data" top: "m"
                python_param { module: "not_there" layer: "Mine" } }
        layer { name: "conv" type: "Convolution" bottom: "m" top: "c"
                convolution_param { num_output: 2 kernel_size: 3 } }
        layer { name: "crop" type: "Crop" bottom: "data" bottom: "c" top: "t" }''')
    assert [layer.top_shapes for layer in net.layers[1:]] == [[None]] * 3
    rows = summarize(net)
    assert [row.shape for row in rows[1:]] == [None] * 3 and rows[2].learnt == 0
    assert table(rows).count('unknown') == 3


def test_data_layers_become_images_and_labels() -> None:
    text = '''layer { name: "d" type: "DenseImageData" top: "data" top: "label" }
        layer { name: "m" type: "MemoryData" top: "more" top: "which"
                memory_data_param { batch_size: 2 channels: 4 height: 5 width: 6 } }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
                convolution_param { num_output: 2 kernel_size: 1 } }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" }'''
    net = shaped(text, (7, 9))
    assert net.layers[0].type == 'Input'
    assert net.layers[0].top_shapes == [(1, 3, 7, 9), (1, 1, 7, 9)]
    assert net.layers[1].top_shapes == [(2, 4, 5, 6), (2,)]
    assert (net.layers[3].tops, net.layers[3].top_shapes) == (['(automatic)'], [()])
    cropped = text.replace('"label" }', '"label" transform_param { crop_size: 33 } }', 1)
    assert shaped(cropped).layers[0].top_shapes[0] == (1, 3, 33, 33)
    assert shaped(text).layers[0].top_shapes[0] == (1, 3, 500, 500)


def test_phase_and_size() -> None:
    text = DATA + '''layer { name: "only" type: "Dropout" bottom: "data" top: "t"
        include { phase: TRAIN } }'''
    assert len(shaped(text).layers) == 1
    assert shaped_net(parse_net(text), TRAIN, (4, 5)).layers[1].top_shapes == [(1, 3, 4, 5)]


def test_the_input_is_left_alone() -> None:
    net = parse_net('layer { name: "d" type: "Python" top: "data" }')
    before = net.SerializeToString()
    shaped_net(net, TEST)
    assert net.SerializeToString() == before


@pytest.mark.parametrize('text, words', [
    ('type: "Relu" bottom: "data" top: "t"', "layer 'x' (Relu).*did you mean 'ReLU'"),
    ('type: "Eltwise" bottom: "data" top: "t"', 'Eltwise takes at least 2 bottom blob'),
    ('type: "ReLU" bottom: "dota" top: "t"', "Unknown bottom blob 'dota'"),
    ('type: "Pooling" bottom: "data" top: "t"', "layer 'x' (Pooling).*kernel must be given"),
    ('type: "ReLU" bottom: "data" top: "t" param { lr_mult: 1 }', 'too many params specified: 1'),
    ('type: "Convolution" bottom: "data" top: "t" convolution_param { kernel_size: 1001 '
     'num_output: 1 }', 'smaller than the kernel'),
    ('type: "Tile" bottom: "data" top: "t" tile_param { tiles: 1000 }', 'holds at most')])
def test_what_caffe_refuses_is_refused(text: str, words: str) -> None:
    with pytest.raises((ValueError, KeyError), match=words.replace('(', r'\(').replace(')', r'\)')):
        shaped(f'{DATA}layer {{ name: "x" {text} }}')


def test_an_error_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / 'net.prototxt'
    path.write_text(DATA + 'layer { name: "x" type: "Slice" bottom: "data" top: "a" top: "b" }')
    with pytest.raises(ValueError, match=r"net.prototxt:3: layer 'x' \(Slice\): 2 tops cannot"):
        shaped_net(path, TEST)
